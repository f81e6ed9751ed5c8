"""The seam behind which sessions are remembered."""

from dataclasses import dataclass
from typing import Protocol

from assistant.events import FinishReason
from assistant.turn import SessionKey
from guards.conversation import Message, ToolCall
from policies.placeholders import Placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a message was answered with, kept so that a repeated delivery is answered once (I7).

    ``text`` is what was released, or the policy's own text when the turn was blocked; ``calls``
    are the tool calls that were released with it.
    """

    text: str
    reason: FinishReason
    log_id: str
    decision: str
    clause: str | None
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run one turn of a session.

    ``token`` is unique to the holder, ``version`` is the session's when it was opened. Together
    they fence late writers: once another turn has opened the session, this lease is worth
    nothing while that turn runs, and nothing ever again if it commits.
    """

    key: SessionKey
    turn: str
    token: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The session is ours; ``history`` is oldest first and never holds quarantined messages.

    ``placeholders`` are those of the last commit that had any.
    """

    lease: Lease
    history: tuple[Message, ...]
    placeholders: tuple[Placeholder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """This message was answered before."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What a finished turn leaves behind.

    ``remembered`` goes into the model's later context; ``quarantined`` is kept for audit apart
    from it and is never read by a turn (I6). ``placeholders`` are all that may stand in what is
    remembered; they live as long as the session, and a commit without any changes none. ``also``
    is another turn with the same answer: the one that had asked a person, and got its word.
    """

    remembered: tuple[Message, ...]
    quarantined: tuple[Message, ...]
    answer: Answer
    placeholders: tuple[Placeholder, ...] = ()
    also: str | None = None


class SessionStore(Protocol):
    """Opens a session for one turn at a time and commits what the turn leaves.

    Every method raises ``MemoryUnavailableError`` when the store does not answer in time.
    """

    async def open(self, key: SessionKey, turn: str) -> Opened | Answered:
        """Take the session's lock, waiting for a running turn.

        Raises:
            SessionBusyError: the running turn did not end in time.
        """

    async def renew(self, lease: Lease) -> None:
        """Hold the lock for longer.

        Raises:
            SessionBusyError: the lease was lost.
        """

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """Write everything and give the lock back, in one atomic step.

        Raises:
            SessionBusyError: the lease was lost; nothing was written.
        """

    async def release(self, lease: Lease) -> None:
        """Give the lock back and remember nothing, after a turn that failed."""
