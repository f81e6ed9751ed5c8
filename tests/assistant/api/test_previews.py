"""``/v1/images/previews``: what a client that shows pictures while somebody types has to know."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from assistant.api.app import build_app
from assistant.api.previews import Preview
from guards.conversation import Subject
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant
from tests.assistant.api.serving import RawRequest, local_client
from tests.assistant.studio import Studio, studio
from tests.plugins.images.service import PNG, json_answer

PATH = "/v1/images/previews"


def app(made: Studio | None = None, **more: Any) -> Any:
    stands: dict[str, Any] = {} if made is None else {"broker": made.broker, "guard": made.guard}
    return build_app(assistant(ScriptedOrchestrator(()), **stands, **more))


def typed(prompt: str = "a fox", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "corral": {"session": "s1"}, **more}


async def preview(application: Any, body: dict[str, Any]) -> httpx.Response:
    async with local_client(application) as client:
        response = await client.post(PATH, json=body)
    if response.status_code == 200:
        Preview.model_validate_json(response.content)
    return response


async def test_a_picture_is_shown() -> None:
    async with studio() as made:
        response = await preview(app(made), typed())
    answer = response.json()
    assert answer.pop("log_id")
    image = {"b64_json": base64.b64encode(PNG).decode(), "media_type": "image/png"}
    assert answer == {"status": "shown", "image": image}


async def test_newer_words_supersede_the_older_ones_of_the_same_person_and_place() -> None:
    async with studio() as made:
        application = app(made)
        bodies = [typed("a"), typed("a f"), typed("a fox"), typed("a hen", user="bea")]
        answers = await asyncio.gather(*(preview(application, body) for body in bodies))
        statuses = [answer.json()["status"] for answer in answers]
        assert answers[0].json() == {"status": "superseded"}
        assert statuses == ["superseded", "superseded", "shown", "shown"]
        assert {each["prompt"] for each in made.service.asked} == {"a fox", "a hen"}


async def test_words_that_are_refused_are_told_with_the_policys() -> None:
    async with studio() as made:
        application = app(made)
        response = await preview(application, typed("a BOMB"))
        assert made.service.asked == []
        async with local_client(application) as client:
            counted = (await client.get("/metrics")).text
    answer = response.json()
    assert answer.pop("log_id")
    assert answer.pop("text")
    assert answer == {"status": "declined", "decision": "refuse", "clause": "mass-weapons"}
    assert 'clause="mass-weapons",decision="refuse",subject="user_input"' in counted


async def test_i2_without_a_guard_for_images_the_answer_says_so() -> None:
    async with studio(subjects=frozenset(Subject) - {Subject.IMAGE}) as made:
        answer = (await preview(app(made), typed())).json()
    assert (answer["status"], answer["clause"]) == ("declined", "guard-unavailable")
    assert answer["text"]
    assert "image" not in answer


def code_of(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


async def test_a_service_that_fails_is_an_error_in_our_words() -> None:
    async with studio() as made:
        made.service.reply = json_answer({"error": {"message": "EVIL"}}, 500)
        response = await preview(app(made), typed())
    assert code_of(response) == (502, "image_failed", None)
    assert response.json()["error"]["message"] == "the image service failed; try again later"


async def test_without_the_plugin_the_answer_says_what_to_enable() -> None:
    response = await preview(app(), typed())
    assert code_of(response) == (404, "images_not_enabled", None)
    assert "enable the plugin images" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"corral": {"session": "s"}}, "prompt", "invalid_request"),
        (typed(" \n"), "prompt", "invalid_request"),
        (typed("a" * 2001), "prompt", "invalid_request"),
        (typed("a" * 600), "prompt", "invalid_request"),
        ({"prompt": "a fox"}, "corral", "invalid_request"),
        ({"prompt": "a fox", "corral": {}}, "corral.session", "invalid_request"),
        (typed(corral={"session": "a b"}), "corral.session", "invalid_request"),
        (typed(corral={"session": "s", "audience": "dogs"}), "corral.audience", "invalid_request"),
        (typed(user=""), "user", "invalid_request"),
        (typed(n=2), "n", "unknown_field"),
    ],
)
async def test_a_wrong_field_is_named(body: dict[str, Any], param: str, code: str) -> None:
    response = await preview(app(max_input_chars=500), body)
    assert code_of(response) == (400, code, param)


async def test_a_key_is_needed() -> None:
    keys = {SecretStr("k"): "acme"}
    assert (await preview(app(api_keys=keys), typed())).status_code == 401


async def test_i8_a_client_that_goes_away_ends_its_picture() -> None:
    async with studio() as made:
        made.service.hangs = True
        request = RawRequest(app(made), json.dumps(typed()).encode(), path=PATH)
        async with asyncio.timeout(10):
            await made.service.came.wait()
            request.vanish()
            await request.task
            await made.service.gone.wait()
        assert request.sent == []
        assert made.guard.running == 0


async def test_a_picture_in_the_making_takes_a_place_among_the_turns() -> None:
    async with studio() as made:
        made.service.hangs = True
        application = app(made, max_concurrent_turns=1)
        request = RawRequest(application, json.dumps(typed()).encode(), path=PATH)
        async with asyncio.timeout(10):
            await made.service.came.wait()
            assert code_of(await preview(application, typed(user="bea")))[0] == 429
            request.vanish()
            await request.task
            made.service.hangs = False
            assert (await preview(application, typed(user="bea"))).status_code == 200
