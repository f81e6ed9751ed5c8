"""The command line's stage, and a server on it."""

from collections.abc import Iterator

import pytest

from tests.assistant.cli.conftest import make_stage, redis_url, stage
from tests.assistant.cli.serving import serve
from tests.assistant.cli.stage import Stage

__all__ = ["make_stage", "redis_url", "server_url", "stage"]


@pytest.fixture
def server_url(stage: Stage) -> Iterator[str]:
    """Where ``corral serve`` listens."""
    with serve(stage) as (url, _):
        yield url
