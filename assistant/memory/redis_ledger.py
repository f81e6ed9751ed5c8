"""Notes on side effects in Redis or Valkey, on disk before the side effect starts."""

from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError, TryAgainError

from assistant.clock import Ids, random_id
from assistant.errors import MemoryUnavailableError
from assistant.memory.keys import SessionKeys
from assistant.memory.link import Argument, Client, Link, milliseconds
from assistant.memory.scripts import Script
from assistant.turn import SessionKey
from plugins.caller import Caller
from plugins.ledger import Entry, Standing

LIFE = 8 * 24 * 3600.0
"""Seconds that a turn's notes are kept after the last one: a turn may wait a week for a person, and
be taken up a day later."""

_NOT_THERE = ("appendonly is disabled", "unknown command")
"""What a server says to WAITAOF that cannot do it."""

# A note is "s" and the token of the attempt, or "d" and the record of the result.

_BEGIN = Script("""
-- KEYS effects; ARGV key, token, ttl (ms)
local note = redis.call('HGET', KEYS[1], ARGV[1])
if note and note ~= 's' .. ARGV[2] then return note end
-- Written again when our own note is there: WAITAOF waits for what this connection wrote.
redis.call('HSET', KEYS[1], ARGV[1], 's' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return ''
""")

_DONE = Script("""
-- KEYS effects; ARGV key, record, ttl (ms)
redis.call('HSET', KEYS[1], ARGV[1], 'd' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
""")

_AGAIN = Script("""
-- KEYS effects; ARGV key
local note = redis.call('HGET', KEYS[1], ARGV[1])
if note and string.sub(note, 1, 1) == 's' then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
""")


class RedisLedger:
    """A turn's notes are one hash under its session's hash tag.

    A note that a side effect starts counts once the server has it on disk (``WAITAOF``, from
    Redis 7.2 on). A server that keeps no append-only file, or does not know the command, is
    taken as it is: its notes are as safe as its operator made it.

    Args:
        client: as :class:`..memory.link.Link` takes it.
        deadline: seconds that one operation may take. With ``appendfsync everysec`` the disk is
            up to one second away, so a shorter one fails.
        ids: makes the token of each attempt.
    """

    def __init__(self, client: Client, *, deadline: float, ids: Ids = random_id) -> None:
        self._link = Link(client, deadline=deadline)
        self._patience = milliseconds(deadline)
        self._ids = ids

    async def entries(self, caller: Caller) -> dict[str, Entry]:
        """See :class:`Ledger`."""
        name = _name(caller)
        notes: dict[bytes, bytes] = await self._link.call(lambda client: client.hgetall(name))
        return {key.decode(): _entry(note) for key, note in notes.items()}

    async def begin(self, caller: Caller, key: str) -> Entry:
        """See :class:`Ledger`.

        Raises:
            MemoryUnavailableError: the note may not be safe, so nothing must start.
        """
        name, token = _name(caller), self._ids("effect_")

        async def note(client: Client) -> bytes:
            return await self._written(client, name, key, token)

        before = await self._link.call(note, persist=True)
        return _entry(before) if before else Entry(standing=Standing.NEW)

    async def done(self, caller: Caller, key: str, record: bytes) -> None:
        """See :class:`Ledger`. Losing this note only means that a person is asked."""
        arguments: list[Argument] = [key, record, milliseconds(LIFE)]
        await self._link.run(_DONE, [_name(caller)], arguments, persist=True)

    async def again(self, caller: Caller, key: str) -> None:
        """See :class:`Ledger`."""
        await self._link.run(_AGAIN, [_name(caller)], [key])

    async def _written(self, client: Client, name: str, key: str, token: str) -> bytes:
        """What was noted before, or nothing once our own note is on disk."""
        arguments = (key, token, milliseconds(LIFE))
        while True:
            match await self._noted_and_synced(client, name, arguments):
                case [NoScriptError(), _]:
                    await client.script_load(_BEGIN.source)
                case [MovedError() | AskError() | TryAgainError(), _]:
                    # The client follows the slot, which tells it where to try again.
                    await client.eval(_BEGIN.source, 1, name, *arguments)
                case [Exception() as error, _]:
                    raise error
                case [b"", synced]:
                    _check_synced(synced)
                    return b""
                case [bytes(before), _]:
                    return before
                case _:
                    raise MemoryUnavailableError("session memory answered something unknown")

    async def _noted_and_synced(
        self, client: Client, name: str, arguments: tuple[str, str, int]
    ) -> list[Any]:
        # One connection carries both commands: WAITAOF only speaks of the writes of its own.
        note = ("EVALSHA", _BEGIN.sha, 1, name, *arguments)
        wait = ("WAITAOF", 1, 0, self._patience)
        if isinstance(client, RedisCluster):
            await client.initialize()
            node = client.get_node_from_key(name)
            pipes = client.pipeline()
            for command in (note, wait):
                pipes.execute_command(*command, target_nodes=node)
            return await pipes.execute(raise_on_error=False, allow_redirections=False)
        pipe = client.pipeline(transaction=False)
        for command in (note, wait):
            pipe.execute_command(*command)
        return await pipe.execute(raise_on_error=False)


def _check_synced(synced: object) -> None:
    match synced:
        case [int(local), int()] if local >= 1:
            return
        case ResponseError() if any(word in str(synced) for word in _NOT_THERE):
            return
        case Exception():
            raise synced
        case _:
            raise MemoryUnavailableError("session memory did not write to its disk in time")


def _name(caller: Caller) -> str:
    key = SessionKey(tenant=caller.tenant, user=caller.user, session=caller.session)
    return SessionKeys.of(key).effects(caller.turn)


def _entry(note: bytes) -> Entry:
    match note[:1]:
        case b"s":
            return Entry(standing=Standing.STARTED)
        case b"d":
            return Entry(standing=Standing.DONE, record=note[1:])
        case _:
            raise MemoryUnavailableError("session memory holds a damaged note of a side effect")
