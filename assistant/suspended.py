"""A turn that waits for a person, as bytes that another process can take up."""

from dataclasses import dataclass
from typing import Any

import orjson

from assistant.events import Usage
from assistant.memory.codec import (
    VERSION,
    UnreadableRecordError,
    decode_messages,
    decode_placeholders,
    encode_message,
    encode_placeholders,
)
from assistant.progress import Progress, Waiting
from assistant.turn import Sampling, SessionKey, Turn
from guards.conversation import Message, Subject, ToolCall
from guards.panel import PanelVerdict
from plugins.tool import ToolSpec
from policies.audience import Audience
from policies.decision import Allow, Basis, Decision, Rewrite, Steer, decision_name
from policies.placeholders import Placeholder

_DAMAGED = "session memory holds a damaged turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """All that taking up a turn needs."""

    turn: Turn
    progress: Progress
    waiting: Waiting
    placeholders: tuple[Placeholder, ...]


def encode_suspended(suspended: Suspended) -> bytes:
    """As a JSON object."""
    progress, waiting = suspended.progress, suspended.waiting
    return orjson.dumps(
        {
            "v": VERSION,
            "turn": _turn_record(suspended.turn),
            "message": _messages((progress.message,)),
            "history": _messages(progress.history),
            "trail": _messages(progress.trail),
            "decision": _decision_record(progress.decision),
            "guidance": progress.guidance,
            "shown": progress.shown,
            "usage": [progress.usage.prompt_tokens, progress.usage.completion_tokens],
            "rounds": progress.rounds,
            "cited": progress.cited,
            "reply": _messages((waiting.reply,)),
            "results": _messages(waiting.results),
            "calls": [[call.id, call.name, call.arguments] for call in waiting.calls],
            "tally": waiting.tally,
            "commanded": waiting.commanded,
            "placeholders": encode_placeholders(suspended.placeholders).decode(),
        }
    )


def decode_suspended(data: bytes) -> Suspended:
    """The inverse of :func:`encode_suspended`.

    Raises:
        UnreadableRecordError: the bytes are not a turn of this version.
    """
    try:
        record = orjson.loads(data)
        if record["v"] != VERSION:
            raise UnreadableRecordError(_DAMAGED)
        (message,) = _from(record["message"])
        (reply,) = _from(record["reply"])
        prompt_tokens, completion_tokens = record["usage"]
        return Suspended(
            turn=_turn(record["turn"], message),
            progress=Progress(
                message=message,
                history=_from(record["history"]),
                trail=_from(record["trail"]),
                decision=_decision(record["decision"]),
                guidance=tuple(record["guidance"]),
                shown=record["shown"],
                usage=Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens),
                rounds=record["rounds"],
                cited=record["cited"],
            ),
            waiting=Waiting(
                reply=reply,
                calls=tuple(ToolCall(id=i, name=n, arguments=a) for i, n, a in record["calls"]),
                results=_from(record["results"]),
                tally=record["tally"],
                commanded=record["commanded"],
            ),
            placeholders=decode_placeholders(record["placeholders"].encode()),
        )
    except (KeyError, TypeError, ValueError):
        # From None: the error's own text could quote what the user wrote (I9).
        raise UnreadableRecordError(_DAMAGED) from None


def _messages(messages: tuple[Message, ...]) -> list[str]:
    return [encode_message(message).decode() for message in messages]


def _from(records: list[str]) -> tuple[Message, ...]:
    return decode_messages(f"[{','.join(records)}]".encode())


def _turn_record(turn: Turn) -> dict[str, Any]:
    sampling = turn.sampling
    return {
        "id": turn.id,
        "key": [turn.key.tenant, turn.key.user, turn.key.session],
        "remembered": turn.remembered,
        "instructions": turn.instructions,
        "audience": turn.audience,
        "locale": turn.locale,
        "tools": [[tool.name, tool.description, tool.parameters] for tool in turn.tools],
        "own_tools": turn.own_tools,
        "sampling": {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": sampling.stop,
            "seed": sampling.seed,
            "extra": sampling.extra,
        },
    }


def _turn(record: dict[str, Any], message: Message) -> Turn:
    """The turn without its past, which the progress holds as the model reads it."""
    tenant, user, session = record["key"]
    sampling = record["sampling"]
    own = record["own_tools"]
    return Turn(
        id=record["id"],
        key=SessionKey(tenant=tenant, user=user, session=session),
        message=message,
        remembered=record["remembered"],
        instructions=record["instructions"],
        audience=Audience(record["audience"]),
        locale=record["locale"],
        tools=tuple(ToolSpec(name=n, description=d, parameters=p) for n, d, p in record["tools"]),
        own_tools=None if own is None else tuple(own),
        sampling=Sampling(**sampling | {"stop": tuple(sampling["stop"])}),
    )


def _decision_record(decision: Decision | None) -> list[str | None]:
    if decision is None:
        raise TypeError("a turn whose input is not decided about does not wait for anything else")
    basis = decision.basis
    return [decision_name(decision), basis.clause, basis.policy, basis.digest]


def _decision(record: list[str]) -> Decision:
    """What the input came down to, for the turn's last entry; its grounds are in the log."""
    name, clause, policy, digest = record
    nothing = PanelVerdict(subject=Subject.USER_INPUT, judgements=(), elapsed=0.0)
    basis = Basis(clause=clause, policy=policy, digest=digest, verdict=nothing)
    match name:
        case "allow":
            return Allow(basis=basis)
        case "rewrite":
            return Rewrite(basis=basis, redactions=())
        case "steer":
            return Steer(basis=basis, guidance="")
        case _:
            raise ValueError("a turn that was not let in does not wait")
