"""Notes on side effects without a server, for unit tests and the simulator."""

from plugins.caller import Caller
from plugins.ledger import Entry, Standing


class InMemoryLedger:
    """Behaves as :class:`RedisLedger` does, but forgets nothing and survives nothing."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str, str, str], dict[str, Entry]] = {}

    async def entries(self, caller: Caller) -> dict[str, Entry]:
        """See :class:`Ledger`."""
        return dict(self._of(caller))

    async def begin(self, caller: Caller, key: str) -> Entry:
        """See :class:`Ledger`."""
        notes = self._of(caller)
        before = notes.get(key, Entry(standing=Standing.NEW))
        notes.setdefault(key, Entry(standing=Standing.STARTED))
        return before

    async def done(self, caller: Caller, key: str, record: bytes) -> None:
        """See :class:`Ledger`."""
        self._of(caller)[key] = Entry(standing=Standing.DONE, record=record)

    async def again(self, caller: Caller, key: str) -> None:
        """See :class:`Ledger`."""
        notes = self._of(caller)
        if key in notes and notes[key].standing is Standing.STARTED:
            del notes[key]

    def _of(self, caller: Caller) -> dict[str, Entry]:
        turn = (caller.tenant, caller.user, caller.session, caller.turn)
        return self._notes.setdefault(turn, {})
