"""What left the assistant, held against what had been judged by then: I1 to I4."""

import json

from assistant.events import (
    ApprovalNeeded,
    Cited,
    Event,
    Finished,
    FinishReason,
    ImageReleased,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
)
from assistant.events import Judged as JudgedEvent
from guards.conversation import Subject
from tests.simulation.check_admission import check_admitted, check_logged
from tests.simulation.check_tools import check_shown, stated
from tests.simulation.marks import rendered, tokens
from tests.simulation.records import (
    Delivery,
    Drafted,
    Seen,
)


def check_event(seen: Seen, delivery: Delivery, event: Event) -> None:
    """Hold one event that reached the client against everything before it."""
    delivery.events.append(event)
    if delivery.finished is not None:
        seen.broken("I7", "something came after the end of the turn", delivery)
    match event:
        case JudgedEvent() | ToolStarted() | ImageReleased():
            pass
        case TextReleased():
            if _begins_anew(delivery, event.text):
                return
            delivery.text += event.text
            if delivery.answered is None and event.text:
                _check_text(seen, delivery)
        case ToolFinished():
            delivery.between = True
            check_shown(seen, delivery, event)
        case ToolProgressed() | Cited():
            check_shown(seen, delivery, event)
        case ApprovalNeeded():
            delivery.asked = event.asked
        case ToolCallReleased():
            delivery.calls.append((event.call.name, event.call.arguments))
            if delivery.answered is None:
                _check_call(seen, delivery, event.call.name, event.call.arguments)
        case Refused() | Retracted():
            delivery.blocked = True
            if isinstance(event, Retracted) != bool(delivery.prior + delivery.text):
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


def _begins_anew(delivery: Delivery, text: str) -> bool:
    """Whether ``text`` only sets a reply apart from what was said before tools ran."""
    if not delivery.between:
        return False
    delivery.between = False
    apart = text == "\n\n" and delivery.text != "" and not delivery.text.endswith("\n")
    if apart:
        delivery.text += text
    delivery.offset = len(delivery.text)
    return apart


def _check_text(seen: Seen, delivery: Delivery) -> None:
    said = delivery.text[delivery.offset :]
    # Of drafts that answer the same, only the last can be shown.
    drafts = {len(draft.trail): draft for draft in delivery.drafts}
    failed = False
    for draft in reversed(drafts.values()):
        for judged in reversed(delivery.judged.values()):
            exchange = judged.exchange
            if exchange.subject not in (Subject.REPLY, Subject.REPLY_SO_FAR):
                continue
            if exchange.context != draft.past or not draft.text.startswith(exchange.text):
                continue
            due = judged.due(seen, delivery.caller.audience)
            if due is None:
                failed = failed or (bool(judged.failed) and said.startswith(exchange.text))
            elif not due.blocked and rendered(exchange.text, due.spans) == said:
                check_admitted(seen, delivery, draft)
                check_logged(seen, delivery, exchange.text, "allow", "rewrite")
                return
    if seen.scenario.equipped and stated(seen, delivery, said):
        return
    if not drafts:
        seen.broken("I3", "text was released that no engine wrote", delivery)
        return
    check_admitted(seen, delivery, delivery.drafts[-1])
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
        check_logged(seen, delivery, text, "allow")
        return
    if not seen.required(Subject.TOOL_CALL):
        seen.broken("I2", "a tool call was released though no guard is seated for it", delivery)
    else:
        seen.broken("I4", "a tool call was released that nobody judged", delivery)


def _as_told(delivery: Delivery) -> str:
    """What was shown before a person was asked and since, the two apart."""
    prior, since = delivery.prior, delivery.text
    apart = prior and since and not prior.endswith("\n")
    return f"{prior}\n\n{since}" if apart else prior + since


def _check_finished(seen: Seen, delivery: Delivery, event: Finished) -> None:
    if delivery.asked is not None:
        if event.decision != "ask" or delivery.committed:
            seen.broken("I4", "a turn waits for a person and goes on", delivery)
        if not event.replayed and not delivery.log.holds(event.log_id, durable=True):
            seen.broken("I10", "a question is not in the log for good", delivery)
        return
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
        elif not delivery.blocked and answer.text != _as_told(delivery):
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
