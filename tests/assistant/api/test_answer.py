"""Replies as they leave: whole, streamed, refused, retracted, and broken off by errors."""

import asyncio
import logging
from typing import Any

import httpx
import orjson
import pytest

from assistant import errors
from assistant.api.answer import Answer
from assistant.api.answers import ChatCompletion, ChatCompletionChunk, Error
from assistant.api.app import build_app
from assistant.api.completion import Heading
from assistant.api.metrics import TurnMeter
from assistant.events import (
    Event,
    FinishReason,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
    Usage,
)
from guards.conversation import ToolCall
from tests.assistant.api.scripted import (
    INPUT_JUDGED,
    LABEL,
    REFUSE,
    Hang,
    ScriptedOrchestrator,
    assistant,
    finished,
    say,
)
from tests.assistant.api.serving import RawRequest, chat, events, local_client

CALL = ToolCall(id="call_1", name="look_up", arguments='{"q": "\\u00e9"}')
REFUSED = (
    INPUT_JUDGED,
    Refused(decision=REFUSE, text=REFUSE.text),
    finished(FinishReason.CONTENT_FILTER, decision="refuse", clause="weapons"),
)
RETRACTED = (
    INPUT_JUDGED,
    TextReleased(text="First you "),
    Retracted(decision=REFUSE, text=REFUSE.text),
    finished(FinishReason.CONTENT_FILTER, decision="refuse", clause="weapons"),
)


async def post(script: Any, **body: Any) -> httpx.Response:
    app = build_app(assistant(ScriptedOrchestrator(script)))
    async with local_client(app) as client:
        return await client.post("/v1/chat/completions", json=chat(**body))


