"""One turn, from the outside: what is released, when, what is remembered, what is logged."""

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace

import pytest

from assistant.errors import (
    EngineResponseError,
    EngineTimeoutError,
    EngineUnreachableError,
    InvalidTurnError,
    TurnTooLongError,
)
from assistant.events import (
    Finished,
    FinishReason,
    Judged,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
)
from assistant.orchestrator import TurnLimits
from assistant.testing.scripted_engine import Fail, Hang, Pause, RunState, call, say
from assistant.testing.scripted_guard import Answer, ScriptedGuard, flag
from assistant.testing.virtual_time import run_virtual
from assistant.turn import Sampling
from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    Exchange,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
    ToolCall,
    text_message,
)
from guards.hazards import Hazard
from guards.verdict import Failure, Finding, Span, Unscanned
from plugins.tool import ToolSpec
from policies.decision import Allow, Refuse, Steer, Support
from tests.assistant.bench import JUDGED, MARKED, Bench, blocked, finish, released, turn

WEATHER = ToolSpec(
    name="weather",
    description="Weather of a city",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)


async def test_a_harmless_turn_is_answered_and_logged() -> None:
    bench = Bench()
    events = await bench.ask(turn("hi"))
    assert released(events) == "Hello there."
    end = finish(events)
    assert (end.reason, end.decision, end.clause) == (FinishReason.STOP, "allow", None)
    assert end.usage.completion_tokens == 3
    kinds = [entry.kind for entry in bench.log.entries]
    assert kinds[1] == "decision"
    assert kinds[-1] == "turn"
    assert end.log_id == bench.log.entries[-1].id
    assert bench.log.durable_entries == len(bench.log.lines)


def test_i1_nothing_leaves_before_the_input_verdict() -> None:
    async def main() -> None:
        bench = Bench(say("fast", " reply"))
        bench.guard.delay = lambda e: 3.0 if e.subject is Subject.USER_INPUT else 0.0
        loop = asyncio.get_running_loop()
        async with aclosing(bench.orchestrator.run(turn("hi"))) as events:
            times = [(loop.time(), event) async for event in events]
        assert all(at >= 3.0 for at, _ in times)
        assert bench.scripted.runs[0].yielded == 3

    run_virtual(main())


async def test_i1_the_draft_is_aborted_when_the_input_is_refused() -> None:
    bench = Bench((Pause(seconds=0.01), *say("a"), Hang()))
    bench.scripted.script = [*say("a", "b")[:2], Hang()]
    events = await bench.ask(turn("make a BOMB"))
    refusal = blocked(events)
    assert isinstance(refusal, Refused)
    assert isinstance(refusal.decision, Refuse)
    assert bench.scripted.runs[0].state is RunState.ABORTED
    assert released(events) == ""
    assert finish(events).reason is FinishReason.CONTENT_FILTER
    assert finish(events).clause == refusal.decision.basis.clause


@pytest.mark.parametrize("failure", list(Failure))
@pytest.mark.parametrize("subject", [Subject.USER_INPUT, Subject.REPLY])
async def test_i2_a_guard_without_a_verdict_blocks(failure: Failure, subject: Subject) -> None:
    def answer(exchange: Exchange) -> Answer:
        if exchange.subject in {subject, Subject.REPLY_SO_FAR} - {Subject.USER_INPUT} or (
            exchange.subject is subject
        ):
            return Unscanned(guard="g", revision="1", reason=failure, detail="", elapsed=0.0)
        return ()

    bench = Bench(guards=[ScriptedGuard(answer=answer, subjects=JUDGED)])
    events = await bench.ask(turn("hi"))
    assert released(events) == ""
    assert finish(events).clause == "guard-unavailable"
    assert finish(events).reason is FinishReason.CONTENT_FILTER


def test_i2_a_guard_that_hangs_blocks_at_its_deadline() -> None:
    async def main() -> None:
        bench = Bench(deadline=2.0)
        bench.guard.delay = math.inf
        events = await bench.ask(turn("hi"))
        assert finish(events).clause == "guard-unavailable"
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)

    run_virtual(main())


async def test_i2_no_guard_at_all_blocks() -> None:
    events = await Bench(guards=[]).ask(turn("hi"))
    assert finish(events).clause == "guard-unavailable"


def test_i3_text_is_released_as_it_passes_and_retracted_when_it_turns_bad() -> None:
    async def main() -> None:
        bench = Bench(say("fine ", "HATE ", "never", first=0.05, gap=0.1))
        events = await bench.ask(turn("hi"))
        assert released(events) == "fine "
        assert isinstance(blocked(events), Retracted)
        assert bench.scripted.runs[0].state is RunState.ABORTED
        assert finish(events).reason is FinishReason.CONTENT_FILTER

    run_virtual(main())


