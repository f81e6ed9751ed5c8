"""Questions over HTTP to the whole assistant: asked, restarted, answered, gone on with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.api.app import build_app
from assistant.bootstrap import assemble
from assistant.settings import load_settings
from tests.assistant.api.serving import events, local_client
from tests.assistant.approval.office import DONE, OFFICE, policy_file
from tests.assistant.cli.conftest import make_stage, redis_url, stage
from tests.assistant.cli.stage import Stage, scripted_guard

__all__ = ["make_stage", "redis_url", "stage"]

REPLY = "Blue light scatters most."


@pytest.fixture(autouse=True)
def _office(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del stage
    DONE.clear()
    monkeypatch.setenv("CORRAL_POLICY", str(policy_file(tmp_path)))


@asynccontextmanager
async def running() -> AsyncIterator[httpx.AsyncClient]:
    """A process of the server, as far as anybody can tell."""
    whole = assemble(
        load_settings(), lambda _: None, guards=[scripted_guard()], plugins={"office": OFFICE}
    )
    async with whole as assistant, local_client(build_app(assistant)) as client:
        yield client


def said(text: str, session: str | None = None, **more: Any) -> dict[str, Any]:
    corral = {"session": session} if session else {}
    message = {"role": "user", "content": text}
    return {"messages": [message], "user": "ann", "corral": corral, **more}


async def asked(client: httpx.AsyncClient, text: str, session: str | None = None) -> dict[str, Any]:
    """Ask for something that needs a word; ``corral`` of the answer."""
    response = await client.post("/v1/chat/completions", json=said(text, session))
    assert response.status_code == 200, response.text
    corral: dict[str, Any] = response.json()["corral"]
    assert corral["decision"] == "ask"
    return corral


async def answer(
    client: httpx.AsyncClient, approval: str, decision: str = "approve", **more: Any
) -> httpx.Response:
    return await client.post(f"/v1/approvals/{approval}", json={"decision": decision, **more})


def content(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("session", [None, "s-approved"])
async def test_a_turn_goes_on_after_a_restart(session: str | None) -> None:
    async with running() as client:
        corral = await asked(client, "/mail bob", session)
        assert corral["approval"]["arguments"] == {"to": "bob"}
        assert corral["clause"] == "mails-wait"
    async with running() as client:
        approval = corral["approval"]["id"]
        assert content(await answer(client, approval, user="ann")) == REPLY
        shown = (await client.get(f"/v1/approvals/{approval}")).json()
    assert DONE == ["mail bob"]
    assert (shown["status"], shown["answered_by"], shown["arguments"]) == ("approved", "user", None)


async def test_an_answer_whose_turn_nobody_finished_is_given_again() -> None:
    """The process dies between the answer and the turn."""
    async with running() as client:
        corral = await asked(client, "/mail bob", "s-crashed")
    approval = corral["approval"]["id"]
    whole = assemble(
        load_settings(), lambda _: None, guards=[scripted_guard()], plugins={"office": OFFICE}
    )
    async with whole as assistant:
        await assistant.approvals.answer("local", approval, True, "user")
    assert DONE == []
    async with running() as client:
        assert content(await answer(client, approval)) == REPLY
    assert DONE == ["mail bob"]


async def test_what_was_denied_never_runs() -> None:
    async with running() as client:
        corral = await asked(client, "/mail bob", "s-denied")
        approval = corral["approval"]["id"]
        assert (await answer(client, approval, "deny")).status_code == 200
        assert (await answer(client, approval, "approve")).status_code == 409
    assert DONE == []


async def test_the_rest_of_the_turn_can_be_streamed() -> None:
    async with running() as client:
        corral = await asked(client, "/pay bob")
        response = await answer(client, corral["approval"]["id"], stream=True)
    *chunks, end = events(response.text)
    assert end == "[DONE]"
    told = [c["corral_event"]["type"] for c in chunks if "corral_event" in c]
    assert told == ["tool_started", "tool_finished"]
    texts = [c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]]
    assert "".join(texts) == REPLY
    assert DONE == ["pay bob"]


@pytest.mark.parametrize("session", [None, "s-together"])
async def test_i7_of_answers_at_once_the_call_runs_once(session: str | None) -> None:
    async with running() as client:
        corral = await asked(client, "/mail bob", session)
        approval = corral["approval"]["id"]
        answers = await asyncio.gather(*(answer(client, approval) for _ in range(5)))
    assert DONE == ["mail bob"]
    assert REPLY in [content(each) for each in answers if each.status_code == 200]


async def test_the_message_that_led_to_the_question_is_not_answered_before_it_is() -> None:
    async with running() as client:
        body = said("/mail bob", "s-repeated", user="ann")
        body["corral"]["message_id"] = "m1"
        first, again = [
            (await client.post("/v1/chat/completions", json=body)).json()["corral"]
            for _ in range(2)
        ]
        assert first["approval"] == again["approval"]
        assert again["replayed"] is True
        assert len((await client.get("/v1/approvals?user=ann")).json()["data"]) >= 1
    assert DONE == []
