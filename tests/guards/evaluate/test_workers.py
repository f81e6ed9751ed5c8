"""Many items through the same work."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from guards.evaluate.workers import BATCH, Bench, Crew, each, work_through

ROOT = Path(__file__).parents[3]


class Desk:
    """Work that waits for its turn and remembers how much was under way."""

    def __init__(self) -> None:
        self.under_way = 0
        self.most = 0
        self.opened = 0
        self.closed = 0
        self.cancelled = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
        self.opened += 1
        yield self._double
        self.closed += 1

    async def _double(self, number: int) -> int:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(5 - number % 5):
                await asyncio.sleep(0)
            if number == 13:
                raise ValueError("thirteen")
            if number == 99:
                await asyncio.get_running_loop().create_future()
            return 2 * number
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1


async def test_results_come_in_order_with_a_bounded_number_under_way() -> None:
    desk = Desk()
    numbers = [n for n in range(40) if n != 13]
    done = [pair async for pair in work_through(each(numbers), desk.open, Crew(jobs=4))]
    assert done == [(n, 2 * n) for n in numbers]
    assert desk.most == 4
    assert (desk.opened, desk.closed) == (1, 1)


async def test_no_more_items_are_taken_than_can_be_under_way() -> None:
    taken = 0

    async def endless() -> AsyncIterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield 2

    async with aclosing(work_through(endless(), Desk().open, Crew(jobs=3))) as done:
        async for _ in done:
            break
    assert taken <= 4


async def test_what_the_work_raises_is_raised_and_the_rest_is_cancelled() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="thirteen"):
        async for _ in work_through(each([13, 99, 99]), desk.open, Crew(jobs=3)):
            pass
    assert (desk.cancelled, desk.under_way) == (2, 0)


async def test_an_end_before_the_end_leaves_nothing_running() -> None:
    desk = Desk()
    async with aclosing(work_through(each([1, 99, 99]), desk.open, Crew(jobs=3))) as done:
        async for pair in done:
            assert pair == (1, 2)
            break
    assert (desk.cancelled, desk.under_way) == (2, 0)


@asynccontextmanager
async def squaring() -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    async def square(number: int) -> int:
        if number < 0:
            raise ValueError("negative")
        return number * number

    yield square


async def test_processes_give_the_same_in_the_same_order() -> None:
    numbers = list(range(3 * BATCH + 5))
    done = [pair async for pair in work_through(each(numbers), squaring, Crew(processes=2))]
    assert done == [(n, n * n) for n in numbers]
    with pytest.raises(ValueError, match="negative"):
        async for _ in work_through(each([1, -1]), squaring, Crew(processes=2)):
            pass


def test_a_bench_keeps_its_work_between_batches() -> None:
    desk = Desk()
    bench: Bench[int, int] = Bench(desk.open, jobs=2)
    assert bench.do([1, 2, 3]) == [2, 4, 6]
    assert bench.do([4]) == [8]
    bench.close()
    assert (desk.opened, desk.closed, desk.most) == (1, 1, 2)


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"processes": 0}])
def test_a_crew_of_nobody_is_an_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Crew(**wrong)


@asynccontextmanager
async def hanging() -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    async def hang(number: int) -> int:
        print("working", flush=True)
        await asyncio.get_running_loop().create_future()
        return number

    yield hang


KILLED = """
import asyncio
from guards.evaluate.workers import Crew, each, work_through
from tests.guards.evaluate.test_workers import hanging

async def main():
    async for _ in work_through(each([1]), hanging, Crew(processes=2)):
        pass

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_end_when_the_first_process_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(KILLED)
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"working\n"
        process.kill()
        # The workers hold the other end of the pipe: it ends when the last of them has.
        assert process.stdout.read() == b""
