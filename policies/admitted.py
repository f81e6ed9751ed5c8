"""What the decisions about a conversation come to for the model that is to answer it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from guards.conversation import ImagePart, Message, Role, TextPart
from policies.decision import (
    Allow,
    Ask,
    Blocking,
    Decision,
    Escalate,
    Refuse,
    Rewrite,
    Steer,
    Support,
)
from policies.placeholders import Placeholders


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The conversation may be answered.

    ``changed`` says that the model must read something else than what came in: redacted
    messages, or ``guidance``. ``decision`` is what was decided about the new message.
    """

    history: tuple[Message, ...]
    message: Message
    guidance: tuple[str, ...]
    decision: Decision
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The conversation must not be answered by the model."""

    decision: Blocking


def combine(
    messages: tuple[Message, ...],
    decided: Sequence[tuple[int, Decision]],
    placeholders: Placeholders,
    refused: str,
) -> Admitted | Denied:
    """The strictest outcome: anything blocked blocks all, redactions and guidance add up.

    ``decided`` holds decisions with the index of their message, of which the last must be one;
    ``placeholders`` are the conversation's, and get those of what is rewritten; ``refused`` is
    what the user reads when a call of the past would have needed a person's word.
    """
    rewrites: dict[int, Rewrite] = {}
    guidance: dict[str, None] = {}
    last: Decision | None = None
    for index, decision in decided:
        match decision:
            case Refuse() | Escalate() | Support():
                return Denied(decision=decision)
            case Ask():
                return Denied(decision=Refuse(basis=decision.basis, text=refused))
            case Rewrite():
                rewrites[index] = decision
            case Steer():
                guidance[decision.guidance] = None
            case Allow():
                pass
            case _:
                assert_never(decision)
        if index == len(messages) - 1 and not (isinstance(decision, Allow) and last):
            last = decision
    if last is None:
        raise AssertionError("the new message is always judged")
    kept = [
        _as_read(message, rewrites.get(index), placeholders)
        for index, message in enumerate(messages)
    ]
    return Admitted(
        history=tuple(kept[:-1]),
        message=kept[-1],
        guidance=tuple(guidance),
        decision=last,
        changed=bool(rewrites or guidance or tuple(kept) != messages),
    )


def _as_read(message: Message, rewrite: Rewrite | None, placeholders: Placeholders) -> Message:
    """``message`` as the model reads it; called for one message after the other.

    A caller's past holds replies as the user saw them, with values given back: the model reads
    the placeholders there that it wrote itself.
    """
    if rewrite is None and message.role is not Role.ASSISTANT:
        return message
    text = message.text
    if rewrite is not None:
        text = placeholders.rewritten(text, rewrite)
    if message.role is Role.ASSISTANT:
        text = placeholders.conceal(text)
    if text == message.text:
        return message
    images = (part for part in message.parts if isinstance(part, ImagePart))
    return replace(message, parts=(TextPart(text=text), *images))
