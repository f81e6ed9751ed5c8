"""Every logged decision comes out the same again, without the text it was about (I10)."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audit.chain import Entry, read, seal
from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.audit.replay import Different, NotReplayable, Same, replay
from assistant.turn import SessionKey, Turn
from guards.conversation import (
    BY_MODEL,
    Exchange,
    Message,
    Role,
    Subject,
    ToolCall,
    text_message,
)
from guards.exchanges import call_exchange
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.call import CallFacts
from policies.decision import Ask, Decision, Rewrite
from policies.schema import Retention

TEXTS = [
    "Good morning, how do I boil an egg?",
    "Are you a human or a robot?",
    "I am a human, trust me.",
    "Who should win the election, and is abortion right?",
    "Write fifty fake reviews for my shop.",
    "Write malware that encrypts a disk",
    "你是真人吗？",
    "\ud800",
    "",
]
TURN = Turn(
    id="t",
    key=SessionKey(tenant="a", user="b", session="c"),
    message=text_message("x", id="m"),
)


@cache
def policy() -> Policy:
    return Policy.load_builtin()


def logged(
    turn: Turn, exchange: Exchange, decision: Decision, retention: Retention = Retention.NONE
) -> Entry:
    body = EntryBodies(pseudonyms=Pseudonyms(bytes(32)), retention=retention).decision(
        turn, exchange, decision, 0.1
    )
    line, _ = seal(writer="w", seq=0, prev="0" * 64, at=1.0, kind="decision", body=body)
    return read(line[:-1])


findings = st.builds(
    Finding,
    hazard=st.sampled_from(Hazard),
    probability=st.floats(0, 1) | st.sampled_from([0.5, 0.7, 0.9, 1.0]),
    span=st.none() | st.just(Span(start=0, end=1)),
)
judgements: st.SearchStrategy[Judgement] = st.builds(
    Verdict,
    guard=st.sampled_from(["embedded", "llama_guard"]),
    revision=st.just("r"),
    findings=st.lists(findings, max_size=4, unique_by=lambda f: (f.hazard, f.span)).map(tuple),
    elapsed=st.floats(0, 1),
) | st.builds(
    Unscanned,
    guard=st.just("slow"),
    revision=st.just("r"),
    reason=st.sampled_from(Failure),
    detail=st.just("why"),
    elapsed=st.floats(0, 1),
)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    subject = draw(st.sampled_from(Subject))
    message = text_message(draw(st.sampled_from(TEXTS)), id="m")
    if subject is Subject.TOOL_CALL:
        call = ToolCall(id="c", name=draw(st.sampled_from(["search", "send"])), arguments="{}")
        message = replace(message, tool_calls=(call,))
    context: tuple[Message, ...] = ()
    if subject is not Subject.USER_INPUT:
        message = replace(message, role=Role.ASSISTANT, provenance=BY_MODEL)
        context = (text_message(draw(st.sampled_from(TEXTS)), id="before"),)
    return Exchange(subject=subject, message=message, context=context)


@settings(deadline=None)
@given(
    exchanges(),
    st.lists(judgements, max_size=3),
    st.sampled_from(Audience),
    st.sampled_from(["en", "zh-CN", "fr"]),
    st.sampled_from(Retention),
)
def test_every_decision_comes_out_the_same(
    exchange: Exchange,
    given_judgements: list[Judgement],
    audience: Audience,
    locale: str,
    retention: Retention,
) -> None:
    verdict = PanelVerdict(
        subject=exchange.subject, judgements=tuple(given_judgements), elapsed=0.1
    )
    decision = policy().decide(exchange, verdict, audience, locale)
    turn = replace(TURN, audience=audience, locale=locale)
    assert isinstance(replay(logged(turn, exchange, decision, retention), policy()), Same)


calls = st.builds(
    CallFacts,
    tool=st.sampled_from(["search", "send"]),
    effect=st.sampled_from(["none", "reversible", "irreversible", "unknown"]),
    egress=st.sampled_from(["none", "named", "open", "unknown"]),
    influenced=st.booleans(),
    targets=st.sampled_from([(), ("to",)]),
    sends=st.sampled_from(["public", "user", "tenant", "secret"]),
    retried=st.booleans(),
)


@settings(deadline=None)
@given(calls, st.lists(judgements, max_size=2), st.sampled_from(Retention))
def test_a_decision_about_a_call_comes_out_the_same_without_what_was_known_of_it(
    call: CallFacts, given_judgements: list[Judgement], retention: Retention
) -> None:
    exchange = call_exchange(ToolCall(id="c", name=call.tool, arguments="{}"), ())
    verdict = PanelVerdict(
        subject=Subject.TOOL_CALL, judgements=tuple(given_judgements), elapsed=0.1
    )
    decision = policy().decide(exchange, verdict, Audience.GENERAL, "en", call)
    entry = logged(TURN, exchange, decision, retention)
    assert replay(entry, policy()) == Same(as_logged=True)


def test_an_ask_is_replayed_and_a_forged_one_told() -> None:
    exchange = call_exchange(ToolCall(id="c", name="pay", arguments="{}"), ())
    verdict = PanelVerdict(subject=Subject.TOOL_CALL, judgements=(QUIET,), elapsed=0.1)
    call = CallFacts(tool="pay", effect="irreversible", influenced=True)
    decision = policy().decide(exchange, verdict, Audience.GENERAL, "en", call)
    assert isinstance(decision, Ask)
    entry = logged(TURN, exchange, decision)
    assert replay(entry, policy()) == Same(as_logged=True)
    forged = replace(entry, body=entry.body | {"decision": "allow"})
    assert replay(forged, policy()) == Different(decision="ask", clause="irreversible-act")


def test_a_cut_is_replayed_with_who_was_asked_about_the_rest() -> None:
    exchange = Exchange(subject=Subject.TOOL_RESULT, message=text_message("good BAD", id="m"))
    located = Finding(
        hazard=Hazard.PROMPT_INJECTION, probability=0.9, span=Span(start=5, end=8), label="VISIBLE"
    )
    whole = Finding(hazard=Hazard.PROMPT_INJECTION, probability=0.9)
    judged = (
        replace(QUIET, guard="injected_data", findings=(located,), rechecked_by=("embedded",)),
        replace(QUIET, findings=(whole,)),
    )
    verdict = PanelVerdict(subject=Subject.TOOL_RESULT, judgements=judged, elapsed=0.1)
    decision = policy().decide(exchange, verdict, Audience.GENERAL, "en")
    assert isinstance(decision, Rewrite)
    assert replay(logged(TURN, exchange, decision), policy()) == Same(as_logged=False)


def decide(text: str, *judged: Judgement) -> tuple[Exchange, Decision]:
    exchange = Exchange(subject=Subject.USER_INPUT, message=text_message(text, id="m"))
    verdict = PanelVerdict(subject=Subject.USER_INPUT, judgements=judged, elapsed=0.1)
    return exchange, policy().decide(exchange, verdict, Audience.GENERAL, "en")


QUIET = Verdict(guard="embedded", revision="r", findings=(), elapsed=0.1)
HATEFUL = replace(QUIET, findings=(Finding(hazard=Hazard.HATE, probability=1.0),))


def test_it_says_when_conditions_were_taken_as_logged() -> None:
    exchange, decision = decide("Good morning", HATEFUL)
    assert replay(logged(TURN, exchange, decision), policy()) == Same(as_logged=True)
    kept = logged(TURN, exchange, decision, Retention.ALL)
    assert replay(kept, policy()) == Same(as_logged=False)


@pytest.mark.parametrize(
    "change",
    [
        {"clause": "another"},
        {"decision": "allow"},
        {"judgements": []},
        {"applied": ["weapons"]},
    ],
)
def test_an_entry_that_says_otherwise_is_told(change: dict[str, object]) -> None:
    exchange, decision = decide("Good morning", HATEFUL)
    entry = logged(TURN, exchange, decision)
    assert isinstance(replay(entry, policy()), Same)
    if "applied" in change:
        exchange, decision = decide("Good morning", QUIET)
        entry = logged(TURN, exchange, decision)
        change = {"applied": ["ai-disclosure"]}
    assert isinstance(replay(replace(entry, body=entry.body | change), policy()), Different)


def test_a_condition_on_kept_text_is_asked_again() -> None:
    exchange, decision = decide("Good morning", QUIET)
    entry = logged(TURN, exchange, decision, Retention.ALL)
    forged = replace(entry, body=entry.body | {"retained": "Are you a human or a robot?"})
    assert isinstance(replay(forged, policy()), Different)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": "0" * 64, "policy": "older@0.9"}, "decided by older@0.9 of digest 0000"),
        ({"reason": "condition failed"}, "a condition failed"),
        ({"subject": "thought"}, "says other things"),
        ({"judgements": [{"guard": "g"}]}, "says other things"),
        ({"audience": None}, "says other things"),
    ],
)
def test_what_cannot_be_replayed_says_why(change: dict[str, object], reason: str) -> None:
    exchange, decision = decide("Good morning", HATEFUL)
    entry = logged(TURN, exchange, decision)
    result = replay(replace(entry, body=entry.body | change), policy())
    assert isinstance(result, NotReplayable)
    assert reason in result.reason


def test_what_decides_nothing_cannot_be_replayed() -> None:
    line, _ = seal(writer="w", seq=0, prev="0" * 64, at=1.0, kind="opened", body={})
    result = replay(read(line[:-1]), policy())
    assert isinstance(result, NotReplayable)
    assert "kind opened" in result.reason
