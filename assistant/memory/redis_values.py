"""Plugins' small values in Redis or Valkey."""

from dataclasses import dataclass

from assistant.memory.keys import digest
from assistant.memory.link import Client, Link, milliseconds
from plugins.errors import ToolError

LARGEST = 1024 * 1024
"""Bytes of a value."""


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
        return f"corral:value:{digest(*owner, self.plugin, key)}"


class RedisValues:
    """One scope's values; a :class:`plugins.access.Store`."""

    def __init__(self, client: Client, scope: Scope, *, deadline: float) -> None:
        self._link = Link(client, deadline=deadline)
        self._scope = scope

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
        check_value(value, ttl)
        name, life = self._scope.name(key), milliseconds(ttl)
        await self._link.call(lambda client: client.set(name, value, px=life))

    async def delete(self, key: str) -> None:
        """See :class:`Store`."""
        name = self._scope.name(key)
        await self._link.call(lambda client: client.delete(name))


def check_value(value: bytes, ttl: float) -> None:
    """Refuse what no store keeps.

    Raises:
        ToolError: the value is too large.
        ValueError: ``ttl`` is not a positive number of seconds.
    """
    if len(value) > LARGEST:
        raise ToolError(f"a value to keep has {len(value)} bytes; at most {LARGEST} are right")
    if not 0 < ttl < float("inf"):
        raise ValueError("ttl must be a positive number of seconds")
