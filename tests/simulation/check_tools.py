"""What tools did and what became of their data, held against what had been decided by then."""

import json
from collections.abc import Iterator

from assistant.engine.protocol import CompletionRequest
from assistant.events import Cited, ToolFinished, ToolProgressed
from guards.conversation import Integrity, Message, Role, Source, Subject
from plugins.access import Access
from plugins.approval import call_digest
from tests.simulation.check_admission import check_admitted, check_logged
from tests.simulation.marks import RULES, expected, rendered, tokens
from tests.simulation.records import PSEUDONYMS, Delivery, Drafted, Judged, Run, Seen, kept_of


def check_run(seen: Seen, delivery: Delivery, run: Run, access: Access) -> None:
    """Hold a run of a tool, as it starts, against all that must be so by then."""
    if run.effect:
        run.note = delivery.begun
    before = tuple(seen.runs_of(delivery))
    delivery.runs.append(run)
    seen.runs_of(delivery).append(run)
    judged = _check_judged(seen, delivery, run)
    if judged is not None:
        _check_let_in(seen, delivery, judged)
        _check_meant(seen, delivery, run, judged)
        check_logged(seen, delivery, run.text, "allow", "ask")
    _check_once(seen, delivery, run, before)
    _check_started(seen, delivery, run)
    _check_owned(seen, delivery, run, access)
    delivery.begun = None
    delivery.fresh.clear()


def _check_judged(seen: Seen, delivery: Delivery, run: Run) -> Judged | None:
    """I2 and I4: each run needs a verdict of its own about exactly its arguments."""
    found = [
        judged
        for judged in delivery.judged.values()
        if judged.exchange.subject is Subject.TOOL_CALL and judged.exchange.text == run.text
    ]
    sound = [judged for judged in found if judged.due(seen, delivery.caller.audience)]
    runs = sum(other.text == run.text for other in delivery.runs)
    if len(sound) >= runs:
        return sound[-1]
    failed = any(judged.failed for judged in found) or not seen.required(Subject.TOOL_CALL)
    seen.broken("I2" if failed else "I4", "a tool ran without a verdict on its call", delivery)
    return None


def _check_let_in(seen: Seen, delivery: Delivery, judged: Judged) -> None:
    """I1: what led to the call was judged and let in."""
    past = judged.exchange.context
    guidance = "\n\n".join(rule.guidance for rule in RULES.values())
    led = Drafted(
        request=CompletionRequest(messages=past),
        past=past,
        system=guidance,
        kept=kept_of(past, equipped=True),
    )
    check_admitted(seen, delivery, led)


def _check_meant(seen: Seen, delivery: Delivery, run: Run, judged: Judged) -> None:
    """I4: the policy lets exactly this run, or a person was asked and said yes in time."""
    due = judged.due(seen, delivery.caller.audience)
    if due is None or due.kind != "allow":
        seen.broken("I4", f"a tool ran though its call is due to {due}", delivery)
        return
    influenced = influences(judged.exchange.context, run.arguments)
    if influenced and run.tool == "note":
        seen.broken("I4", "a tool ran that data led to, though that is denied", delivery)
    asked = influenced and run.tool == "pay"
    if not asked and not (run.effect and delivery.retried):
        return
    if _words(seen, delivery, run):
        seen.counts["tool ran after a person's word"] += 1
    else:
        invariant = "I4" if asked else "I7"
        seen.broken(invariant, "a tool ran without the word of the person to be asked", delivery)


def influences(context: tuple[Message, ...], arguments: str) -> bool:
    """Whether data stands in the context and the user did not write what the call is about."""
    (value,) = json.loads(arguments).values()
    tainted = any(m.provenance.integrity is Integrity.UNTRUSTED for m in context)
    own = (m.text for m in context if m.provenance.source is Source.USER and m.role is Role.USER)
    return tainted and not any(value in text for text in own)


def called_for(delivery: Delivery) -> bool:
    """Whether the policy wants a person to be asked what ``delivery`` asks, in a calm world."""
    asked = delivery.asked
    if asked is None:
        return False
    if delivery.finished is not None and delivery.finished.replayed:
        return True
    if asked.clause == "act-twice":
        return bool(delivery.unsure)
    text = f"{asked.tool}({asked.arguments})"
    return any(
        judged.exchange.text == text and influences(judged.exchange.context, asked.arguments)
        for judged in delivery.judged.values()
    )


def _words(seen: Seen, delivery: Delivery, run: Run, since: float = -1.0) -> bool:
    """Whether a person said yes to exactly this, later than ``since``."""
    turn = delivery.root.turn
    return any(
        question.approved is True
        and question.at >= since
        and (question.asked.key, question.asked.turn) == (turn.key, turn.id)
        and (question.asked.tool, question.asked.arguments) == (run.tool, run.arguments)
        for question in seen.questions.values()
    )


def _check_once(seen: Seen, delivery: Delivery, run: Run, before: tuple[Run, ...]) -> None:
    """I7: a side effect is noted before it starts, and once done never done again."""
    if not run.effect:
        return
    if run.note is None:
        seen.broken("I7", "a side effect started that was not noted before", delivery)
    for other in before:
        if other.key != run.key:
            continue
        if other.settled:
            seen.broken("I7", "a side effect happened once more", delivery)
        elif not _words(seen, delivery, run, since=other.at):
            seen.broken("I7", "what may have happened was done again without a word", delivery)
        else:
            seen.counts["side effect repeated after a person's word"] += 1


