"""The seam through which the broker tells what it decides and does, before it takes effect."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from guards.conversation import Exchange
from policies.decision import Decision


class Stage(StrEnum):
    """How far a tool call has come."""

    REJECTED = "rejected"
    """Its arguments are not valid, or a limit is reached; it was never decided."""
    DENIED = "denied"
    ASKED = "asked"
    """It waits for a person's word."""
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    REPLAYED = "replayed"
    """The turn had done it before; its result of then was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStep:
    """One step of one call; holds nothing that was said.

    Attributes:
        tool, plugin, version: what runs.
        call: id of the call within its turn.
        digest: of name and arguments, see :func:`plugins.approval.call_digest`; empty for
            arguments that are not valid.
        approval: id of the approval that a person gave.
        reason: a short fixed phrase where something went wrong.
        elapsed: seconds, of what has finished.
    """

    stage: Stage
    tool: str
    plugin: str
    version: str
    call: str
    digest: str = ""
    approval: str | None = None
    reason: str | None = None
    elapsed: float | None = None


class Journal(Protocol):
    """Records; raises when it cannot, and then nothing goes on."""

    def decided(self, exchange: Exchange, decision: Decision) -> None:
        """A decision about a call or a result."""

    def stepped(self, step: CallStep) -> None:
        """A step of a call."""

    async def durable(self) -> None:
        """Return once all of it survives the loss of power; awaited before a side effect."""
