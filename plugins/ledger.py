"""The seam behind which side effects are written down, so that none happens twice by accident."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from plugins.caller import Caller


class Standing(StrEnum):
    """What is known of a side effect."""

    NEW = "new"
    """It never began."""
    STARTED = "started"
    """It began, and nobody knows how it ended."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One side effect of a turn; ``record`` is the result's bytes when it is done."""

    standing: Standing
    record: bytes | None = None


class Ledger(Protocol):
    """Durable notes on the side effects of turns, kept as long as a turn may be taken up again.

    Raises whatever says that it cannot be reached; then nothing is started.
    """

    async def entries(self, caller: Caller) -> dict[str, Entry]:
        """All of the turn's entries, by key."""

    async def begin(self, caller: Caller, key: str) -> Entry:
        """Note that the side effect is about to start, unless it is noted already.

        Returns what was there before: only ``NEW`` lets the caller go on.
        """

    async def done(self, caller: Caller, key: str, record: bytes) -> None:
        """Note that it ended, and with what."""

    async def again(self, caller: Caller, key: str) -> None:
        """A person said that a ``STARTED`` one may run once more: forget that it began."""
