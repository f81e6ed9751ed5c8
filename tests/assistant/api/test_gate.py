"""Who is let in, with keys and without."""

import logging
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from assistant.api.app import build_app
from assistant.api.gate import is_loopback
from assistant.api.keys import Keyring
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant, say
from tests.assistant.api.serving import RawRequest, chat, local_client

KEYS = {SecretStr("key-of-acme"): "acme", SecretStr("key-of-umbra"): "umbra"}
GUARDED = ("/v1/models", "/v1/models/corral", "/metrics", "/nowhere")
OPEN = ("/healthz", "/readyz", "/docs", "/docs/swagger-ui.css", "/openapi.json")


def with_keys() -> tuple[Any, ScriptedOrchestrator]:
    orchestrator = ScriptedOrchestrator(say("ok"))
    return build_app(assistant(orchestrator, api_keys=KEYS)), orchestrator


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer key-of-acm"},
        {"authorization": "Bearer key-of-acme2"},
        {"authorization": "Basic key-of-acme"},
        {"authorization": "key-of-acme"},
    ],
)
async def test_a_wrong_key_is_turned_away(headers: dict[str, str]) -> None:
    app, orchestrator = with_keys()
    async with local_client(app, client="203.0.113.9", headers=headers) as client:
        for path in GUARDED:
            response = await client.get(path)
            assert response.status_code == 401, path
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert response.json()["error"]["type"] == "authentication_error"
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 401
        assert (await client.post("/v1/moderations", json={"input": "x"})).status_code == 401
    assert orchestrator.turns == []


async def test_two_authorization_headers_are_none() -> None:
    app, orchestrator = with_keys()
    double = ((b"authorization", b"Bearer key-of-acme"), (b"authorization", b"Bearer wrong"))
    request = RawRequest(app, orjson.dumps(chat()), headers=double)
    await request.task
    assert request.status == 401
    assert orchestrator.turns == []


async def test_a_key_decides_the_tenant() -> None:
    app, orchestrator = with_keys()
    async with local_client(app, client="203.0.113.9") as client:
        for key in ("key-of-umbra", "key-of-acme"):
            response = await client.post("/v1/chat/completions", json=chat(), headers=bearer(key))
            assert response.status_code == 200
    assert [turn.key.tenant for turn in orchestrator.turns] == ["umbra", "acme"]


async def test_with_keys_any_host_and_page_may_call() -> None:
    app, _ = with_keys()
    headers = {**bearer("key-of-acme"), "host": "corral.example", "origin": "https://app.example"}
    async with local_client(app, client="203.0.113.9") as client:
        response = await client.get("/v1/models", headers=headers)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


async def test_open_paths_need_no_key() -> None:
    app, _ = with_keys()
    async with local_client(app, client="203.0.113.9") as client:
        for path in OPEN:
            assert (await client.get(path)).status_code == 200, path


async def test_keys_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    app, _ = with_keys()
    with caplog.at_level(logging.DEBUG):
        async with local_client(app) as client:
            await client.get("/v1/models", headers=bearer("key-of-acme"))
            response = await client.get("/v1/models", headers=bearer("guessed-key"))
    assert "guessed-key" not in caplog.text + response.text
    assert "key-of-acme" not in caplog.text + response.text


async def keyless(client: str = "127.0.0.1", **headers: str) -> httpx.Response:
    app = build_app(assistant(ScriptedOrchestrator(say("ok"))))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with local_client(app, client=client) as http:
        return await http.post("/v1/chat/completions", json=chat(), headers=named)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "127.9.9.9"]
)
async def test_without_keys_this_machine_is_served(host: str) -> None:
    assert (await keyless(host=host)).status_code == 200
    assert (await keyless("::1", host=host)).status_code == 200
    assert (await keyless("::ffff:127.0.0.1", host=host)).status_code == 200


@pytest.mark.parametrize("client", ["203.0.113.9", "10.0.0.1", "::2", "::ffff:10.0.0.1", "fe80::1"])
async def test_without_keys_other_machines_are_not(client: str) -> None:
    response = await keyless(client)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "not_local"


@pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
async def test_without_keys_proxies_are_not(name: str) -> None:
    response = await keyless(**{name: "127.0.0.1"})
    assert response.json()["error"]["code"] == "not_local"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "[::1",
        "0",
    ],
)
async def test_without_keys_a_name_that_only_resolves_here_is_not(host: str) -> None:
    response = await keyless(host=host)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "host_not_local"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:8000"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_without_keys_pages_of_others_are_not(headers: dict[str, str]) -> None:
    response = await keyless(**headers)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "cross_site"


async def test_without_keys_our_own_page_is_served() -> None:
    response = await keyless(origin="http://127.0.0.1:8000", sec_fetch_site="same-origin")
    assert response.status_code == 200


async def test_a_client_without_an_address_is_not_local() -> None:
    app = build_app(assistant(ScriptedOrchestrator(say("ok"))))
    request = RawRequest(app, orjson.dumps(chat()), client=None)
    await request.task
    assert request.status == 403


async def test_preflights_get_no_permission() -> None:
    app, _ = with_keys()
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    async with local_client(app) as client:
        response = await client.options("/v1/chat/completions", headers=headers)
    assert response.status_code == 401
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_websockets_are_closed() -> None:
    app, _ = with_keys()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/models", "headers": [], "client": ("127.0.0.1", 1)}
    await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@given(st.text(max_size=40))
def test_no_text_but_the_key_opens(token: str) -> None:
    keyring = Keyring({SecretStr("the-key"): "acme"})
    found = keyring.tenant(f"Bearer {token}".encode())
    assert found == ("acme" if token.encode().strip() == b"the-key" else None)


@given(st.text(max_size=40))
def test_no_text_is_mistaken_for_loopback(address: str) -> None:
    assert not is_loopback(address) or address.startswith(("127.", "::", "0"))
