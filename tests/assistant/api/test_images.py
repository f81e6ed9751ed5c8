"""Images in a chat request: nothing but a judged image reaches the model."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from assistant.api.app import build_app
from assistant.testing.scripted_engine import say
from assistant.testing.scripted_guard import ScriptedGuard
from assistant.testing.scripted_replies import Timing, standard_replies
from assistant.testing.scripted_upstream import scripted_upstream
from guards.conversation import Subject
from guards.image.guard import NsfwGuard
from tests.assistant.api.processes import serving
from tests.assistant.api.scripted import assistant
from tests.assistant.api.serving import chat, local_client
from tests.assistant.bench import Bench
from tests.guards.image.pictures import drawing, landscape, url_of
from tests.guards.image.test_guard import Redness

TEXT = frozenset(Subject) - {Subject.IMAGE}


def showing(*urls: str) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}


async def answer(client: httpx.AsyncClient, *urls: str, **more: Any) -> dict[str, Any]:
    body = chat(showing(*urls), **more)
    response = await client.post("/v1/chat/completions", json=body, timeout=60)
    assert response.status_code == 200, response.text
    choice = response.json()["choices"][0]
    return {"reason": choice["finish_reason"], **response.json()["corral"]}


@pytest.mark.parametrize("seated", [False, True])
async def test_an_upload_needs_a_guard_that_sees(tmp_path: Path, seated: bool) -> None:
    names = ["embedded", "nsfw_image"] if seated else ["embedded"]
    async with (
        scripted_upstream(standard_replies(Timing())) as upstream,
        serving(tmp_path, upstream, CORRAL_GUARDS=json.dumps(names)) as running,
        httpx.AsyncClient(base_url=running.address) as client,
    ):
        shown = await answer(client, url_of(landscape(), "JPEG"))
        if not seated:
            assert (shown["reason"], shown["clause"]) == ("content_filter", "guard-unavailable")
            return
        assert (shown["reason"], shown["decision"]) == ("stop", "allow")
        damaged = url_of(drawing())[:400]
        broken = await answer(client, url_of(drawing()), damaged)
        assert (broken["reason"], broken["clause"]) == ("content_filter", "guard-unavailable")


async def test_what_the_guard_finds_is_decided_by_the_policy() -> None:
    text = ScriptedGuard(subjects=TEXT)
    bench = Bench(
        say("A square."), guards=[text, NsfwGuard(Redness())], subjects=frozenset(Subject)
    )
    app = build_app(assistant(bench.orchestrator, guard=text, log=bench.log))
    async with local_client(app) as client:
        red = url_of(Image.new("RGB", (64, 64), "red"))
        pink = url_of(Image.new("RGB", (64, 64), (255, 140, 140)))
        white = url_of(Image.new("RGB", (64, 64), "white"))
        assert (await answer(client, white))["decision"] == "allow"
        assert (await answer(client, white, red))["clause"] == "explicit-content"
        # What may be shown where age is unknown may not be shown to a minor.
        assert (await answer(client, pink))["decision"] == "allow"
        minor = await answer(client, pink, corral={"audience": "minor"})
        assert minor["clause"] == "sexual-content-minors"
