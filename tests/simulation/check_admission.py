"""Whether a conversation was let in before anything came of it: I1, I2 and I10."""

from collections.abc import Iterator
from typing import Any

from guards.conversation import ImagePart, Message, Subject
from tests.simulation.marks import Expected, rendered
from tests.simulation.records import (
    PSEUDONYMS,
    Delivery,
    Drafted,
    Judged,
    Seen,
    content,
    subject_of,
)


def check_admitted(seen: Seen, delivery: Delivery, draft: Drafted) -> None:
    """I1 and I2: each message the engine read was judged and allowed, and read as decided."""
    if draft.admitted:
        return
    before = len(seen.violations)
    # Where a turn is taken up, its message was let in before it waited.
    root = delivery.root
    past = root.history[len(root.history) - draft.kept :] if draft.kept else ()
    originals = (*past, root.turn.message)
    start = len(originals) - 1 if root.turn.remembered else 0
    for place in range(start, len(originals)):
        for subject, text in _exchanges(originals[place]):
            due = _due(seen, root, originals, place, subject, text)
            _check_read(seen, delivery, draft, due, subject, text, place)
    draft.admitted = len(seen.violations) == before


def _check_read(
    seen: Seen,
    delivery: Delivery,
    draft: Drafted,
    due: Expected | str | None,
    subject: Subject,
    text: str,
    place: int,
) -> None:
    where = f"{subject} {place} of {len(draft.past)}"
    if isinstance(due, str):
        seen.broken(due, f"released on a conversation without a verdict on {where}", delivery)
    elif due is None:
        return
    elif due.blocked:
        seen.broken("I1", f"released on a conversation with a blocked {where}", delivery)
    elif any(guidance not in draft.system for guidance in due.guidance if due.kind == "steer"):
        seen.broken("I1", f"released without the guidance due to {where}", delivery)
    elif due.kind == "rewrite" and draft.past[place].text != rendered(text, due.spans):
        seen.broken("I1", f"released on a conversation with an uncut {where}", delivery)


def _exchanges(message: Message) -> Iterator[tuple[Subject, str]]:
    yield subject_of(message), message.text
    if any(isinstance(part, ImagePart) for part in message.parts):
        yield Subject.IMAGE, message.text
    for call in message.tool_calls:
        yield Subject.TOOL_CALL, f"{call.name}({call.arguments})"


def _due(
    seen: Seen,
    delivery: Delivery,
    originals: tuple[Message, ...],
    place: int,
    subject: Subject,
    text: str,
) -> Expected | str | None:
    """What ought to be decided about a message; the invariant that is broken if nobody knows;
    nothing when it had been allowed or released before."""
    audience = delivery.caller.audience
    before = [content(message) for message in originals[:place]]
    found: Judged | None = None
    for judged in delivery.judged.values():
        if _about(judged, subject, text, before):
            found = judged
            due = judged.due(seen, audience)
            if due is not None:
                return due
    if place < len(originals) - 1:
        for other in seen.deliveries:
            if other.scope == delivery.scope and other is not delivery:
                if subject is not Subject.USER_INPUT and _released(other, originals, place):
                    return None
                for judged in other.judged.values():
                    if _about(judged, subject, text, []):
                        due = judged.due(seen, audience)
                        if due is not None and due.kind == "allow":
                            return None
    if found is None and seen.required(subject):
        return "I1"
    return "I2" if found is None or found.failed else "I1"


def _about(judged: Judged, subject: Subject, text: str, before: list[Any]) -> bool:
    exchange = judged.exchange
    if exchange.subject is not subject or exchange.text != text:
        return False
    context = exchange.context
    return not before or [content(m) for m in context[len(context) - len(before) :]] == before


def _released(other: Delivery, originals: tuple[Message, ...], place: int) -> bool:
    message = originals[place]
    calls = [(call.name, call.arguments) for call in message.tool_calls]
    asked = originals[place - 1] if place else None
    same = asked is None or content(asked) == content(other.root.turn.message)
    return other.prior + other.text == message.text and other.calls == calls and same


def check_logged(seen: Seen, delivery: Delivery, text: str, *decisions: str) -> None:
    digest = PSEUDONYMS.of("text", text)
    for _, kind, body in delivery.entries:
        about = kind == "decision" and body["text"]["digest"] == digest
        if about and body["decision"] in decisions:
            return
    seen.broken("I10", "something was released before its decision was logged", delivery)
