"""Plugins' small values in Redis or Valkey."""

from dataclasses import dataclass

from assistant.clock import Ids, random_id
from assistant.memory.keys import digest
from assistant.memory.link import Client, Link, milliseconds
from assistant.memory.scripts import Script
from plugins.errors import ToolError

LARGEST = 1024 * 1024
"""Bytes of a value."""

_SWAP = Script("""
-- KEYS value swapped; ARGV 1 or 0 (whether a value is expected), expected, value, ttl (ms),
--      life of the mark (ms)
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local present = redis.call('GET', KEYS[1])
if ARGV[1] == '0' and present or ARGV[1] == '1' and present ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
-- Whoever did not see this reply asks again under the same mark.
redis.call('SET', KEYS[2], '1', 'PX', ARGV[5])
return 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose values they are; every part is in each value's name, so no scope meets another (I11).

    ``owner`` is the tenant and the user, or nobody for what all users of a plugin share.
    """

    plugin: str
    owner: tuple[str, str] | None = None

    def name(self, key: str) -> str:
        """The name of the string that holds the value of ``key``."""
        owner = ("shared",) if self.owner is None else ("user", *self.owner)
        return f"corral:{{{digest(*owner, self.plugin, key)}}}:value"


class RedisValues:
    """One scope's values; a :class:`plugins.access.Store`."""

    def __init__(
        self, client: Client, scope: Scope, *, deadline: float, ids: Ids = random_id
    ) -> None:
        self._link = Link(client, deadline=deadline)
        self._mark_life = milliseconds(2 * deadline)
        self._scope = scope
        self._ids = ids

    async def get(self, key: str) -> bytes | None:
        """See :class:`Store`."""
        name = self._scope.name(key)
        value = await self._link.call(lambda client: client.get(name))
        return value if isinstance(value, bytes) else None

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """See :class:`Store`.

        Raises:
            ToolError: the value is too large.
            ValueError: ``ttl`` is not a positive number of seconds.
        """
        _check(value, ttl)
        name, life = self._scope.name(key), milliseconds(ttl)
        await self._link.call(lambda client: client.set(name, value, px=life))

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        """See :class:`Store`.

        Raises:
            ToolError: the value is too large.
            ValueError: ``ttl`` is not a positive number of seconds.
        """
        _check(value, ttl)
        name = self._scope.name(key)
        swapped = await self._link.run(
            _SWAP,
            [name, f"{name}:{self._ids('swap_')}"],
            [int(expected is not None), expected or b"", value, milliseconds(ttl), self._mark_life],
        )
        return bool(swapped)

    async def delete(self, key: str) -> None:
        """See :class:`Store`."""
        name = self._scope.name(key)
        await self._link.call(lambda client: client.delete(name))


def _check(value: bytes, ttl: float) -> None:
    if len(value) > LARGEST:
        raise ToolError(f"a value to keep has {len(value)} bytes; at most {LARGEST} are right")
    if not 0 < ttl < float("inf"):
        raise ValueError("ttl must be a positive number of seconds")
