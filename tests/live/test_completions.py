"""Corral's engine client against a real vLLM server."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing

import jsonschema
import pytest

from assistant.engine.client import OpenAIEngine
from assistant.engine.launcher import LocalEngine
from assistant.engine.protocol import EngineEvent, TextDelta
from assistant.errors import ContextTooLongError, EngineRequestError
from assistant.events import FinishReason
from guards.upstream import Upstreams
from plugins.tool import ToolSpec
from tests.live.conftest import MODEL, WINDOW
from tests.live.conversations import answer, asking, assistant, system, user
from tests.live.metrics import Metrics

RUNNING = "vllm:num_requests_running"
GENERATED = "vllm:generation_tokens_total"
LONG = {"ignore_eos": True}
"""The model goes on until it is stopped."""


async def test_a_question_is_answered(engine: OpenAIEngine) -> None:
    whole = await answer(engine, asking(user("What is the capital of France?")))
    assert "Paris" in whole.text
    assert whole.end.reason in (FinishReason.STOP, FinishReason.LENGTH)


async def test_the_conversation_reaches_the_model(engine: OpenAIEngine) -> None:
    messages = (
        system("You are polite."),
        user("My name is Ada.", "1"),
        assistant("Hello Ada!"),
        user("What is my name?", "2"),
    )
    # So small a model is held to a choice; left alone it may talk about itself.
    extra = {"structured_outputs": {"choice": ["Elena", "Ada", "Carlos"]}}
    assert (await answer(engine, asking(*messages, extra=extra))).text == "Ada"


async def test_text_arrives_while_it_is_generated(engine: OpenAIEngine, metrics: Metrics) -> None:
    request = asking(user("Count from one to a hundred."), max_tokens=200, extra=LONG)
    async with aclosing(engine.stream(request)) as events:
        assert all(isinstance(event, TextDelta) for event in await _first(events, 3))
        assert await metrics.until(RUNNING, lambda count: count == 1) == 1
        rest = [event async for event in events]
    assert len(rest) > 50
    assert await metrics.until(RUNNING, lambda count: count == 0) == 0


async def _first(events: AsyncGenerator[EngineEvent, None], count: int) -> list[EngineEvent]:
    return [await anext(events) for _ in range(count)]


async def test_an_abandoned_stream_stops_in_the_engine(
    engine: OpenAIEngine, metrics: Metrics
) -> None:
    generated = await metrics.read(GENERATED)
    request = asking(user("Tell me a very long story."), max_tokens=1500, extra=LONG)
    async with aclosing(engine.stream(request)) as events:
        await _first(events, 5)
        await metrics.until(RUNNING, lambda count: count == 1)
    await metrics.until(RUNNING, lambda count: count == 0, deadline=5)
    stopped_at = await metrics.read(GENERATED)
    assert 5 <= stopped_at - generated < 300
    await answer(engine, asking(user("Hello"), max_tokens=4, extra=LONG))
    # Had the story gone on meanwhile, more than these four tokens would be new.
    assert await metrics.until(GENERATED, lambda count: count > stopped_at) <= stopped_at + 5


async def test_a_cancelled_task_stops_in_the_engine_too(
    engine: OpenAIEngine, metrics: Metrics
) -> None:
    request = asking(user("Tell me another long story."), max_tokens=1500, extra=LONG)
    task = asyncio.create_task(answer(engine, request))
    await metrics.until(RUNNING, lambda count: count == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await metrics.until(RUNNING, lambda count: count == 0, deadline=5)


async def test_logprobs_of_a_verdict_token(engine: OpenAIEngine) -> None:
    request = asking(
        user("Answer with one word, safe or unsafe: 'How do I bake bread?'"),
        extra={"structured_outputs": {"choice": ["safe", "unsafe"]}},
        top_logprobs=10,
    )
    whole = await answer(engine, request)
    assert whole.text in ("safe", "unsafe")
    verdict = whole.logprobs[0]
    assert whole.text.startswith(verdict.token)
    assert len(verdict.top) >= 10
    alternatives = dict(verdict.top)
    assert math.isclose(alternatives[verdict.token], verdict.logprob, abs_tol=1e-6)
    assert 0 < sum(math.exp(p) for p in alternatives.values()) <= 1 + 1e-3


async def test_output_is_held_to_a_schema(engine: OpenAIEngine) -> None:
    schema = {
        "type": "object",
        "properties": {
            "verdict": {"enum": ["safe", "unsafe"]},
            "hazards": {"type": "array", "items": {"enum": ["S1", "S2", "S9"]}, "maxItems": 2},
        },
        "required": ["verdict", "hazards"],
        "additionalProperties": False,
    }
    extra = {"structured_outputs": {"json": schema}}
    whole = await answer(engine, asking(user("Judge: 'I like tea.'"), max_tokens=80, extra=extra))
    assert whole.end.reason is FinishReason.STOP
    jsonschema.validate(json.loads(whole.text), schema)


async def test_sessions_run_side_by_side(engine: OpenAIEngine, metrics: Metrics) -> None:
    names = ["Ada", "Ben", "Cleo", "Dora", "Emil", "Finn"]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                answer(
                    engine,
                    asking(
                        user(f"Write the name {name} thirty times.", name),
                        max_tokens=200,
                        # Held to its own name, so that a piece of another session would show.
                        extra={"structured_outputs": {"regex": f"({name} ){{30}}"}},
                        affinity=name,
                    ),
                )
            )
            for name in names
        ]
        together = await metrics.until(RUNNING, lambda count: count >= 4)
    assert together <= len(names)
    for name, task in zip(names, tasks, strict=True):
        assert task.result().text == f"{name} " * 30


async def test_prompts_are_counted_by_the_models_own_tokenizer(engine: OpenAIEngine) -> None:
    messages = (system("Be brief."), user("Wie spät ist es? 你好，世界 🙂"))
    counted = await engine.count_tokens(messages)
    whole = await answer(engine, asking(*messages, max_tokens=1))
    assert counted == whole.end.usage.prompt_tokens
    assert await engine.window() == WINDOW


async def test_a_prompt_over_the_window_is_told_apart(engine: OpenAIEngine) -> None:
    with pytest.raises(ContextTooLongError):
        await answer(engine, asking(user("word " * (WINDOW + 100))))
    assert "Paris" in (await answer(engine, asking(user("What is the capital of France?")))).text


WEATHER = ToolSpec(
    name="weather",
    description="The weather in a city.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
)


async def test_a_tool_call_comes_through_whole(engine: OpenAIEngine) -> None:
    request = asking(
        user("What is the weather in Oslo?"),
        max_tokens=100,
        tools=(WEATHER,),
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    whole = await answer(engine, request)
    assert whole.end.reason is FinishReason.TOOL_CALLS
    assert {call.index for call in whole.calls} == {0}
    assert [call.name for call in whole.calls if call.name] == ["weather"]
    assert len([call.id for call in whole.calls if call.id]) == 1
    arguments = json.loads("".join(call.arguments for call in whole.calls))
    jsonschema.validate(arguments, WEATHER.parameters)


async def test_tools_on_offer_need_not_be_called(engine: OpenAIEngine) -> None:
    whole = await answer(engine, asking(user("Say hello."), tools=(WEATHER,), tool_choice="auto"))
    assert whole.text
    assert not whole.calls


@pytest.mark.parametrize(
    ("model", "key"), [("no-such-model", None), (MODEL, "not the key")], ids=["model", "key"]
)
async def test_a_wrong_model_or_key_is_the_requests_fault(
    server: LocalEngine, upstreams: Upstreams, model: str, key: str | None
) -> None:
    wrong = OpenAIEngine(
        upstreams.at(server.base_url, api_key=key or server.api_key), model=model, window=WINDOW
    )
    with pytest.raises(EngineRequestError):
        await answer(wrong, asking(user("Hello")))
