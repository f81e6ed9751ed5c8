"""What stays out of logs, errors and later requests, and out of a plugin's hands."""

import logging

import httpx
import pytest

from plugins.errors import AccessDeniedError
from tests.plugins.http.world import Server, answer, client


async def test_no_cookie_is_kept_from_one_request_to_the_next(server: Server) -> None:
    server.pages["/"] = answer(b"", "Set-Cookie: who=anna; Path=/")
    async with client(server) as http:
        assert (await http.get(server.url("/"))).headers["set-cookie"].startswith("who=anna")
        await http.get(server.url("/"))
        assert not http.cookies
    assert b"cookie" not in server.heads[1].lower()


async def test_the_environment_has_no_say(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    server.pages["/"] = answer(b"hello")
    async with client(server) as http:
        assert (await http.get("http://example.com/")).text == "hello"


async def test_neither_logs_nor_errors_hold_what_was_asked(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.pages["/path-word?q=query-word"] = answer(
        b"body-word", "X-Answer: header-word", status=500
    )
    async with client(server) as http:
        response = await http.get(
            server.url("/path-word?q=query-word"), headers={"Authorization": "token-word"}
        )
        with pytest.raises(httpx.HTTPStatusError) as caught:
            response.raise_for_status()
    assert str(caught.value) == "127.0.0.1 answered 500 Because"
    assert caught.value.response is response
    assert any(record.name == "httpx" for record in caplog.records)
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert "word" not in caplog.text
    assert "http://127.0.0.1" in caplog.text


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "BREW"])
async def test_other_methods_are_refused(server: Server, method: str) -> None:
    async with client(server) as http:
        with pytest.raises(AccessDeniedError, match=method):
            await http.request(method, server.url("/"))
    assert server.heads == []


async def test_the_raw_connection_is_out_of_reach(server: Server) -> None:
    server.pages["/"] = answer(b"hello")
    async with client(server) as http:
        response = await http.get(server.url("/"))
    assert set(response.extensions) == {"http_version", "reason_phrase"}