def _check_started(seen: Seen, delivery: Delivery, run: Run) -> None:
    """I10: the log says that it starts, and a side effect waits until it does so for good."""
    names = [
        name for name, stage in _stages(delivery, run.tool, run.arguments) if stage == "started"
    ]
    if len(names) < sum(other.text == run.text for other in delivery.runs):
        seen.broken("I10", "a tool runs whose start is not in the log", delivery)
    elif run.effect and not delivery.log.holds(names[-1], durable=True):
        seen.broken("I10", "a side effect starts before its entry is safe", delivery)


def check_runs_logged(seen: Seen, delivery: Delivery) -> None:
    """I10: when a turn has come to its end, the log says how each of its runs ended."""
    whole = delivery.finished is not None and delivery.error is None and not delivery.outcome
    if not whole or delivery.log_gap:
        return
    for run in delivery.runs:
        stages = [stage for _, stage in _stages(delivery, run.tool, run.arguments)]
        ended = sum(stage in ("finished", "failed") for stage in stages)
        if ended != sum(other.text == run.text for other in delivery.runs):
            seen.broken("I10", "the log does not say how a tool ended", delivery)


def _stages(delivery: Delivery, tool: str, arguments: str) -> Iterator[tuple[str, str]]:
    digest = PSEUDONYMS.of("arguments", call_digest(tool, json.loads(arguments)))
    for name, kind, body in delivery.entries:
        if kind == "call" and body["tool"] == tool and body["arguments"] == digest:
            yield name, body["stage"]


def _check_owned(seen: Seen, delivery: Delivery, run: Run, access: Access) -> None:
    """I7 and I11: keys are of one call each, and a user is one person for tools."""
    turn = delivery.root.turn
    call = (turn.key, turn.id, run.text)
    if seen.keys.setdefault(run.key, call) != call:
        seen.broken("I11", "two calls share an idempotency key", delivery)
    user = (delivery.caller.tenant, delivery.caller.user)
    name = access.person.pseudonym
    same = seen.pseudonyms.setdefault(user, name) == name
    if not same or list(seen.pseudonyms.values()).count(name) != 1:
        seen.broken("I11", "two users are one person for a tool, or one is two", delivery)
    if not tokens(run.arguments) <= seen.tokens_of(delivery.scope):
        seen.broken("I11", "a tool is handed what belongs to somebody else", delivery)


def check_trail(seen: Seen, delivery: Delivery, draft: Drafted) -> None:
    """I2 and I5: of what tools gave, the model reads what was judged, and cut where it was due."""
    for message in draft.trail:
        if message.role is Role.TOOL and not _own(message):
            _check_result(seen, delivery, message)


def _check_result(seen: Seen, delivery: Delivery, message: Message) -> None:
    audience = delivery.caller.audience
    failed = not seen.required(Subject.TOOL_RESULT)
    for member in delivery.lineage:
        for judged in member.judged.values():
            exchange = judged.exchange
            if exchange.subject is not Subject.TOOL_RESULT or exchange.message.id != message.id:
                continue
            due = judged.due(seen, audience)
            if due is None:
                failed = failed or exchange.text == message.text
            elif not due.blocked and rendered(exchange.text, due.spans) == message.text:
                return
    if failed:
        seen.broken("I2", "the model reads a result that nobody could judge", delivery)
    due = expected(Subject.TOOL_RESULT, message.text, audience, seen.required(Subject.TOOL_RESULT))
    if not failed or due.blocked or due.kind == "rewrite":
        seen.broken("I5", f"the model reads {message.text!r} of a tool's", delivery)


def _own(message: Message) -> bool:
    """Whether these are Corral's own words about a call, which nobody needs to judge."""
    try:
        told = json.loads(message.text)
    except ValueError:
        return False
    plain = isinstance(told, dict) and told.keys() == {"error", "message"}
    return plain and not tokens(message.text) and "<" not in message.text


def check_shown(
    seen: Seen, delivery: Delivery, event: ToolFinished | ToolProgressed | Cited
) -> None:
    """I3: what a tool shows beside its result was judged like a reply, and allowed."""
    match event:
        case ToolProgressed(text=text):
            texts = [text]
        case Cited(citation=citation):
            texts = [citation.title, citation.text]
        case _:
            texts = [] if event.artifact is None else [event.artifact["seen"]]
    audience = delivery.caller.audience
    for text in texts:
        due = expected(Subject.REPLY, text, audience, seen.required(Subject.REPLY))
        as_result = expected(
            Subject.TOOL_RESULT, text, audience, seen.required(Subject.TOOL_RESULT)
        )
        judged = any(
            text in each.exchange.text and each.due(seen, audience)
            for each in delivery.judged.values()
        )
        # A quotation of the result was judged with the result.
        if not judged or (due.kind != "allow" and as_result.kind != "allow"):
            seen.broken("I3", f"a tool shows {text!r}, which was not allowed", delivery)


def stated(seen: Seen, delivery: Delivery, said: str) -> bool:
    """Whether ``said`` is what a tool answered to its command, judged as a reply and allowed."""
    for judged in reversed(delivery.judged.values()):
        exchange = judged.exchange
        past = exchange.context
        if exchange.subject not in (Subject.REPLY, Subject.REPLY_SO_FAR):
            continue
        if not past or past[-1].role is not Role.TOOL:
            continue
        words = (past[-1].text, _problem(past[-1].text))
        if not any(each.startswith(exchange.text) for each in words):
            continue
        due = judged.due(seen, delivery.caller.audience)
        if due is not None and not due.blocked and rendered(exchange.text, due.spans) == said:
            _check_let_in(seen, delivery, judged)
            check_logged(seen, delivery, exchange.text, "allow", "rewrite")
            seen.counts["command answered by its tool"] += 1
            return True
    return False


def _problem(text: str) -> str:
    """What a failed call's message says is wrong."""
    try:
        told = json.loads(text)
    except ValueError:
        return ""
    return str(told["message"]) if isinstance(told, dict) and "message" in told else ""
