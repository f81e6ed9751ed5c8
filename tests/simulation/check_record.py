"""What a turn leaves behind when it is over: I8, I9 and I10, and that turns come to an end."""

import asyncio
from typing import Any

import orjson

from assistant.audit.chain import START, BrokenEntryError, Entry, read
from assistant.audit.entries import verdict_of
from assistant.audit.replay import Same, replay
from assistant.errors import (
    ApprovalAnsweredError,
    CorralError,
    EngineResponseError,
    InvalidTurnError,
    SessionBusyError,
    TurnTooLongError,
    UnknownApprovalError,
)
from guards.conversation import Exchange, Subject, text_message
from policies.bundle import Audience
from policies.decision import Decision, decision_name
from tests.simulation.check_tools import called_for, check_runs_logged
from tests.simulation.log import WatchedLog
from tests.simulation.loop import SimLoop
from tests.simulation.marks import BLOCKING, TOKEN, expected, rendered
from tests.simulation.plan import Leaving
from tests.simulation.records import Delivery, Seen
from tests.simulation.script import Ending
from tests.simulation.tools import SPECS

NAMES = (b"tenant-acme", b"tenant-bolt", b"user-ann", b"user-bob", b"session-one", b"session-two")


def check_entry(seen: Seen, delivery: Delivery, kind: str, body: dict[str, Any]) -> None:
    """I10: the same decision follows from what was logged of it."""
    if kind != "decision":
        return
    subject = Subject(body["subject"])
    if subject is Subject.TOOL_CALL:
        # What conditions said of a call is in its entry; `check_run` holds that against the call.
        entry = Entry(writer="", seq=0, at=0.0, kind=kind, body=body, prev="", hash="")
        if not isinstance(replay(entry, seen.policy), Same):
            seen.broken("I10", f"{body['decision']} does not follow from its entry", delivery)
        _check_unscanned(seen, delivery, body)
        return
    # The policy has no conditions on text; only spans count into it.
    text = "?" * body["text"]["length"]
    exchange = Exchange(subject=subject, message=text_message(text, id=""))
    again: Decision = seen.policy.decide(
        exchange, verdict_of(body), Audience(body["audience"]), body["locale"]
    )
    basis = again.basis
    if (decision_name(again), basis.clause, basis.digest, basis.degraded) != (
        body["decision"],
        body["clause"],
        body["digest"],
        body["degraded"],
    ):
        seen.broken("I10", f"{body['decision']} does not follow from its entry", delivery)
    _check_unscanned(seen, delivery, body)


def _check_unscanned(seen: Seen, delivery: Delivery, body: dict[str, Any]) -> None:
    for judged in body["judgements"]:
        if "failure" in judged and body["decision"] not in BLOCKING and not body["degraded"]:
            seen.broken("I2", "a guard failed and the policy let it pass", delivery)


def check_closed(seen: Seen, delivery: Delivery) -> None:
    """I8: nothing of a turn goes on once its generator is closed."""
    if delivery.plan.leaving is not Leaving.TWICE and delivery.outcome != "killed":
        check_stopped(seen, delivery)
    _check_error(seen, delivery)
    stayed = delivery.plan.leaving in (Leaving.STAYS, Leaving.SLOW)
    unended = delivery.finished is None and delivery.error is None
    if stayed and unended and delivery.outcome != "killed":
        seen.broken("LIVE", "a turn ended without saying so", delivery)
    ends = [kind for _, kind, _ in delivery.entries][-1:]
    recordable = not delivery.log_gap and delivery.plan.leaving is not Leaving.TWICE
    if recordable and delivery.outcome != "killed" and ends and ends[0] in ("decision", "call"):
        seen.broken("I10", "the log does not say how the turn ended", delivery)
    check_runs_logged(seen, delivery)
    if seen.scenario.calm:
        _check_due(seen, delivery)


def check_stopped(seen: Seen, delivery: Delivery) -> None:
    """No task, no request, no judgement of the turn is left."""
    left = [task for task in delivery.tasks if not task.done()]
    if left:
        names = sorted(task.work for task in left)
        seen.broken("I8", f"tasks are left: {names}", delivery)
    if any(draft.open for draft in delivery.drafts):
        seen.broken("I8", "a request to the engine is left", delivery)
    if any(judged.running for judged in delivery.judged.values()):
        seen.broken("I8", "a judgement is left", delivery)
    lease = delivery.lease
    reachable = not seen.scenario.rates.store and delivery.outcome != "killed"
    if lease and reachable and seen.holder(lease.key) == lease.token:
        seen.broken("I8", "the session is still locked", delivery)


