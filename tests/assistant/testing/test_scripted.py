"""The stand-ins must themselves tell the truth about what was started and aborted."""

import asyncio
import math
from contextlib import aclosing

import pytest

from assistant.engine.protocol import Completed, CompletionRequest, Engine, TextDelta, ToolCallDelta
from assistant.errors import EngineUnreachableError
from assistant.events import FinishReason
from assistant.testing.scripted_engine import Fail, Hang, RunState, ScriptedEngine, call, say
from assistant.testing.scripted_guard import JudgingState, ScriptedGuard, flag
from guards.conversation import Exchange, Subject, ToolCall, text_message
from guards.guard import Guard
from guards.hazards import Hazard
from guards.verdict import Failure, Unscanned, Verdict

REQUEST = CompletionRequest(messages=(text_message("hello there", id="m"),))
EXCHANGE = Exchange(subject=Subject.USER_INPUT, message=text_message("a bomb", id="m"))


async def test_engine_plays_its_script_and_remembers_the_run() -> None:
    scripted = ScriptedEngine(script=say("a", "b", gap=0.001))
    engine: Engine = scripted
    events = [event async for event in engine.stream(REQUEST)]
    assert events[:2] == [TextDelta(text="a"), TextDelta(text="b")]
    assert isinstance(events[2], Completed)
    assert scripted.runs[0].state is RunState.COMPLETED
    assert await engine.count_tokens(REQUEST.messages) == 6


async def test_engine_calls_tools_in_pieces() -> None:
    scripted = ScriptedEngine(script=call(ToolCall(id="c", name="f", arguments="{}")))
    events = [event async for event in scripted.stream(REQUEST)]
    assert events[0] == ToolCallDelta(index=0, id="c", name="f")
    assert events[1] == ToolCallDelta(index=0, arguments="{}")
    assert isinstance(events[2], Completed)
    assert events[2].reason is FinishReason.TOOL_CALLS


async def test_engine_records_abort_and_failure() -> None:
    scripted = ScriptedEngine(script=lambda _: (TextDelta(text="a"), Hang()))
    async with aclosing(scripted.stream(REQUEST)) as stream:
        await anext(stream)
        assert scripted.running == 1
    assert scripted.runs[0].state is RunState.ABORTED
    failing = ScriptedEngine(script=(Fail(error=EngineUnreachableError("gone")),))
    with pytest.raises(EngineUnreachableError):
        await anext(failing.stream(REQUEST))
    assert failing.runs[0].state is RunState.FAILED


async def test_guard_answers_by_keyword() -> None:
    scripted = ScriptedGuard(answer=flag({"bomb": Hazard.VIOLENT_CRIMES}))
    guard: Guard = scripted
    verdict = await guard.judge(EXCHANGE)
    assert isinstance(verdict, Verdict)
    assert [f.hazard for f in verdict.findings] == [Hazard.VIOLENT_CRIMES]
    assert verdict.findings[0].span is not None
    assert verdict.findings[0].span.start == 2
    assert scripted.judgings[0].state is JudgingState.ANSWERED


async def test_guard_fails_hangs_and_passes_judgements_on() -> None:
    failing = ScriptedGuard(answer=lambda _: ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await failing.judge(EXCHANGE)
    assert failing.judgings[0].state is JudgingState.FAILED

    hanging = ScriptedGuard(delay=math.inf)
    task = asyncio.create_task(hanging.judge(EXCHANGE))
    await asyncio.sleep(0)
    assert hanging.running == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hanging.judgings[0].state is JudgingState.ABORTED

    unscanned = Unscanned(
        guard="g", revision="r", reason=Failure.TOO_LONG, detail="too long", elapsed=0.0
    )
    assert await ScriptedGuard(answer=lambda _: unscanned).judge(EXCHANGE) is unscanned
