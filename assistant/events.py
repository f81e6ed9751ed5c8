"""What streams out of a turn: a closed union of events."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assistant.approval.asked import Asked
from guards.conversation import Subject, ToolCall
from plugins.result import Citation, Picture
from policies.decision import Blocking, Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens the engine counted; ``None`` where it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class FinishReason(StrEnum):
    """Why the reply ended, in the words of the OpenAI chat format."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The policy decided about a part of the turn. ``at`` is seconds since the turn began."""

    subject: Subject
    decision: Decision
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReleased:
    """Text that every required guard has judged and the policy let through."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallReleased:
    """A decided call of one of the caller's own tools; the caller runs it."""

    call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A tool of Corral's own runs. ``call`` is the call's id within the turn."""

    call: str
    tool: str
    plugin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProgressed:
    """What a running tool says that it is doing; judged."""

    call: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A tool call came to its end.

    ``failure`` is ``None`` or one of :class:`plugins.outcome.Failure`; ``artifact`` is JSON-able
    data for the user's application, judged.
    """

    call: str
    tool: str
    failure: str | None = None
    artifact: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A source that the reply may refer to as ``[number]``; numbers count from 1 in a turn."""

    number: int
    citation: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReleased:
    """An image for the user; judged."""

    picture: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeeded:
    """The turn waits for a person's word and goes on when it is there.

    ``asked.text`` is the question, ``asked.arguments`` are what would run, word for word. Only
    ``Finished`` follows.
    """

    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The policy's own text instead of the model's. ``text`` is safe to show."""

    decision: Blocking
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retracted:
    """What was released before should be replaced by ``text`` where the channel can edit."""

    decision: Blocking
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The turn is remembered and logged; nothing follows.

    ``log_id`` names the entry of the decision log that proves it. ``replayed`` says that this
    message had been answered before and this is that answer.
    """

    reason: FinishReason
    usage: Usage
    log_id: str
    clause: str | None = None
    decision: str = "allow"
    replayed: bool = False


Event = (
    Judged
    | TextReleased
    | ToolCallReleased
    | ToolStarted
    | ToolProgressed
    | ToolFinished
    | Cited
    | ImageReleased
    | ApprovalNeeded
    | Refused
    | Retracted
    | Finished
)