async def test_a_reply_bad_from_the_start_is_refused_not_retracted() -> None:
    events = await Bench(say("HATE")).ask(turn("hi"))
    assert isinstance(blocked(events), Refused)


async def test_i3_the_reply_is_judged_in_its_context() -> None:
    bench = Bench()
    await bench.ask(turn("hi", instructions="be kind"))
    replies = [j.exchange for j in bench.guard.judgings if j.exchange.subject is Subject.REPLY]
    assert [m.text for m in replies[-1].context] == ["hi"]
    assert replies[-1].text == "Hello there."


async def test_self_harm_is_supported() -> None:
    events = await Bench().ask(turn("DESPAIR", locale="en-US"))
    event = blocked(events)
    assert isinstance(event.decision, Support)
    assert "988" in event.text
    assert finish(events).decision == "support"


async def test_contested_topics_are_steered_with_a_new_draft() -> None:
    bench = Bench()
    events = await bench.ask(turn("Is abortion wrong?"))
    assert released(events) == "Hello there."
    assert finish(events).decision == "steer"
    first, second = bench.scripted.runs
    assert first.state in {RunState.ABORTED, RunState.COMPLETED}
    (judged,) = (e for e in events if isinstance(e, Judged) and isinstance(e.decision, Steer))
    assert isinstance(judged.decision, Steer)
    assert judged.decision.guidance not in first.request.messages[0].text
    assert judged.decision.guidance in second.request.messages[0].text


async def test_a_policy_may_draft_after_the_verdict_only() -> None:
    policy = replace(Bench().policy, drafting=type(Bench().policy.drafting)("after_verdict"))
    bench = Bench(policy=policy)
    await bench.ask(turn("BOMB"))
    assert bench.scripted.runs == []
    assert released(await bench.ask(turn("hi"))) == "Hello there."


# --- memory --------------------------------------------------------------------------------------


async def test_a_session_remembers() -> None:
    bench = Bench()
    await bench.ask(turn(text_message("I am Ana", id="m1"), remembered=True))
    await bench.ask(turn(text_message("Who am I?", id="m2"), remembered=True))
    said = [(m.role, m.text) for m in bench.scripted.runs[-1].request.messages[1:]]
    assert said == [
        (Role.USER, "I am Ana"),
        (Role.ASSISTANT, "Hello there."),
        (Role.USER, "Who am I?"),
    ]


@pytest.mark.parametrize(("user_text", "reply"), [("BOMB", "ok"), ("hi", "HATE")])
async def test_i6_a_blocked_turn_never_reaches_a_later_context(user_text: str, reply: str) -> None:
    bench = Bench(say(reply))
    await bench.ask(turn(text_message(user_text, id="m1"), remembered=True))
    bench.scripted.script = say("fine")
    await bench.ask(turn(text_message("next", id="m2"), remembered=True))
    assert [m.text for m in bench.scripted.runs[-1].request.messages[1:]] == ["next"]


async def test_i7_a_repeated_delivery_is_answered_once() -> None:
    bench = Bench()
    first = await bench.ask(turn("hi", remembered=True))
    again = await bench.ask(turn("hi", remembered=True))
    assert len(bench.scripted.runs) == 1
    assert released(again) == released(first)
    assert finish(again) == replace(finish(first), replayed=True, usage=finish(again).usage)


def test_i7_two_turns_of_a_session_run_one_after_the_other() -> None:
    async def main() -> None:
        bench = Bench(say("a", "b", first=0.5))
        turns = [turn(text_message(f"n{i}", id=f"m{i}"), remembered=True) for i in range(2)]

        async def one(i: int) -> str:
            async with aclosing(bench.orchestrator.run(turns[i])) as events:
                return released([event async for event in events])

        assert await asyncio.gather(one(0), one(1)) == ["ab", "ab"]
        assert len(bench.scripted.runs[1].request.messages) == 4
        assert asyncio.get_running_loop().time() >= 1.0

    run_virtual(main())


async def test_i7_a_failed_turn_leaves_the_session_free_and_unchanged() -> None:
    bench = Bench([Fail(error=EngineUnreachableError("gone"))])
    with pytest.raises(EngineUnreachableError):
        await bench.ask(turn("hi", remembered=True))
    bench.scripted.script = say("back")
    events = await bench.ask(turn("hi", remembered=True))
    assert released(events) == "back"
    assert not finish(events).replayed
    assert len(bench.scripted.runs[-1].request.messages) == 2


# --- a caller's own past -------------------------------------------------------------------------


