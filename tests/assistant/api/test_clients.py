"""Unmodified clients of others: the openai package and LangChain's ChatOpenAI."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from assistant import errors
from assistant.api.app import build_app
from assistant.events import FinishReason, Refused, TextReleased, ToolCallReleased
from assistant.turn import Turn
from guards.conversation import ToolCall
from tests.assistant.api.scripted import (
    INPUT_JUDGED,
    REFUSE,
    ScriptedOrchestrator,
    assistant,
    finished,
    say,
)
from tests.assistant.api.serving import serving

KEY = "key-of-acme"
CALL = ToolCall(id="call_1", name="look_up", arguments='{"q":"tea"}')
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look something up.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    },
}
QUESTION: Any = [{"role": "user", "content": "hello"}]


def script(turn: Turn) -> tuple[Any, ...]:
    """Answer by what is asked."""
    match turn.message.text:
        case "harm":
            return (
                INPUT_JUDGED,
                Refused(decision=REFUSE, text=REFUSE.text),
                finished(FinishReason.CONTENT_FILTER, decision="refuse", clause="weapons"),
            )
        case "fail":
            return (errors.EngineUnreachableError(),)
        case "break":
            return (TextReleased(text="Once"), errors.EngineUnreachableError())
        case "hello" if turn.tools:
            return (ToolCallReleased(call=CALL), finished(FinishReason.TOOL_CALLS))
        case _:
            return say("Hel", "lo, ", turn.message.text)


@asynccontextmanager
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    app = build_app(assistant(ScriptedOrchestrator(script), api_keys={SecretStr(KEY): "acme"}))
    async with (
        serving(app) as address,
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0) as opened,
    ):
        yield opened


async def test_openai_completes() -> None:
    async with client() as api:
        completion = await api.chat.completions.create(model="tiny-llama", messages=QUESTION)
        assert completion.choices[0].message.content == "Hello, hello"
        assert completion.usage is not None
        assert completion.usage.total_tokens == 9
        assert completion.model_extra is not None
        assert completion.model_extra["corral"]["decision"] == "allow"
        assert [model.id async for model in await api.models.list()] == ["tiny-llama"]
        assert (await api.models.retrieve("tiny-llama")).owned_by == "corral"


async def test_openai_streams() -> None:
    async with client() as api:
        stream = await api.chat.completions.create(
            model="tiny-llama",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello, hello"
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_openai_stream_helper_accumulates() -> None:
    async with (
        client() as api,
        api.chat.completions.stream(model="tiny-llama", messages=QUESTION, tools=[TOOL]) as stream,
    ):
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert json.loads(calls[0].function.arguments) == {"q": "tea"}
    assert final.choices[0].finish_reason == "tool_calls"


async def test_openai_calls_tools_and_answers_them() -> None:
    async with client() as api:
        asked = await api.chat.completions.create(
            model="tiny-llama", messages=QUESTION, tools=[TOOL], tool_choice="auto"
        )
        message = asked.choices[0].message
        assert message.tool_calls is not None
        result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "4 pm"}
        answered = await api.chat.completions.create(
            model="tiny-llama",
            messages=[*QUESTION, message.model_dump(), result],
            tools=[TOOL],
        )
    assert answered.choices[0].message.content == "Hello, 4 pm"


async def test_openai_sees_a_refusal_as_a_completion() -> None:
    async with client() as api:
        completion = await api.chat.completions.create(
            model="tiny-llama", messages=[{"role": "user", "content": "harm"}]
        )
    assert completion.choices[0].finish_reason == "content_filter"
    assert completion.choices[0].message.content == REFUSE.text


async def test_openai_sees_errors_as_its_own() -> None:
    async with client() as api:
        with pytest.raises(openai.InternalServerError) as unreachable:
            await api.chat.completions.create(
                model="tiny-llama", messages=[{"role": "user", "content": "fail"}]
            )
        assert unreachable.value.code == "engine_unreachable"
        with pytest.raises(openai.BadRequestError) as wrong:
            await api.chat.completions.create(model="tiny-llama", messages=QUESTION, n=2)
        assert (wrong.value.param, wrong.value.code) == ("n", "unsupported_field")
        with pytest.raises(openai.NotFoundError):
            await api.chat.completions.create(model="gpt-9", messages=QUESTION)
        with pytest.raises(openai.AuthenticationError):
            await api.with_options(api_key="wrong").models.list()
        stream = await api.chat.completions.create(
            model="tiny-llama", messages=[{"role": "user", "content": "break"}], stream=True
        )
        with pytest.raises(openai.APIError, match="cannot be reached"):
            async for _ in stream:
                pass


async def test_openai_moderates() -> None:
    async with client() as api:
        moderation = await api.moderations.create(input=["good morning", "good evening"])
    assert [result.flagged for result in moderation.results] == [False, False]
    assert moderation.results[0].categories.harassment is False
    assert moderation.results[0].category_scores.sexual_minors == 0


@tool
def look_up(q: str) -> str:
    """Look something up."""
    return q


def langchain(api: openai.AsyncOpenAI, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="tiny-llama",
        base_url=str(api.base_url),
        api_key=SecretStr(KEY),
        max_retries=0,
        **more,
    )


async def test_langchain_completes_streams_and_calls_tools() -> None:
    async with client() as api:
        model = langchain(api)
        answer = await model.ainvoke([HumanMessage("tea")])
        assert answer.content == "Hello, tea"
        pieces = [piece async for piece in model.astream("tea")]
        assert "".join(str(piece.content) for piece in pieces) == "Hello, tea"
        called = await model.bind_tools([look_up]).ainvoke("hello")
        assert called.tool_calls[0]["args"] == {"q": "tea"}  # type: ignore[attr-defined]
        refused = await model.ainvoke("harm")
        assert refused.response_metadata["finish_reason"] == "content_filter"
