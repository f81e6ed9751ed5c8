"""Bodies: too large, too slow, too deep, not JSON, not text."""

import asyncio
import json
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.api import body as body_module
from assistant.api.app import build_app
from assistant.api.body import MAX_DEPTH, nests_deeper, parse_object
from assistant.api.failures import ApiError
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant, say
from tests.assistant.api.serving import chat, local_client, serving

CAP = 4096


def app() -> Any:
    return build_app(assistant(ScriptedOrchestrator(say("ok")), max_body_bytes=CAP))


async def post(content: Any, **headers: str) -> httpx.Response:
    named = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with local_client(app()) as client:
        return await client.post("/v1/chat/completions", content=content, headers=named)


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "line 1"),
        (b"{", "line 1 column 2"),
        (b'{"messages": NaN}', "line 1"),
        (b"[]", "must be a JSON object"),
        (b'"hi"', "must be a JSON object"),
        (b"{}" * 2, "line 1"),
        (b'{"a": "\xff"}', "byte 7 is not"),
        (b"\xff\xfe{\x00}\x00", "byte 0 is not"),
        (b'{"a": "\xed\xa0\x80"}', "byte 7 is not"),
        (b"\xef\xbb\xbf{}", "line 1"),
        (b"[" * 3000, "deeper than 64"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b'{"a": 1e999}', "line 1"),
        (b'{"a": ' + b"9" * 3000 + b', "b": "\\ud800"}', "line 1"),
        (b'{"\\ud800": 1}', "body holds half of a surrogate"),
        (b'{"deep": "\\ud800", "x": ' + b"[" * 900 + b"]" * 900 + b"}", "deep holds half"),
    ],
)
async def test_what_is_not_json_is_explained(body: bytes, complaint: str) -> None:
    error = error_of(await post(body), 400)
    assert error["code"] == "invalid_json"
    assert complaint in error["message"]


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "a\\udc00\\ud800"])
async def test_half_a_surrogate_pair_names_its_field(half: str) -> None:
    body = orjson.dumps(chat({"role": "user", "content": [{"type": "text", "text": "@"}]}))
    error = error_of(await post(body.replace(b"@", half.encode())), 400)
    assert error["param"] == "messages[0].content[0].text"
    assert "surrogate" in error["message"]


async def test_a_whole_pair_is_text() -> None:
    body = b'{"messages": [{"role": "user", "content": "\\ud83d\\ude00"}]}'
    assert (await post(body)).status_code == 200


async def test_the_path_to_a_surrogate_quotes_no_content() -> None:
    error = error_of(await post(b'{"SECRET WORD": "\\ud800"}'), 400)
    assert "SECRET" not in json.dumps(error)
    assert error["param"] == "*"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
    ],
)
async def test_only_json_is_taken(content_type: str) -> None:
    response = await post(orjson.dumps(chat()), content_type=content_type)
    assert error_of(response, 415)["param"] == "content-type"


async def test_encodings_are_not_taken() -> None:
    body = orjson.dumps(chat())
    latin = await post(body, content_type="application/json; charset=latin-1")
    assert error_of(latin, 415)["param"] == "content-type"
    packed = await post(body, content_encoding="gzip")
    assert error_of(packed, 415)["param"] == "content-encoding"
    plain = await post(body, content_type='application/json; charset="UTF-8"')
    assert plain.status_code == 200


def padded(size: int) -> bytes:
    """A valid request of exactly ``size`` bytes."""
    frame = orjson.dumps(chat({"role": "user", "content": "@"}))
    return frame.replace(b"@", b"x" * (size - len(frame) + 1))


async def test_the_cap_is_exact() -> None:
    assert (await post(padded(CAP))).status_code == 200
    error = error_of(await post(padded(CAP + 1)), 413)
    assert (error["code"], str(CAP) in error["message"]) == ("body_too_large", True)


async def test_what_arrives_counts_not_what_was_declared() -> None:
    async def pieces() -> Any:
        for _ in range(CAP // 64 + 1):
            yield b" " * 64

    assert error_of(await post(pieces()), 413)
    for declared in ("99999999999999999999999", "1e3", "-1"):
        assert error_of(await post(b"{}", content_length=declared), 413)


@pytest.mark.parametrize("size", [CAP + 1, CAP * 6, CAP * 9, CAP * 200])
async def test_a_sender_of_too_much_sees_why_or_is_cut_off(size: int) -> None:
    async with serving(app()) as address, httpx.AsyncClient() as client:
        try:
            response = await client.post(
                f"{address}/v1/chat/completions",
                content=padded(size),
                headers={"content-type": "application/json"},
            )
        except httpx.TransportError:
            assert size > CAP * body_module.DRAIN_FACTOR
        else:
            assert error_of(response, 413)
            assert response.headers["connection"] == "close"
        assert (await client.get(f"{address}/healthz")).status_code == 200


async def test_a_body_that_never_ends_is_cut_off() -> None:
    async with serving(app()) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"%x\r\n%b\r\n" % (CAP, b" " * CAP)
        with pytest.raises(ConnectionError):
            while True:
                writer.write(chunk)
                await writer.drain()
        writer.close()
        assert reader.at_eof() or reader.exception() is not None or await reader.read()


async def test_a_slow_body_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "READ_SECONDS", 0.01)

    async def slow() -> Any:
        yield b"{"
        await asyncio.get_running_loop().create_future()

    assert error_of(await post(slow()), 408)["code"] == "body_timeout"


async def test_a_slow_sender_of_too_much_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_module, "DRAIN_SECONDS", 0.01)

    async def slow() -> Any:
        yield b" " * CAP
        yield b" "
        await asyncio.get_running_loop().create_future()

    async with asyncio.timeout(10):
        assert error_of(await post(slow()), 413)


Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=3), Json, max_size=3))
def test_every_json_object_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_an_error(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data), dict)
    except ApiError as error:
        status = error.status
    else:
        status = 400
    assert status == 400


def depth(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


@given(Json, st.integers(0, 8))
def test_nesting_is_measured(value: Any, limit: int) -> None:
    assert nests_deeper(value, limit) == (depth(value) > limit)


def test_the_deepest_that_is_taken() -> None:
    assert parse_object(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
