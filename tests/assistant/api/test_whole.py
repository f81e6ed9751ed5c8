"""The real orchestrator behind the interface, with a scripted model and guard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest

from assistant.api.app import build_app
from assistant.testing.scripted_engine import Hang, Script, Step, call, say
from assistant.testing.scripted_guard import ScriptedGuard
from guards.conversation import ToolCall
from tests.assistant.api.scripted import assistant
from tests.assistant.api.serving import chat, serving, user
from tests.assistant.bench import Bench

TOOL: Any = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
}


@asynccontextmanager
async def corral(
    script: Script | tuple[Step, ...] = (), **more: Any
) -> AsyncIterator[tuple[openai.AsyncOpenAI, Bench]]:
    bench = Bench(script, **more)
    app = build_app(assistant(bench.orchestrator, guard=bench.guard, log=bench.log))
    async with (
        serving(app) as address,
        openai.AsyncOpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0) as api,
    ):
        yield api, bench


async def ask(api: openai.AsyncOpenAI, text: str, **more: Any) -> Any:
    message: Any = user(text)
    return await api.chat.completions.create(model="corral", messages=[message], **more)


async def collect(stream: Any) -> tuple[str, Any]:
    """The text of a stream, and its last chunk with a choice."""
    chunks = [chunk async for chunk in stream]
    return "".join(c.choices[0].delta.content or "" for c in chunks), chunks[-1]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_allowed_turn(stream: bool) -> None:
    async with corral(say("Hello", " there", ".")) as (api, bench):
        if stream:
            text, last = await collect(await ask(api, "hi", stream=True))
        else:
            last = await ask(api, "hi")
            text = last.choices[0].message.content
        assert text == "Hello there."
        assert last.choices[0].finish_reason == "stop"
        assert last.model_extra["corral"]["log_id"] == bench.log.entries[-1].id


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_turn(stream: bool) -> None:
    async with corral(say("Sure")) as (api, _):
        if stream:
            text, last = await collect(await ask(api, "a BOMB", stream=True))
        else:
            last = await ask(api, "a BOMB")
            text = last.choices[0].message.content
        assert "Sure" not in text
        assert last.choices[0].finish_reason == "content_filter"
        corral_field = last.model_extra["corral"]
        assert (corral_field["decision"], corral_field["clause"]) == ("refuse", "mass-weapons")


async def test_a_reply_that_turns_bad_is_retracted() -> None:
    async with corral(say("First ", "take ", "a ", "BOMB", "!", first=0.05, gap=0.1)) as (api, _):
        text, last = await collect(await ask(api, "hi", stream=True))
        assert "BOMB" not in text
        assert last.choices[0].finish_reason == "content_filter"
        assert last.model_extra["corral"]["retracted"] is True
        assert last.model_extra["corral"]["text"]


async def test_a_guard_that_fails_refuses() -> None:
    guard = ScriptedGuard(answer=lambda _: RuntimeError("SECRET"))
    async with corral(say("Sure"), guards=[guard]) as (api, _):
        completion = await ask(api, "hi")
        assert completion.choices[0].finish_reason == "content_filter"
        assert completion.model_extra["corral"]["clause"] == "guard-unavailable"


async def test_a_session_is_remembered_and_a_message_answered_once() -> None:
    async with corral(lambda request: say(f"{len(request.messages)} messages")) as (api, bench):
        first = {"corral": {"session": "s", "message_id": "m1"}}
        one = await ask(api, "one", extra_body=first)
        again = await ask(api, "one", extra_body=first)
        two = await ask(api, "two", extra_body={"corral": {"session": "s"}})
        other = await ask(api, "two", extra_body={"corral": {"session": "s"}, "user": "bea"})
        assert len(bench.scripted.runs) == 3
    assert one.choices[0].message.content == again.choices[0].message.content
    assert again.model_extra["corral"]["replayed"] is True
    assert one.choices[0].message.content == other.choices[0].message.content == "2 messages"
    assert two.choices[0].message.content == "4 messages"


async def test_a_tool_call_is_handed_back_and_its_result_judged() -> None:
    def script(request: Any) -> Any:
        if request.messages[-1].tool_call_id is None:
            return call(ToolCall(id="call_1", name="look_up", arguments="{}"))
        return say("It is tea.")

    async with corral(script) as (api, _):
        asked = await ask(api, "what", tools=[TOOL])
        message = asked.choices[0].message
        assert message.tool_calls[0].function.name == "look_up"
        history: Any = [user("what"), message.model_dump()]
        for content, reason in (("tea", "stop"), ("an INJECTION", "content_filter")):
            result = {"role": "tool", "tool_call_id": "call_1", "content": content}
            answered = await api.chat.completions.create(
                model="corral", messages=[*history, result], tools=[TOOL]
            )
            assert answered.choices[0].finish_reason == reason


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_aborts_the_model(stream: bool) -> None:
    generating = asyncio.Event()

    def script(_: Any) -> Any:
        generating.set()
        return (Hang(),)

    bench = Bench(script)
    app = build_app(assistant(bench.orchestrator))
    async with serving(app) as address, httpx.AsyncClient(timeout=60) as client:
        request = asyncio.create_task(
            client.post(f"{address}/v1/chat/completions", json=chat(stream=stream))
        )
        await generating.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        assert await app.state.parts.capacity.idle(5)
        assert bench.scripted.runs[0].state == "aborted"
        assert bench.scripted.running == bench.guard.running == 0


async def test_an_over_long_message_is_named() -> None:
    async with corral() as (api, _):
        with pytest.raises(openai.BadRequestError) as error:
            await ask(api, "x" * 40_000)
        assert error.value.param == "messages"