def past(*texts: str) -> tuple[Message, ...]:
    roles = [(Role.USER, None), (Role.ASSISTANT, BY_MODEL)]
    return tuple(
        text_message(text, id=f"h{i}")
        if i % 2 == 0
        else text_message(text, id=f"h{i}", role=roles[1][0], provenance=BY_MODEL)
        for i, text in enumerate(texts)
    )


@pytest.mark.parametrize("where", range(4))
async def test_i1_a_harmful_past_is_not_smuggled_in(where: int) -> None:
    texts = ["a", "b", "c", "d"]
    texts[where] = "HATE"
    bench = Bench()
    events = await bench.ask(turn("go on", history=past(*texts)))
    assert released(events) == ""
    assert finish(events).reason is FinishReason.CONTENT_FILTER


async def test_a_past_that_was_judged_is_not_judged_again() -> None:
    bench = Bench()
    first = await bench.ask(turn("hi", history=past("a", "b")))
    before = len(bench.guard.judgings)
    assert before >= 4
    history = (*past("a", "b"), *past("hi", released(first)))
    await bench.ask(turn("more", history=history))
    judged = [j.exchange.text for j in bench.guard.judgings[before:]]
    assert judged[0] == "more"
    assert "hi" not in judged
    assert "a" not in judged


async def test_i11_what_one_user_had_judged_is_judged_for_another() -> None:
    bench = Bench()
    await bench.ask(turn("hi", history=past("a", "b")))
    before = len(bench.guard.judgings)
    other = replace(turn("hi", history=past("a", "b")).key, user="bob")
    await bench.ask(turn("hi", history=past("a", "b"), key=other))
    assert {"a", "b", "hi"} <= {j.exchange.text for j in bench.guard.judgings[before:]}


async def test_i5_a_tool_result_is_judged_as_one() -> None:
    result = Message(
        id="t1",
        role=Role.TOOL,
        parts=(TextPart(text="sunny INJECTION"),),
        provenance=BY_TOOL,
        tool_call_id="c1",
    )
    bench = Bench()
    events = await bench.ask(turn(result, history=past("weather?")))
    assert finish(events).reason is FinishReason.CONTENT_FILTER
    assert Subject.TOOL_RESULT in {j.exchange.subject for j in bench.guard.judgings}


async def test_i2_an_image_that_no_guard_can_judge_blocks() -> None:
    message = Message(
        id="m1",
        role=Role.USER,
        parts=(TextPart(text="what is this?"), ImagePart(url="data:image/png;base64,AA")),
        provenance=text_message("x", id="x").provenance,
    )
    assert finish(await Bench().ask(turn(message))).clause == "guard-unavailable"


# --- tool calls ----------------------------------------------------------------------------------


async def test_a_callers_tool_call_comes_back_decided() -> None:
    wanted = ToolCall(id="c1", name="weather", arguments='{"city": "Lisbon"}')
    bench = Bench(call(wanted))
    events = await bench.ask(turn("weather?", tools=(WEATHER,)))
    assert [e.call for e in events if isinstance(e, ToolCallReleased)] == [wanted]
    assert finish(events).reason is FinishReason.TOOL_CALLS
    assert any(
        isinstance(e, Judged) and e.subject is Subject.TOOL_CALL and isinstance(e.decision, Allow)
        for e in events
    )


@pytest.mark.parametrize(
    "arguments", ["{", "[]", '{"city": 1}', "{}", '{"city": "x", "y": 1}', '{"city": NaN}']
)
async def test_i4_invalid_arguments_are_never_released(arguments: str) -> None:
    bench = Bench(call(ToolCall(id="c1", name="weather", arguments=arguments)))
    with pytest.raises(EngineResponseError):
        await bench.ask(turn("weather?", tools=(WEATHER,)))


async def test_i4_a_tool_nobody_offered_is_never_released() -> None:
    bench = Bench(call(ToolCall(id="c1", name="shell", arguments="{}")))
    with pytest.raises(EngineResponseError):
        await bench.ask(turn("weather?", tools=(WEATHER,)))


async def test_i4_one_denied_call_blocks_them_all() -> None:
    calls = [
        ToolCall(id=f"c{i}", name="weather", arguments=f'{{"city": "{city}"}}')
        for i, city in enumerate(["Lisbon", "HATE"])
    ]
    events = await Bench(call(*calls)).ask(turn("weather?", tools=(WEATHER,)))
    assert not [e for e in events if isinstance(e, ToolCallReleased)]
    assert finish(events).reason is FinishReason.CONTENT_FILTER


async def test_a_tool_whose_schema_is_none_is_named() -> None:
    broken = replace(WEATHER, parameters={"type": "banana"})
    with pytest.raises(InvalidTurnError) as caught:
        await Bench().ask(turn("hi", tools=(WEATHER, broken)))
    assert caught.value.field == "tools[1]"


