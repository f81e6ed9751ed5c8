"""A real vLLM server for the suite; without one (plain ``make test``) its tests are deselected."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from assistant.engine.client import OpenAIEngine
from assistant.engine.launcher import LocalEngine
from assistant.engine.programs import vllm
from assistant.errors import EngineStartError
from guards.upstream import Upstream, Upstreams, open_upstreams
from tests.live.environment import say
from tests.live.metrics import Metrics

MODEL = "smollm2-135m"
WINDOW = 2048

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    if "LIVE_VLLM_PYTHON" not in os.environ:
        config.hook.pytest_deselected(items=mine)
        items[:] = [item for item in items if item not in mine]
        return
    for item in mine:
        item.add_marker(pytest.mark.live)
        # One server, and one loop that watches it, for the whole suite.
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncGenerator[LocalEngine]:
    """vLLM as Corral itself would start and supervise it."""
    program = vllm(
        Path(os.environ["LIVE_WEIGHTS"]),
        model=MODEL,
        window=WINDOW,
        python=os.environ["LIVE_VLLM_PYTHON"],
        arguments=(
            *("--dtype", "bfloat16"),
            "--enforce-eager",  # without: 10 tokens a second more, a minute longer to start
            *("--enable-auto-tool-choice", "--tool-call-parser", "pythonic"),
            # Between two tokens of JSON so small a model writes newlines for ever.
            *(
                "--structured-outputs-config",
                '{"backend": "xgrammar", "disable_any_whitespace": true}',
            ),
        ),
    )
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    engine = LocalEngine(program, on_progress=say)
    try:
        await engine.__aenter__()
    except EngineStartError as error:
        pytest.exit(f"no server, so nothing can be tested: {error}", returncode=1)
    yield engine
    await engine.__aexit__()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstreams() -> AsyncGenerator[Upstreams]:
    async with open_upstreams() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstream(server: LocalEngine, upstreams: Upstreams) -> Upstream:
    return upstreams.at(server.base_url, api_key=server.api_key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(upstream: Upstream) -> OpenAIEngine:
    """Corral's own client of that server."""
    return OpenAIEngine(
        upstream,
        model=MODEL,
        first_token_timeout=60.0,
        token_timeout=30.0,
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def metrics(server: LocalEngine) -> AsyncGenerator[Metrics]:
    """What the server counts about itself."""
    async with Metrics(server) as read:
        yield read
