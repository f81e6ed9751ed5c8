"""What the model read and the sessions hold: I5, I6, I7 and I11."""

import asyncio

from assistant.errors import SessionBusyError
from assistant.memory.protocol import Answered, Commit, Lease, Opened, SessionStore
from assistant.turn import SessionKey
from guards.conversation import Message, Role, Subject
from plugins.tool import ToolSpec
from tests.simulation.check_admission import check_admitted
from tests.simulation.check_tools import check_trail
from tests.simulation.marks import RULES, expected, rendered, tokens
from tests.simulation.records import Delivery, Drafted, Judged, Seen, content, subject_of
from tests.simulation.script import TOOLS
from tests.simulation.store import LIMITS
from tests.simulation.tools import SPECS


def check_request(seen: Seen, delivery: Delivery, draft: Drafted) -> None:
    """Hold a request to the engine against what it may hold, when it arrives."""
    if delivery.blocked:
        seen.broken("I6", "the engine was asked after the turn was blocked", delivery)
    _check_system(seen, delivery, draft)
    # Where a tool's own words are the answer to its command, they are a reply like any other.
    may_hold = {Role.TOOL, Role.ASSISTANT} if seen.scenario.equipped else {Role.TOOL}
    for message in draft.past:
        if message.role not in may_hold and any(t[0] == "t" for t in tokens(message.text)):
            seen.broken("I5", f"a tool's words in a message of role {message.role}", delivery)
    _check_past(seen, delivery, draft)
    check_scope(seen, delivery, draft.past)
    if not seen.scenario.speculative:
        check_admitted(seen, delivery, draft)
    check_trail(seen, delivery, draft)
    if draft.request.tools != _offered(seen, delivery):
        seen.broken("I4", "the engine was offered other tools than the caller's", delivery)
    affinity = draft.request.affinity or ""
    if seen.affinities.setdefault(delivery.turn.key, affinity) != affinity or (
        list(seen.affinities.values()).count(affinity) != 1
    ):
        seen.broken("I11", "two sessions share an affinity, or one has two", delivery)


def _offered(seen: Seen, delivery: Delivery) -> tuple[ToolSpec, ...]:
    if seen.scenario.equipped:
        return SPECS
    return TOOLS if delivery.turn_plan.tools else ()


def check_exchange(seen: Seen, delivery: Delivery, judged: Judged) -> None:
    """Hold what a guard is shown against whose it is."""
    exchange = judged.exchange
    check_scope(seen, delivery, (*exchange.context, exchange.message))


def check_scope(seen: Seen, delivery: Delivery, messages: tuple[Message, ...]) -> None:
    """I11: every token belongs to this tenant, user and session."""
    for message in messages:
        if delivery.checked.get(id(message)) is message:
            continue
        delivery.checked[id(message)] = message
        found = tokens(message.text)
        for call in message.tool_calls:
            found |= tokens(call.arguments)
        if not found <= seen.tokens_of(delivery.scope):
            seen.broken("I11", f"{sorted(found)} in a turn of {delivery.scope}", delivery)


def _check_system(seen: Seen, delivery: Delivery, draft: Drafted) -> None:
    guidance = {rule.guidance for rule in RULES.values() if rule.guidance}
    allowed = {"Be brief.", delivery.root.turn.instructions, *guidance}
    if tokens(draft.system) or not allowed.issuperset(draft.system.split("\n\n")):
        seen.broken("I5", "the system message holds something that is data", delivery)


def _check_past(seen: Seen, delivery: Delivery, draft: Drafted) -> None:
    kept = draft.kept
    history = delivery.root.history
    if kept > len(history):
        seen.broken("I7", "the model read a longer past than there is", delivery)
        return
    originals = (*history[len(history) - kept :], delivery.root.turn.message)
    for place, (original, read) in enumerate(zip(originals, draft.past[: kept + 1], strict=True)):
        if content(original) != content(read) and not _cut(seen, delivery, original, read):
            seen.broken("I7", f"message {place} is not what was said", delivery)
        if delivery.turn.remembered and place < kept and not seen.scenario.stand_in:
            _check_clean(seen, delivery, read)
            if tokens(read.text) & seen.withheld:
                seen.broken("I6", "what a blocked turn held is read later", delivery)