def _check_error(seen: Seen, delivery: Delivery) -> None:
    error: BaseException | None = delivery.error
    if error is None:
        return
    if not isinstance(error, CorralError) and delivery.reply.ending is not Ending.CRASH:
        seen.broken("LIVE", f"the turn ended with {type(error).__name__}", delivery)
    while error is not None:
        if TOKEN.search(str(error)) or TOKEN.search(repr(error.args)):
            seen.broken("I9", f"{type(error).__name__} quotes the conversation", delivery)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _check_due(seen: Seen, delivery: Delivery) -> None:
    """Where nothing fails, every turn comes to the end that is due to it."""
    message = delivery.turn.message
    text, pictured = message.text, len(message.parts) > 1
    if (not text.strip() and not pictured) or len(text) > 400:
        if not isinstance(delivery.error, InvalidTurnError):
            seen.broken("LIVE", "a turn was taken that is none", delivery)
        return
    if isinstance(delivery.error, SessionBusyError) or delivery.answered is not None:
        return
    if seen.scenario.equipped:
        _check_due_equipped(seen, delivery, pictured=pictured)
        return
    due = [j.due(seen, delivery.caller.audience) for j in delivery.judged.values()]
    # Nobody is seated for images, and no clause speaks of them. One in the past blocks while it
    # is within the window.
    blocking = pictured or any(d is None or d.blocked for d in due)
    may_block = any(len(m.parts) > 1 for m in delivery.history)
    # What is cut out of a reply may reach into what was shown, and that blocks.
    may_block = may_block or any(d is not None and d.kind == "rewrite" for d in due)
    if delivery.error is not None:
        invalid = isinstance(delivery.error, EngineResponseError) and delivery.reply.calls
        large = isinstance(delivery.error, TurnTooLongError) and seen.scenario.window < 1000
        if not invalid and not large:
            seen.broken("LIVE", f"failed without a cause: {delivery.error}", delivery)
    elif delivery.blocked:
        if not blocking and not may_block:
            seen.broken("LIVE", "was blocked without a cause", delivery)
    elif blocking:
        seen.broken("I2", "was not blocked though something in it was", delivery)
    else:
        required = seen.required(Subject.REPLY)
        whole = delivery.reply.text
        spans = expected(Subject.REPLY, whole, delivery.caller.audience, required).spans
        calls = [(call.name, call.arguments) for call in delivery.reply.calls]
        if (delivery.text, delivery.calls) != (rendered(whole, spans), calls):
            seen.broken("LIVE", "the reply is not what the model said", delivery)


def _check_due_equipped(seen: Seen, delivery: Delivery, *, pictured: bool) -> None:
    """As above, where tools may run. A refused call or result does not end a turn."""
    audience = delivery.caller.audience
    due = [
        due
        for judged in delivery.judged.values()
        if not judged.exchange.message.id.endswith("#result")
        and (due := judged.due(seen, audience))
        and (not _own_call(judged.exchange) or due.kind == "escalate")
    ]
    blocking = pictured or any(each.blocked for each in due)
    may_block = any(each.kind == "rewrite" for each in due)
    if delivery.error is not None:
        large = isinstance(delivery.error, TurnTooLongError) and seen.scenario.window < 1000
        ended = isinstance(delivery.error, UnknownApprovalError) and delivery.approval is not None
        settled = isinstance(delivery.error, ApprovalAnsweredError)
        if not large and not ended and not settled:
            seen.broken("LIVE", f"failed without a cause: {delivery.error}", delivery)
    elif delivery.asked is None and delivery.blocked:
        if not blocking and not may_block:
            seen.broken("LIVE", "was blocked without a cause", delivery)
    elif blocking:
        seen.broken("I2", "was not blocked though something in it was", delivery)
    elif delivery.asked is not None:
        if not called_for(delivery):
            seen.broken("LIVE", "a person is asked without a cause", delivery)
    elif delivery.drafts:
        last = delivery.drafts[-1].text
        spans = expected(Subject.REPLY, last, audience, seen.required(Subject.REPLY)).spans
        said = "" if delivery.between else delivery.text[delivery.offset :]
        if said != rendered(last, spans):
            seen.broken("LIVE", "the reply is not what the model said", delivery)


def _own_call(exchange: Exchange) -> bool:
    names = tuple(f"{spec.name}(" for spec in SPECS)
    return exchange.subject is Subject.TOOL_CALL and exchange.text.startswith(names)


def check_logs(seen: Seen, logs: list[WatchedLog]) -> None:
    """At the end: each chain verifies, holds no text and no name, and proves every answer."""
    for log in logs:
        prev = START
        for seq, line in enumerate(log.inner.lines):
            try:
                entry = read(line[:-1])
            except BrokenEntryError as error:
                seen.broken("I10", f"entry {seq} of {log.writer}: {error}")
                break
            if entry.prev != prev or entry.seq != seq:
                seen.broken("I10", f"entry {seq} of {log.writer} is not in the chain")
            prev = entry.hash
            _check_private(seen, line, entry.body)
    for model in seen.sessions.values():
        for answer in model.answers.values():
            if not any(log.holds(answer.log_id) for log in logs):
                seen.broken("I10", f"the proof {answer.log_id} of an answer is lost")


def _check_private(seen: Seen, line: bytes, body: dict[str, Any]) -> None:
    if seen.scenario.retain_blocked and body.get("decision") in BLOCKING:
        line = orjson.dumps({**body, "retained": ""})
    if TOKEN.search(line.decode()):
        seen.broken("I9", "the log holds what somebody said")
    if any(name in line for name in NAMES):
        seen.broken("I9", "the log names somebody")


def check_end(seen: Seen, loop: SimLoop) -> None:
    """I8, for the whole of it: no task is left and nothing failed unheard."""
    for delivery in seen.deliveries:
        check_stopped(seen, delivery)
    current = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not current]
    if left:
        seen.broken("I8", f"{len(left)} tasks are left at the end")
    if loop.generators:
        seen.broken("I8", f"{loop.generators} generators are not closed")
    for complaint in loop.complaints:
        seen.broken("I8", f"asyncio complains: {complaint}")
