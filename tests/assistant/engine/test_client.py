"""The engine client against a scripted server over real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from assistant.engine.client import OpenAIEngine
from assistant.engine.protocol import (
    Completed,
    CompletionRequest,
    EngineEvent,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from assistant.engine.tokens import FIXED, PER_MESSAGE, token_bound
from assistant.errors import (
    ContextTooLongError,
    EngineError,
    EngineOverloadedError,
    EngineRequestError,
    EngineResponseError,
    EngineTimeoutError,
    EngineUnreachableError,
    SettingsError,
)
from assistant.events import FinishReason, Usage
from assistant.testing.scripted_replies import (
    DONE,
    Plan,
    Received,
    ReceivedState,
    Then,
    Timing,
    answer,
    delta,
    error,
    event,
    events,
    standard_replies,
    stream,
    usage,
)
from assistant.testing.scripted_upstream import ScriptedUpstream, scripted_upstream
from assistant.turn import Sampling
from guards.conversation import (
    BY_MODEL,
    BY_OPERATOR,
    BY_TOOL,
    BY_USER,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
    text_message,
)
from guards.upstream import Upstreams, open_upstreams
from plugins.tool import ToolSpec

HELLO = CompletionRequest(messages=(text_message("hello", id="m"),))


@pytest.fixture
async def upstreams() -> AsyncGenerator[Upstreams, None]:
    async with open_upstreams() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncGenerator[ScriptedUpstream, None]:
    async with scripted_upstream() as started:
        yield started


async def collect(engine: OpenAIEngine, request: CompletionRequest = HELLO) -> list[EngineEvent]:
    async with aclosing(engine.stream(request)) as stream_:
        return [event_ async for event_ in stream_]


def engine_at(upstreams: Upstreams, server: ScriptedUpstream, **options: object) -> OpenAIEngine:
    return OpenAIEngine(upstreams.at(server.url), **{"model": "scripted", **options})  # type: ignore[arg-type] # a test's shorthand


def plan(*data: bytes, complete: bool = True) -> Plan:
    return events([(0.0, b"".join(data))], complete=complete)


async def test_streams_text_then_completes(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    server.respond = lambda _: stream(("Hello", " there"))
    got = await collect(engine_at(upstreams, server))
    assert got == [
        TextDelta(text="Hello"),
        TextDelta(text=" there"),
        Completed(reason=FinishReason.STOP, usage=Usage(prompt_tokens=20, completion_tokens=2)),
    ]
    assert server.received[0].path == "/v1/chat/completions"


async def test_connection_is_used_again(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    engine = engine_at(upstreams, server)
    for _ in range(5):
        await collect(engine)
    assert server.accepted == 1


async def test_request_body(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    request = CompletionRequest(
        messages=(
            text_message("be kind", id="0", role=Role.SYSTEM, provenance=BY_OPERATOR),
            Message(
                id="1",
                role=Role.USER,
                parts=(TextPart(text="see"), ImagePart(url="data:image/png;base64,AA")),
                provenance=BY_USER,
            ),
            Message(
                id="2",
                role=Role.ASSISTANT,
                parts=(),
                provenance=BY_MODEL,
                tool_calls=(ToolCall(id="c1", name="add", arguments='{"a":1}'),),
            ),
            Message(
                id="3",
                role=Role.TOOL,
                parts=(TextPart(text="2"),),
                provenance=BY_TOOL,
                tool_call_id="c1",
            ),
        ),
        tools=(ToolSpec(name="add", description="Adds.", parameters={"type": "object"}),),
        tool_choice="auto",
        sampling=Sampling(
            temperature=0.5, max_tokens=9, stop=("END",), seed=7, extra={"min_p": 0.1}
        ),
        affinity="abc",
        top_logprobs=3,
    )
    await collect(engine_at(upstreams, server), request)
    received = server.received[0]
    assert received.header("X-Session-ID") == "abc"
    assert received.json == {
        "model": "scripted",
        "messages": [
            {"role": "system", "content": "be kind"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "add", "arguments": '{"a":1}'},
                    }
                ],
            },
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "add",
                    "description": "Adds.",
                    "parameters": {"type": "object"},
                },
            }
        ],
        "tool_choice": "auto",
        "logprobs": True,
        "top_logprobs": 3,
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 7,
        "stop": ["END"],
        "min_p": 0.1,
    }


@pytest.mark.parametrize("key", ["messages", "n", "chat_template", "continue_final_message"])
async def test_extra_cannot_replace_what_was_judged(
    upstreams: Upstreams, server: ScriptedUpstream, key: str
) -> None:
    request = CompletionRequest(messages=HELLO.messages, sampling=Sampling(extra={key: []}))
    with pytest.raises(EngineRequestError, match=key):
        await collect(engine_at(upstreams, server), request)
    assert not server.received


async def test_lone_surrogates_are_refused(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    request = CompletionRequest(messages=(text_message("a\ud800", id="m"),))
    with pytest.raises(EngineRequestError, match="JSON cannot"):
        await collect(engine_at(upstreams, server), request)


async def test_tool_calls_in_pieces(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    first = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    server.respond = lambda _: plan(
        delta(None, tool_calls=[first]),
        delta(None, tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        # llama-cpp-python repeats what it already said.
        delta(None, tool_calls=[first | {"function": {"name": "f", "arguments": ":1}"}}]),
        delta(finish="stop"),
        DONE,
    )
    got = await collect(engine_at(upstreams, server))
    assert got == [
        ToolCallDelta(index=0, id="c", name="f"),
        ToolCallDelta(index=0, arguments='{"a"'),
        ToolCallDelta(index=0, arguments=":1}"),
        Completed(reason=FinishReason.TOOL_CALLS, usage=Usage()),
    ]


async def test_logprobs_and_several_tokens_a_chunk(
    upstreams: Upstreams, server: ScriptedUpstream
) -> None:
    def entry(token: str) -> dict[str, object]:
        top = [{"token": token, "logprob": -0.5, "bytes": None}]
        return {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": top}

    chunk = {
        "choices": [
            {
                "index": 0,
                "delta": {"content": "ab"},
                "logprobs": {"content": [entry("a"), entry("b")]},
                "finish_reason": "length",
            }
        ]
    }
    server.respond = lambda _: plan(event(chunk), DONE)
    got = await collect(engine_at(upstreams, server))
    assert got[0] == TextDelta(
        text="ab",
        logprobs=(
            TokenLogprob(token="a", logprob=-0.5, top=(("a", -0.5),)),
            TokenLogprob(token="b", logprob=-0.5, top=(("b", -0.5),)),
        ),
    )
    assert got[1] == Completed(reason=FinishReason.LENGTH, usage=Usage())


async def test_missing_done_marker_is_tolerated_after_a_finish_reason(
    upstreams: Upstreams, server: ScriptedUpstream
) -> None:
    server.respond = lambda _: plan(delta("a"), delta(finish="stop"), usage(1, 1))
    got = await collect(engine_at(upstreams, server))
    assert got[-1] == Completed(
        reason=FinishReason.STOP, usage=Usage(prompt_tokens=1, completion_tokens=1)
    )


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"data: {\n\n", id="broken json"),
        pytest.param(event([]), id="no object"),
        pytest.param(event({}), id="no choices"),
        pytest.param(event({"choices": [1]}), id="choice is no object"),
        pytest.param(event({"choices": [{"index": 1, "delta": {}}]}), id="another choice"),
        pytest.param(event({"choices": [{}, {}]}), id="two choices"),
        pytest.param(event({"choices": [{"delta": 3}]}), id="delta is no object"),
        pytest.param(delta([1]), id="content is no text"),
        pytest.param(delta(None, tool_calls={"index": 0}), id="calls are no list"),
        pytest.param(delta(None, tool_calls=["f"]), id="call is no object"),
        pytest.param(
            delta(None, tool_calls=[{"function": {"name": 1}}]), id="call's name is no text"
        ),
        pytest.param(delta(None, tool_calls=[{"index": -1}]), id="negative index"),
        pytest.param(
            delta(None, tool_calls=[{"function": {"arguments": "{}"}}]), id="call without a name"
        ),
        pytest.param(delta("x", finish="exploded"), id="unknown finish reason"),
        pytest.param(delta(finish="stop") + delta("more"), id="text after the end"),
        pytest.param(event({"choices": [], "usage": 3}) + DONE, id="usage is no object"),
        pytest.param(
            event({"choices": [{"delta": {}, "logprobs": {"content": [{"token": 1}]}}]}),
            id="broken logprobs",
        ),
        pytest.param(delta("text") + DONE, id="no finish reason"),
        pytest.param(delta("text"), id="no end at all"),
        pytest.param(event({"error": {"message": "boom", "code": 500}}) + DONE, id="error object"),
    ],
)
async def test_what_is_not_the_protocol(
    upstreams: Upstreams, server: ScriptedUpstream, data: bytes
) -> None:
    server.respond = lambda _: plan(data)
    with pytest.raises(EngineResponseError):
        await collect(engine_at(upstreams, server))


async def test_error_object_in_the_stream_is_told_apart(
    upstreams: Upstreams, server: ScriptedUpstream
) -> None:
    said = {"message": "This model's maximum context length is 9 tokens", "code": 400}
    server.respond = lambda _: plan(event({"error": said}), DONE)
    with pytest.raises(ContextTooLongError):
        await collect(engine_at(upstreams, server))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(429, "slow down", retry_after="3"), EngineOverloadedError),
        (error(503, "busy"), EngineOverloadedError),
        (error(400, "However, maximum context length is 4096 tokens"), ContextTooLongError),
        (error(400, "x", code="context_length_exceeded"), ContextTooLongError),
        (error(400, "secret words"), EngineRequestError),
        (error(422, "secret words"), EngineRequestError),
        (error(401, "secret words"), EngineRequestError),
        (error(404, "secret words"), EngineRequestError),
        (error(500, "secret words"), EngineResponseError),
        (error(504, "secret words"), EngineTimeoutError),
        (error(502, "secret words"), EngineUnreachableError),
        (answer(200, {"not": "a stream"}), EngineResponseError),
        (answer(302, b"", headers={"Location": "/elsewhere"}), EngineResponseError),
        (Plan(writes=((0.0, b"SMTP ready\r\n"),), then=Then.CLOSE), EngineResponseError),
        (Plan(writes=(), then=Then.RESET), EngineUnreachableError),
        (plan(delta("a"), complete=False), None),
    ],
)
async def test_errors_are_told_apart(
    upstreams: Upstreams,
    server: ScriptedUpstream,
    reply: Plan,
    expected: type[EngineError] | None,
) -> None:
    if expected is None:
        reply = Plan(writes=reply.writes, then=Then.CUT)
        expected = EngineUnreachableError
    server.respond = lambda _: reply
    with pytest.raises(expected) as caught:
        await collect(engine_at(upstreams, server))
    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


async def test_nobody_listens(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    await server.stop()
    with pytest.raises(EngineUnreachableError):
        await collect(engine_at(upstreams, server))


async def test_first_token_deadline(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    comments = tuple((at / 100, b": still here\n\n") for at in range(100))
    for reply in (Plan(writes=(), then=Then.HANG), events(comments, then=Then.HANG)):
        server.respond = lambda _, reply=reply: reply  # type: ignore[misc] # mypy infers no default
        with pytest.raises(EngineTimeoutError):
            await collect(engine_at(upstreams, server, first_token_timeout=0.5))
        await asyncio.wait_for(server.received[-1].ended.wait(), 20)
        assert server.received[-1].state is ReceivedState.ABORTED


async def test_deadline_between_tokens(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    server.respond = lambda _: events([(0.0, delta("a"))], then=Then.HANG, complete=False)
    engine = engine_at(upstreams, server, token_timeout=0.3)
    async with aclosing(engine.stream(HELLO)) as events_:
        assert await anext(events_) == TextDelta(text="a")
        with pytest.raises(EngineTimeoutError):
            await anext(events_)


async def test_a_slow_reader_is_not_a_slow_engine(
    upstreams: Upstreams, server: ScriptedUpstream
) -> None:
    server.respond = lambda _: events(
        [(0.0, delta("a")), (0.6, delta("b")), (0.6, delta(finish="stop") + DONE)]
    )
    engine = engine_at(upstreams, server, token_timeout=0.5)
    async with aclosing(engine.stream(HELLO)) as events_:
        await anext(events_)
        await asyncio.sleep(0.9)  # the very thing under test is time passing in the reader
        assert await anext(events_) == TextDelta(text="b")


async def test_closing_aborts_the_request(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    server.respond = lambda _: events([(0.0, delta("a"))], then=Then.HANG, complete=False)
    async with aclosing(engine_at(upstreams, server).stream(HELLO)) as events_:
        await anext(events_)
        assert server.received[0].state is ReceivedState.ANSWERING
    await asyncio.wait_for(server.received[0].ended.wait(), 20)
    assert server.received[0].state is ReceivedState.ABORTED


async def test_cancelling_before_the_first_token_aborts_the_request(
    upstreams: Upstreams, server: ScriptedUpstream
) -> None:
    arrived = asyncio.Event()

    def respond(_: Received) -> Plan:
        arrived.set()
        return Plan(writes=(), then=Then.HANG)

    server.respond = respond
    task = asyncio.create_task(collect(engine_at(upstreams, server)))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.received[0].ended.wait(), 20)
    assert server.received[0].state is ReceivedState.ABORTED


async def test_first_served_model_is_taken(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    engine = engine_at(upstreams, server, model="")
    await collect(engine)
    assert engine.model == "scripted"
    assert server.received[-1].json["model"] == "scripted"


async def test_a_model_that_is_not_served(upstreams: Upstreams, server: ScriptedUpstream) -> None:
    with pytest.raises(EngineRequestError, match="does not serve"):
        await engine_at(upstreams, server, model="another").probe()


class TestWindow:
    async def test_from_settings(self, upstreams: Upstreams, server: ScriptedUpstream) -> None:
        assert await engine_at(upstreams, server, window=123).window() == 123
        assert not server.received

    async def test_from_vllm_once(self, upstreams: Upstreams, server: ScriptedUpstream) -> None:
        engine = engine_at(upstreams, server)
        assert (await engine.window(), await engine.window()) == (8192, 8192)
        assert len(server.received) == 1

    async def test_from_llama_cpp_props(
        self, upstreams: Upstreams, server: ScriptedUpstream
    ) -> None:
        props = answer(200, {"default_generation_settings": {"n_ctx": 4096}})
        models = answer(200, {"data": [{"id": "scripted"}]})
        server.respond = lambda r: props if r.path == "/props" else models
        assert await engine_at(upstreams, server).window() == 4096

    async def test_untold(self, upstreams: Upstreams, server: ScriptedUpstream) -> None:
        models = answer(200, {"data": [{"id": "scripted"}]})
        server.respond = lambda r: models if r.path == "/v1/models" else error(404, "no")
        with pytest.raises(SettingsError, match="CORRAL_ENGINE_WINDOW"):
            await engine_at(upstreams, server).window()


class TestCounting:
    async def test_vllm(self, upstreams: Upstreams, server: ScriptedUpstream) -> None:
        server.respond = lambda _: answer(200, {"count": 31, "tokens": []})
        engine = engine_at(upstreams, server)
        tools = (ToolSpec(name="f", description="", parameters={}),)
        assert await engine.count_tokens(HELLO.messages, tools) == 31
        assert server.received[0].path == "/tokenize"
        assert server.received[0].json["tools"][0]["function"]["name"] == "f"

    async def test_llama_cpp_adds_the_templates_share(
        self, upstreams: Upstreams, server: ScriptedUpstream
    ) -> None:
        server.respond = lambda r: (
            answer(200, {"count": 2}) if r.path == "/extras/tokenize/count" else error(404, "no")
        )
        engine = engine_at(upstreams, server)
        for _ in range(2):
            assert await engine.count_tokens(HELLO.messages) == 2 + FIXED + PER_MESSAGE
        assert [r.path for r in server.received] == [
            "/tokenize",
            "/extras/tokenize/count",
            "/extras/tokenize/count",
        ]

    async def test_neither_gives_the_bound(
        self, upstreams: Upstreams, server: ScriptedUpstream
    ) -> None:
        server.respond = lambda _: error(404, "no")
        engine = engine_at(upstreams, server)
        for _ in range(2):
            assert await engine.count_tokens(HELLO.messages) == token_bound(HELLO.messages)
        assert len(server.received) == 2

    async def test_one_refused_count_is_not_remembered(
        self, upstreams: Upstreams, server: ScriptedUpstream
    ) -> None:
        server.respond = lambda _: error(400, "roles must alternate")
        engine = engine_at(upstreams, server)
        assert await engine.count_tokens(HELLO.messages) == token_bound(HELLO.messages)
        server.respond = standard_replies(Timing())
        assert await engine.count_tokens(HELLO.messages) < token_bound(HELLO.messages)

    async def test_unreachable(self, upstreams: Upstreams, server: ScriptedUpstream) -> None:
        await server.stop()
        with pytest.raises(EngineUnreachableError):
            await engine_at(upstreams, server).count_tokens(HELLO.messages)

    async def test_nonsense(self, upstreams: Upstreams, server: ScriptedUpstream) -> None:
        engine = engine_at(upstreams, server)
        await engine.count_tokens(HELLO.messages)
        server.respond = lambda _: answer(200, {"count": "many"})
        with pytest.raises(EngineResponseError):
            await engine.count_tokens(HELLO.messages)


def test_bound_counts_bytes() -> None:
    assert token_bound((text_message("你好", id="m"),)) == FIXED + PER_MESSAGE + 6