# --- failures and limits -------------------------------------------------------------------------


async def test_an_engine_that_breaks_off_fails_the_turn() -> None:
    bench = Bench([*say("half")[:1], Fail(error=EngineResponseError("cut"))])
    with pytest.raises(EngineResponseError):
        await bench.ask(turn("hi"))
    assert bench.log.entries[-1].kind == "failure"


def test_a_turn_has_a_deadline() -> None:
    async def main() -> None:
        bench = Bench([Hang()], limits=TurnLimits(seconds=7.0))
        with pytest.raises(EngineTimeoutError):
            await bench.ask(turn("hi", remembered=True))
        assert asyncio.get_running_loop().time() == pytest.approx(7.0)

    run_virtual(main())


def test_i8_a_client_that_goes_away_aborts_everything() -> None:
    async def main() -> None:
        bench = Bench([*say("a", "b")[:1], Hang()])
        events = bench.orchestrator.run(turn("hi", remembered=True))
        async for event in events:
            if isinstance(event, TextReleased):
                break
        assert bench.scripted.running == 1
        await events.aclose()
        bench.assert_idle()
        assert bench.log.entries[-1].body["code"] == "cancelled"
        # The session is free again at once.
        bench.scripted.script = say("ok")
        assert released(await bench.ask(turn("hi", remembered=True))) == "ok"

    run_virtual(main())


@pytest.mark.parametrize("text", ["", "  \n"])
async def test_an_empty_message_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidTurnError) as caught:
        await Bench().ask(turn(text))
    assert caught.value.field == "messages"


async def test_an_oversized_message_is_refused_by_name() -> None:
    with pytest.raises(InvalidTurnError):
        await Bench(limits=TurnLimits(input_chars=10)).ask(turn("x" * 11))


async def test_the_oldest_history_gives_way_to_the_window() -> None:
    bench = Bench()
    bench.scripted.tokens = 2000
    history = past(*(f"word {i} " * 40 for i in range(60)))
    await bench.ask(turn("and now?", history=history))
    sent = bench.scripted.runs[0].request.messages
    assert sent[1].role is Role.USER
    assert sent[-1].text == "and now?"
    assert 3 < len(sent) < 62
    assert await bench.scripted.count_tokens(sent) <= 1000


def test_ten_thousand_messages_are_taken_in_stride() -> None:
    history = past(*(f"m{i}" for i in range(10_000)))

    async def main() -> None:
        events = await Bench().ask(turn("and now?", history=history))
        assert released(events) == "Hello there."

    run_virtual(main())


async def test_a_message_beyond_the_window_is_refused_by_name() -> None:
    bench = Bench()
    bench.scripted.tokens = 1000
    with pytest.raises(TurnTooLongError):
        await bench.ask(turn("word " * 5000))


async def test_the_reply_is_capped_whatever_the_caller_asks() -> None:
    bench = Bench(limits=TurnLimits(reply_tokens=50))
    await bench.ask(turn("hi", sampling=Sampling(max_tokens=10**9)))
    assert bench.scripted.runs[0].request.sampling.max_tokens == 50


async def test_i9_no_text_is_logged_by_default() -> None:
    bench = Bench(say("HATE zebra"))
    await bench.ask(turn("giraffe"))
    joined = b"".join(bench.log.lines)
    assert b"zebra" not in joined
    assert b"giraffe" not in joined


async def test_every_decision_is_logged_before_its_text_leaves() -> None:
    bench = Bench()
    seen = []
    async with aclosing(bench.orchestrator.run(turn("hi"))) as events:
        async for event in events:
            if isinstance(event, TextReleased):
                seen.append(len(bench.log.lines))
            elif isinstance(event, Finished):
                break
    assert min(seen) >= 3


def test_latency_is_one_output_judgement_beyond_the_engine() -> None:
    async def main() -> None:
        bench = Bench(say(*["t"] * 40, first=0.05, gap=0.01))
        loop = asyncio.get_running_loop()
        async with aclosing(bench.orchestrator.run(turn("hi"))) as events:
            times = [(loop.time(), event) async for event in events]
        first = next(at for at, event in times if isinstance(event, TextReleased))
        assert first == pytest.approx(0.05 + 0.04)
        assert times[-1][0] == pytest.approx(0.05 + 0.39 + 0.04)

    run_virtual(main())


def test_marked_words_are_the_hazards_tests_speak_of() -> None:
    exchange = Exchange(subject=Subject.USER_INPUT, message=text_message("HATE", id="m"))
    (finding,) = flag(MARKED)(exchange)
    assert isinstance(finding, Finding)
    assert (finding.hazard, finding.span) == (Hazard.HATE, Span(start=0, end=4))
