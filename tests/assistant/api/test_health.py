"""Is it alive, is it ready, and what is served."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from assistant.api import readiness as readiness_module
from assistant.api.answers import Alive, Error, Model, ModelList, Ready
from assistant.api.app import build_app
from assistant.api.readiness import Readiness
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant
from tests.assistant.api.serving import local_client

WELL = {"engine": "ok", "memory": "ok", "log": "ok", "guards": "ok"}


async def get(path: str, **more: Any) -> Any:
    app = build_app(assistant(ScriptedOrchestrator(()), **more))
    async with local_client(app) as client:
        return await client.get(path)


async def test_alive_whatever_the_parts_say() -> None:
    response = await get("/healthz", health={"engine": "no replica answers"})
    assert response.status_code == 200
    Alive.model_validate_json(response.content)


async def test_ready_when_every_part_is() -> None:
    response = await get("/readyz")
    assert response.status_code == 200
    assert Ready.model_validate_json(response.content).parts == WELL


@pytest.mark.parametrize("part", sorted(WELL))
async def test_not_ready_when_one_part_is_not(part: str) -> None:
    response = await get("/readyz", health={part: "what is wrong"})
    assert response.status_code == 503
    body = Ready.model_validate_json(response.content)
    assert body.status == "unavailable"
    assert body.parts == WELL | {part: "what is wrong"}


async def test_reasons_are_for_those_with_a_key() -> None:
    keys = {SecretStr("k"): "acme"}
    app = build_app(
        assistant(ScriptedOrchestrator(()), health={"engine": "http://10.0.0.1"}, api_keys=keys)
    )
    async with local_client(app) as client:
        shy = await client.get("/readyz")
        frank = await client.get("/readyz", headers={"authorization": "Bearer k"})
    assert (shy.status_code, frank.status_code) == (503, 503)
    assert shy.json()["parts"]["engine"] == "unavailable"
    assert frank.json()["parts"]["engine"] == "http://10.0.0.1"


async def test_the_parts_are_asked_once_for_many() -> None:
    asked = 0

    async def health() -> dict[str, str]:
        nonlocal asked
        asked += 1
        return WELL

    readiness = Readiness(health)
    answers = await asyncio.gather(*(readiness.parts() for _ in range(20)))
    assert (asked, answers[-1]) == (1, WELL)


async def test_parts_that_hang_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "HEALTH_SECONDS", 0.01)

    async def health() -> dict[str, str]:
        await asyncio.get_running_loop().create_future()
        return WELL

    parts = await Readiness(health).parts()
    assert parts["assistant"] != "ok"


async def test_models() -> None:
    listed = ModelList.model_validate_json((await get("/v1/models")).content)
    assert [model.id for model in listed.data] == ["tiny-llama"]
    for name in ("tiny-llama", "corral"):
        assert Model.model_validate_json((await get(f"/v1/models/{name}")).content)
    missing = await get("/v1/models/other/model")
    assert missing.status_code == 404
    assert Error.model_validate_json(missing.content).error.code == "model_not_found"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nope", 404, "not_found"),
        ("/v1/moderations", 405, "method_not_allowed"),
        ("/docs/x", 404, "not_found"),
    ],
)
async def test_wrong_paths_and_methods(path: str, status: int, code: str) -> None:
    response = await get(path)
    assert response.status_code == status
    assert Error.model_validate_json(response.content).error.code == code
    if status == 405:
        assert response.headers["allow"] == "POST"
