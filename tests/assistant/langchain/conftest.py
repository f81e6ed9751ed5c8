"""A bench in a loop of its own, as a program without one has it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from assistant.langchain.residence import Residence, lodged
from assistant.testing.scripted_guard import ScriptedGuard, flag
from tests.assistant.bench import JUDGED, MARKED, Bench
from tests.assistant.langchain.scripted import obliging


@asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    bench = Bench(obliging, guards=[ScriptedGuard(answer=flag(MARKED), subjects=JUDGED)])
    yield bench
    bench.assert_idle()


@pytest.fixture
def lodging() -> Iterator[tuple[Bench, Residence]]:
    """An obliging bench that lives in a thread; nothing may be left running in it (I8)."""
    with lodged(_bench) as lodged_bench:
        yield lodged_bench


@pytest.fixture
def benchmark() -> Callable[[Callable[[], Any]], Any]:
    """Runs what is to be measured once; the figures are no concern of these tests."""
    return lambda work: work()