def _cut(seen: Seen, delivery: Delivery, original: Message, read: Message) -> bool:
    subject = subject_of(original)
    audience = delivery.caller.audience
    ways = [expected(subject, original.text, audience, seen.required(subject))]
    if seen.scenario.stand_in and subject is Subject.USER_INPUT:
        ways.append(expected(subject, original.text, audience, frozenset({"alpha"}), stand_in=True))
    return any(
        due.kind == "rewrite" and read.text == rendered(original.text, due.spans) for due in ways
    )


def _check_clean(seen: Seen, delivery: Delivery, message: Message) -> None:
    subject = subject_of(message)
    required = seen.required(subject)
    due = expected(subject, message.text, delivery.caller.audience, required)
    if due.blocked or due.kind == "rewrite":
        seen.broken("I6", f"blocked content is kept for the model: {message.text!r}", delivery)


def check_opened(seen: Seen, delivery: Delivery, result: Opened | Answered) -> None:
    """Hold what the store says at the start of a turn against what was committed."""
    model = seen.session(delivery.turn.key)
    known = model.answers.get(delivery.turn.id)
    if isinstance(result, Answered):
        delivery.answered = result.answer
        if known != result.answer:
            seen.broken("I7", "a repeat is answered with something else", delivery)
        return
    if known is not None:
        seen.broken("I7", "a message that was answered is answered once more", delivery)
    delivery.lease = result.lease
    delivery.history = result.history
    delivery.base = model.commits
    check_scope(seen, delivery, result.history)
    if result.history != tuple(model.history[-LIMITS.messages :]):
        seen.broken("I7", "the session does not hold what was committed", delivery)
    now = asyncio.get_running_loop().time()
    for other in seen.deliveries:
        if other is delivery or other.lease is None or other.turn.key != delivery.turn.key:
            continue
        if other.ended is None and not other.committed and now < other.held_until:
            seen.broken("I7", f"two turns at once, with delivery {other.plan.number}", delivery)


def check_committed(seen: Seen, delivery: Delivery, lease: Lease, commit: Commit) -> None:
    """Hold a commit that just took effect against what it may hold."""
    model = seen.session(lease.key)
    if lease.turn in model.answers:
        seen.broken("I7", "one message was answered twice", delivery)
    if delivery.base != model.commits:
        seen.broken("I7", "a commit on a past that is no longer the session's", delivery)
    if delivery.blocked and commit.remembered:
        seen.broken("I6", "a blocked turn is remembered", delivery)
    for message in commit.remembered:
        if not seen.scenario.stand_in:
            _check_clean(seen, delivery, message)
    check_scope(seen, delivery, (*commit.remembered, *commit.quarantined))
    if not delivery.log.holds(commit.answer.log_id, durable=True):
        seen.broken("I10", "an answer is remembered whose proof can still be lost", delivery)
    delivery.committed = True
    model.commits += 1
    model.history += commit.remembered
    model.answers[lease.turn] = commit.answer
    reply = commit.remembered[-1:]
    calls = [(call.name, call.arguments) for message in reply for call in message.tool_calls]
    model.calls[lease.turn] = calls
    waited = None if delivery.origin is None else delivery.root.turn.id
    if commit.also != (None if waited == lease.turn else waited):
        seen.broken("I7", "an answer is kept for other messages than it answers", delivery)
    elif commit.also is not None:
        if commit.also in model.answers:
            seen.broken("I7", "one message was answered twice", delivery)
        model.answers[commit.also] = commit.answer
        model.calls[commit.also] = calls
    if delivery.blocked:
        seen.withheld.add(f"t{delivery.root.turn_plan.number}")


async def check_sessions(seen: Seen, store: SessionStore) -> None:
    """At the end: all that was committed is there, and so is every answer."""
    for key, model in seen.sessions.items():
        for turn, answer in model.answers.items():
            if await _opened(store, key, turn) != Answered(answer=answer):
                seen.broken("I7", f"the answer to {turn} is lost")
        await asyncio.sleep(LIMITS.lock_ttl)
        last = await _opened(store, key, "afterwards")
        history = tuple(model.history[-LIMITS.messages :])
        if not isinstance(last, Opened) or last.history != history:
            seen.broken("I7", "a session does not hold what was committed")


async def _opened(store: SessionStore, key: SessionKey, turn: str) -> Opened | Answered | None:
    try:
        return await store.open(key, turn)
    except SessionBusyError:
        return None