async def whole(script: Any, **body: Any) -> dict[str, Any]:
    response = await post(script, **body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    ChatCompletion.model_validate_json(response.content)
    completion: dict[str, Any] = response.json()
    return completion


async def streamed(script: Any, **body: Any) -> list[Any]:
    response = await post(script, stream=True, **body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    chunks = events(response.text)
    for chunk in chunks:
        if chunk != "[DONE]":
            ChatCompletionChunk.model_validate(chunk)
    return chunks


def content_of(chunks: list[Any]) -> str:
    deltas = [c["choices"][0]["delta"] for c in chunks if c != "[DONE]" and c["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_a_whole_reply() -> None:
    completion = await whole(say("Hel", "lo"))
    (choice,) = completion["choices"]
    assert choice["message"]["content"] == "Hello"
    assert choice["finish_reason"] == "stop"
    assert completion["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert completion["model"] == "tiny-llama"
    assert completion["corral"] == {
        "decision": "allow",
        "clause": None,
        "log_id": "log-1",
        "replayed": False,
        "policy": LABEL,
    }


async def test_a_streamed_reply() -> None:
    *chunks, last, done = await streamed(say("Hel", "lo"))
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "Hel"}
    assert chunks[1]["choices"][0]["delta"] == {"content": "lo"}
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["corral"]["log_id"] == "log-1"
    assert all("corral" not in chunk and "usage" not in chunk for chunk in chunks)
    assert len({chunk["id"] for chunk in (*chunks, last)}) == 1


async def test_usage_comes_in_a_chunk_of_its_own_when_asked_for() -> None:
    *chunks, usage, _ = await streamed(say("Hi"), stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in chunks)
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 9


async def test_uncounted_tokens_are_zero() -> None:
    completion = await whole((finished(usage=Usage()),))
    assert completion["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    "text", ['"quoted"\n\ndata: x', "日本語 😀", "\x00\x1b[31m\u2028", "</script>"]
)
async def test_any_text_arrives_as_it_was(text: str) -> None:
    assert content_of(await streamed(say(text))) == text
    assert (await whole(say(text)))["choices"][0]["message"]["content"] == text


async def test_an_empty_reply_still_has_its_role() -> None:
    chunk, _ = await streamed((finished(FinishReason.LENGTH),))
    assert chunk["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunk["choices"][0]["finish_reason"] == "length"
    assert (await whole((finished(),)))["choices"][0]["message"]["content"] == ""


async def test_tool_calls_come_back_whole() -> None:
    second = ToolCall(id="call_2", name="look_up", arguments="{}")
    script = (
        INPUT_JUDGED,
        ToolCallReleased(call=CALL),
        ToolCallReleased(call=second),
        finished(FinishReason.TOOL_CALLS),
    )
    message = (await whole(script))["choices"][0]["message"]
    assert message["content"] is None
    assert [call["id"] for call in message["tool_calls"]] == ["call_1", "call_2"]
    assert message["tool_calls"][0]["function"] == {"name": "look_up", "arguments": CALL.arguments}
    first, other, last, _ = await streamed(script)
    assert first["choices"][0]["delta"]["tool_calls"][0]["index"] == 0
    assert other["choices"][0]["delta"]["tool_calls"][0]["index"] == 1
    assert last["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_refusal_is_an_ordinary_completion() -> None:
    completion = await whole(REFUSED)
    (choice,) = completion["choices"]
    assert choice["message"]["content"] == REFUSE.text
    assert choice["finish_reason"] == "content_filter"
    assert (completion["corral"]["decision"], completion["corral"]["clause"]) == (
        "refuse",
        "weapons",
    )
    chunks = await streamed(REFUSED)
    assert content_of(chunks) == REFUSE.text
    assert chunks[-2]["choices"][0]["finish_reason"] == "content_filter"
    assert "retracted" not in chunks[-2]["corral"]


async def test_a_retraction_replaces_a_whole_reply() -> None:
    completion = await whole(RETRACTED)
    assert completion["choices"][0]["message"]["content"] == REFUSE.text
    assert completion["corral"]["retracted"] is True


async def test_a_retraction_in_a_stream_says_what_to_show_instead() -> None:
    chunks = await streamed(RETRACTED)
    assert content_of(chunks) == "First you "
    corral = chunks[-2]["corral"]
    assert (corral["retracted"], corral["text"]) == (True, REFUSE.text)
    assert chunks[-2]["choices"][0]["finish_reason"] == "content_filter"


async def test_a_replayed_answer_says_so() -> None:
    script = (TextReleased(text="again"), finished(replayed=True))
    assert (await whole(script))["corral"]["replayed"] is True


ERRORS: list[tuple[Exception, int, str]] = [
    (errors.InvalidTurnError("messages must be shorter", field="messages"), 400, "invalid_request"),
    (errors.TurnTooLongError("too long", field="messages"), 400, "context_length_exceeded"),
    (errors.ContextTooLongError(), 400, "context_length_exceeded"),
    (errors.EngineRequestError(), 400, "engine_request_rejected"),
    (errors.SessionBusyError(), 409, "session_busy"),
    (errors.EngineResponseError(), 502, "engine_response_invalid"),
    (errors.EngineError(), 502, "engine_error"),
    (errors.MemoryUnavailableError(), 503, "memory_unavailable"),
    (errors.LogUnavailableError(), 503, "decision_log_unavailable"),
    (errors.EngineOverloadedError(), 503, "engine_overloaded"),
    (errors.EngineUnreachableError(), 503, "engine_unreachable"),
    (errors.EngineTimeoutError(), 504, "engine_timeout"),
    (errors.SettingsError(), 500, "internal_error"),
    (RuntimeError("SECRET WORD"), 500, "internal_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"), ERRORS, ids=[type(e[0]).__name__ for e in ERRORS]
)
async def test_an_error_before_the_first_text_has_its_status(
    error: Exception, status: int, code: str, stream: bool
) -> None:
    response = await post((INPUT_JUDGED, error), stream=stream)
    assert response.status_code == status
    body = Error.model_validate_json(response.content).error
    assert body.code == code
    assert "SECRET" not in response.text
    retry = "retry-after" in response.headers
    assert retry == (status == 409 or (status == 503))


async def test_an_error_mid_stream_is_an_event_and_the_end() -> None:
    response = await post((TextReleased(text="Once"), errors.EngineUnreachableError()), stream=True)
    assert response.status_code == 200
    text, error = events(response.text)
    assert text["choices"][0]["delta"]["content"] == "Once"
    assert Error.model_validate(error).error.code == "engine_unreachable"


async def test_an_error_after_text_of_a_whole_reply_has_its_status() -> None:
    response = await post((TextReleased(text="Once"), errors.EngineUnreachableError()))
    assert response.status_code == 503
    assert "Once" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_without_an_end_is_an_error(stream: bool) -> None:
    response = await post((INPUT_JUDGED,), stream=stream)
    assert response.status_code == 500


async def test_the_log_names_the_error_and_nobodys_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        response = await post(
            (RuntimeError("SECRET WORD"),), messages=[{"role": "user", "content": "SECRET WORD"}]
        )
    reference = response.json()["error"]["reference"]
    (line,) = [r.getMessage() for r in caplog.records if reference in r.getMessage()]
    assert "RuntimeError" in line
    assert "scripted.py" in line
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("stream", [False, True])
async def test_headers_wait_and_a_client_that_goes_ends_the_turn(stream: bool) -> None:
    orchestrator = ScriptedOrchestrator((INPUT_JUDGED, Hang()))
    request = RawRequest(build_app(assistant(orchestrator)), orjson.dumps(chat(stream=stream)))
    await orchestrator.hanging.wait()
    assert request.sent == []
    request.vanish()
    await request.task
    assert request.sent == []
    assert orchestrator.closed == 1


@pytest.mark.parametrize(
    ("released", "status"), [((), 503), ((TextReleased(text="Once"),), 200)], ids=["before", "mid"]
)
async def test_a_server_that_stops_says_so_to_those_it_cuts_off(
    released: tuple[Event, ...], status: int
) -> None:
    orchestrator = ScriptedOrchestrator((*released, Hang()))
    request = RawRequest(build_app(assistant(orchestrator)), orjson.dumps(chat(stream=True)))
    await orchestrator.hanging.wait()
    request.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request.task
    assert request.status == status
    assert b"shutting_down" in request.body
    assert b"[DONE]" not in request.body
    assert orchestrator.closed == 1


async def test_a_client_that_does_not_read_is_given_up() -> None:
    orchestrator = ScriptedOrchestrator((TextReleased(text="Once"), Hang()))
    parts = build_app(assistant(orchestrator)).state.parts
    answer = Answer(
        orchestrator.run(None),  # type: ignore[arg-type] # the script does not look at it
        Heading(id="c", created=0, model="m", policy="p"),
        stream=True,
        include_usage=False,
        deadline=0.01,
        capacity=parts.capacity,
        meter=TurnMeter(parts.tools.metrics),
        reporter=parts.tools.reporter,
    )
    stuck = asyncio.Event()

    async def receive() -> Any:
        await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        await stuck.wait()

    await answer({"type": "http"}, receive, send)
    assert orchestrator.closed == 1
    assert parts.capacity.running == 0


async def test_too_many_turns_at_once_are_told_to_come_back() -> None:
    orchestrator = ScriptedOrchestrator((Hang(),))
    app = build_app(assistant(orchestrator, max_concurrent_turns=1))
    first = RawRequest(app, orjson.dumps(chat()))
    await orchestrator.hanging.wait()
    async with local_client(app) as client:
        for path, body in (("chat/completions", chat()), ("moderations", {"input": "x"})):
            response = await client.post(f"/v1/{path}", json=body)
            assert response.status_code == 429
            assert response.headers["retry-after"] == "1"
            assert response.json()["error"]["type"] == "rate_limit_error"
        first.vanish()
        await first.task
        assert (await client.post("/v1/moderations", json={"input": "x"})).status_code == 200
    assert len(orchestrator.turns) == 1
