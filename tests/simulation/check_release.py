"""What left the assistant, held against what had been judged by then: I1 to I4."""

import json
from collections.abc import Iterator
from typing import Any

from assistant.events import (
    Event,
    Finished,
    FinishReason,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
)
from assistant.events import Judged as JudgedEvent
from guards.conversation import ImagePart, Message, Subject
from tests.simulation.marks import Expected, rendered, tokens
from tests.simulation.records import (
    PSEUDONYMS,
    Delivery,
    Drafted,
    Judged,
    Seen,
    content,
    subject_of,
)


def check_event(seen: Seen, delivery: Delivery, event: Event) -> None:
    """Hold one event that reached the client against everything before it."""
    delivery.events.append(event)
    if delivery.finished is not None:
        seen.broken("I7", "something came after the end of the turn", delivery)
    match event:
        case JudgedEvent():
            pass
        case TextReleased():
            delivery.text += event.text
            if delivery.answered is None and event.text:
                _check_text(seen, delivery)
        case ToolCallReleased():
            delivery.calls.append((event.call.name, event.call.arguments))
            if delivery.answered is None:
                _check_call(seen, delivery, event.call.name, event.call.arguments)
        case Refused() | Retracted():
            delivery.blocked = True
            if isinstance(event, Retracted) != bool(delivery.text):
                seen.broken("LIVE", "a refusal does not fit what had been shown", delivery)
            if any(draft.open for draft in delivery.drafts):
                seen.broken("I8", "the engine still drafts what was blocked", delivery)
            if tokens(event.text):
                seen.broken("I6", "a refusal quotes the conversation", delivery)
        case Finished():
            delivery.finished = event
            _check_finished(seen, delivery, event)
            return
    if delivery.blocked and not isinstance(event, Refused | Retracted | JudgedEvent):
        seen.broken("I6", "something was released after the turn was blocked", delivery)


def _check_text(seen: Seen, delivery: Delivery) -> None:
    if not delivery.drafts:
        seen.broken("I3", "text was released that no engine wrote", delivery)
        return
    draft = delivery.drafts[-1]
    check_admitted(seen, delivery, draft)
    failed = False
    for judged in reversed(delivery.judged.values()):
        exchange = judged.exchange
        if exchange.subject not in (Subject.REPLY, Subject.REPLY_SO_FAR):
            continue
        if exchange.context != draft.past or not draft.text.startswith(exchange.text):
            continue
        due = judged.due(seen, delivery.caller.audience)
        if due is None:
            failed = failed or (bool(judged.failed) and delivery.text.startswith(exchange.text))
        elif not due.blocked and rendered(exchange.text, due.spans) == delivery.text:
            _check_logged(seen, delivery, exchange.text, "allow", "rewrite")
            return
    if failed:
        seen.broken("I2", "text was released though a guard failed to judge it", delivery)
    else:
        seen.broken("I3", f"{delivery.text!r} was not judged and allowed", delivery)


def _check_call(seen: Seen, delivery: Delivery, name: str, arguments: str) -> None:
    if not delivery.drafts:
        seen.broken("I4", "a tool call was released that no engine made", delivery)
        return
    draft = delivery.drafts[-1]
    check_admitted(seen, delivery, draft)
    if not draft.completed or [name, arguments] not in draft.calls.values():
        seen.broken("I4", "a tool call was released that is not whole", delivery)
    if not delivery.turn_plan.tools or not valid_call(name, arguments):
        seen.broken("I4", "a tool call was released that is not valid", delivery)
    for other_name, other in draft.calls.values():
        _check_decided(seen, delivery, draft, f"{other_name}({other})")


def _check_decided(seen: Seen, delivery: Delivery, draft: Drafted, text: str) -> None:
    for judged in delivery.judged.values():
        exchange = judged.exchange
        if exchange.subject is not Subject.TOOL_CALL or exchange.text != text:
            continue
        if exchange.context != draft.past:
            continue
        due = judged.due(seen, delivery.caller.audience)
        if due is None:
            invariant = "I2" if judged.failed or not seen.required(Subject.TOOL_CALL) else "I4"
            seen.broken(invariant, "a tool call was released without a verdict", delivery)
        elif due.kind != "allow":
            seen.broken("I4", "a tool call was released beside one that is not allowed", delivery)
        _check_logged(seen, delivery, text, "allow")
        return
    if not seen.required(Subject.TOOL_CALL):
        seen.broken("I2", "a tool call was released though no guard is seated for it", delivery)
    else:
        seen.broken("I4", "a tool call was released that nobody judged", delivery)


def check_admitted(seen: Seen, delivery: Delivery, draft: Drafted) -> None:
    """I1 and I2: each message the engine read was judged and allowed, and read as decided."""
    if draft.admitted:
        return
    before = len(seen.violations)
    kept = len(draft.past) - 1
    past = delivery.history[len(delivery.history) - kept :] if kept else ()
    originals = (*past, delivery.turn.message)
    start = len(originals) - 1 if delivery.turn.remembered else 0
    for place in range(start, len(originals)):
        for subject, text in _exchanges(originals[place]):
            due = _due(seen, delivery, originals, place, subject, text)
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
    same = asked is None or content(asked) == content(other.turn.message)
    return other.text == message.text and other.calls == calls and same


def _check_logged(seen: Seen, delivery: Delivery, text: str, *decisions: str) -> None:
    digest = PSEUDONYMS.of("text", text)
    for _, kind, body in delivery.entries:
        about = kind == "decision" and body["text"]["digest"] == digest
        if about and body["decision"] in decisions:
            return
    seen.broken("I10", "something was released before its decision was logged", delivery)


def _check_finished(seen: Seen, delivery: Delivery, event: Finished) -> None:
    filtered = event.reason is FinishReason.CONTENT_FILTER
    if filtered != delivery.blocked and delivery.answered is None:
        seen.broken("I6", f"the turn ended with {event.reason}", delivery)
    if delivery.turn.remembered:
        answer = seen.session(delivery.turn.key).answers.get(delivery.turn.id)
        calls = seen.session(delivery.turn.key).calls.get(delivery.turn.id, [])
        if answer is None or answer.log_id != event.log_id:
            seen.broken("I7", "the turn ended without a commit of its answer", delivery)
        elif event.replayed != (delivery.answered is not None):
            seen.broken("I7", "an answer was given anew or wrongly called a repeat", delivery)
        elif not delivery.blocked and answer.text != delivery.text:
            seen.broken("I7", "what was remembered is not what was said", delivery)
        elif calls != delivery.calls:
            seen.broken("I7", "the tool calls differ from those of the first answer", delivery)
    if delivery.answered is None:
        names = [name for name, kind, _ in delivery.entries if kind == "turn"]
        if names != [event.log_id] or not delivery.log.holds(event.log_id, durable=True):
            seen.broken("I10", "the turn's entry is not in the log for good", delivery)


def valid_call(name: str, arguments: str) -> bool:
    """Whether a call is one of `script.TOOLS` with arguments it takes; written for these two."""
    try:
        given = json.loads(arguments, parse_constant=_refuse)
    except ValueError:
        return False
    if not isinstance(given, dict):
        return False
    if name == "look":
        return given.keys() == {"query"} and isinstance(given["query"], str)
    times = given.get("times", 0)
    return name == "send" and isinstance(given.get("to"), str) and isinstance(times, int)


def _refuse(_: str) -> None:
    raise ValueError
