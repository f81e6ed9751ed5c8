"""A decision log without a disk, for unit tests and the simulator."""

from typing import Any

from assistant.audit.chain import OPENED, START, Entry, entry_id, read, seal
from assistant.clock import Clock
from assistant.errors import LogUnavailableError


class InMemoryDecisionLog:
    """Chains entries as :class:`FileDecisionLog` does.

    ``lines`` are the bytes that would be on disk. ``durable_entries`` counts how many of them
    somebody has waited for.
    """

    def __init__(self, *, clock: Clock, writer: str = "w0") -> None:
        self._clock = clock
        self._writer = writer
        self._prev = START
        self.lines: list[bytes] = []
        self.durable_entries = 0
        self.append(OPENED, {"others": {}, "torn": {}})

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything recorded, oldest first, each line proven."""
        return tuple(read(line[:-1]) for line in self.lines)

    @property
    def head(self) -> str:
        """Hash of the newest entry."""
        return self._prev

    def append(self, kind: str, body: dict[str, Any]) -> str:
        """See :class:`DecisionLog`."""
        seq = len(self.lines)
        try:
            line, self._prev = seal(
                writer=self._writer,
                seq=seq,
                prev=self._prev,
                at=self._clock.now(),
                kind=kind,
                body=body,
            )
        except TypeError:
            raise LogUnavailableError("decision log: an entry is not JSON-able") from None
        self.lines.append(line)
        return entry_id(self._writer, seq)

    async def durable(self) -> None:
        """See :class:`DecisionLog`."""
        self.durable_entries = len(self.lines)
