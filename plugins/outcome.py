"""What becomes of a tool call: a closed union, and what the model is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from guards.conversation import BY_TOOL, Message, Provenance, Role, TextPart, ToolCall
from plugins.approval import call_digest, canonical
from plugins.result import Citation, Picture
from policies.decision import Ask, Blocking


class Failure(StrEnum):
    """Why a call gave nothing, as the model and the decision log read it."""

    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    TOO_MANY_CALLS = "too_many_calls"
    DENIED = "denied_by_policy"
    DECLINED = "declined_by_person"
    UNCERTAIN = "may_have_happened_already"
    TOOL_ERROR = "tool_error"
    TIMEOUT = "timeout"
    CRASHED = "tool_failed"
    OUTPUT = "bad_output"
    WITHHELD = "result_withheld"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The tool ran, and its result was judged.

    ``message`` is what the model reads, labelled with where it came from; the rest is for the
    user. ``guidance`` is what the policy adds to the model's instructions on account of it.
    """

    call: ToolCall
    message: Message
    artifact: Any = None
    citations: tuple[Citation, ...] = ()
    images: tuple[Picture, ...] = ()
    guidance: tuple[str, ...] = ()
    direct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Nothing was gained; ``message`` tells the model why, so that it can do better or say so.

    ``problem`` is the same in words alone, where they are Corral's own or the policy let the
    tool's pass as they are.
    """

    call: ToolCall
    message: Message
    failure: Failure
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsApproval:
    """Nothing happened yet: a person must say so first.

    ``arguments`` are what would run, word for word; ``digest`` binds an approval to them.
    """

    call: ToolCall
    plugin: str
    arguments: dict[str, Any]
    ask: Ask

    @property
    def shown(self) -> str:
        """The arguments as canonical JSON."""
        return canonical(self.arguments)

    @property
    def digest(self) -> str:
        """Of the tool's name and the arguments."""
        return call_digest(self.call.name, self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """The policy ends the turn on account of the call or its result."""

    call: ToolCall
    decision: Blocking


Outcome = Ran | Failed | NeedsApproval | Blocked


def failed(call: ToolCall, failure: Failure, problem: str, advice: str = "") -> Failed:
    """A call that gave nothing; ``problem`` says what is wrong, and what would be right.

    ``advice`` is for the model alone: what to make of it.
    """
    told = f"{problem}; {advice}" if advice else problem
    text = orjson.dumps({"error": failure, "message": told}).decode()
    message = tool_message(call, text, BY_TOOL)
    return Failed(call=call, failure=failure, message=message, problem=problem)


def tool_message(call: ToolCall, text: str, provenance: Provenance) -> Message:
    """What a call gave, as the message that answers it."""
    return Message(
        id=f"{call.id}#result",
        role=Role.TOOL,
        parts=(TextPart(text=text),),
        provenance=provenance,
        tool_call_id=call.id,
    )
