"""Many items through the same work: side by side, in several processes if wanted, in order."""

import asyncio
import os
import signal
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any, Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

Work = Callable[[In], Awaitable[Out]]
Opener = Callable[[], AbstractAsyncContextManager[Work[In, Out]]]
"""Makes the work where it is to be done. With several processes it is pickled, and so are the
items and what comes of them."""

BATCH = 64
"""Items that go to another process at once; a smaller share of time is lost on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How much is done at once.

    Attributes:
        jobs: items under way in one process.
        processes: 1 works in this one.
    """

    jobs: int = 8
    processes: int = 1

    def __post_init__(self) -> None:
        if self.jobs < 1 or self.processes < 1:
            raise ValueError("jobs and processes must be at least 1")


async def work_through(
    items: AsyncIterable[In], opener: Opener[In, Out], crew: Crew
) -> AsyncGenerator[tuple[In, Out]]:
    """Every item with what came of it, in the items' order, as soon as it is there.

    No more items are taken than the crew can have under way, so memory stays bounded. Whatever
    the work raises is raised here.
    """
    if crew.processes == 1:
        async with opener() as work, aclosing(_side_by_side(items, work, crew.jobs)) as done:
            async for pair in done:
                yield pair
        return
    pool = ProcessPoolExecutor(
        crew.processes,
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(opener, crew.jobs),
    )
    try:
        loop = asyncio.get_running_loop()

        def ask(batch: list[In]) -> Awaitable[list[Out]]:
            return loop.run_in_executor(pool, _do, batch)

        # One batch more than processes, so that none waits for its next.
        pairs = _side_by_side(_batched(items), ask, crew.processes + 1)
        async with aclosing(pairs) as done_batches:
            async for batch, results in done_batches:
                for pair in zip(batch, results, strict=True):
                    yield pair
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


async def _side_by_side(
    items: AsyncIterable[In], work: Work[In, Out], width: int
) -> AsyncGenerator[tuple[In, Out]]:
    waiting: deque[tuple[In, asyncio.Future[Out]]] = deque()
    try:
        async for item in items:
            waiting.append((item, asyncio.ensure_future(work(item))))
            if len(waiting) >= width:
                first, future = waiting[0]
                result = await future
                waiting.popleft()
                yield first, result
        while waiting:
            first, future = waiting[0]
            result = await future
            waiting.popleft()
            yield first, result
    finally:
        for _, future in waiting:
            future.cancel()
        await asyncio.gather(*(future for _, future in waiting), return_exceptions=True)


async def _batched(items: AsyncIterable[In]) -> AsyncGenerator[list[In]]:
    batch: list[In] = []
    async for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class Bench(Generic[In, Out]):
    """Work opened once and asked batch after batch from synchronous code: one for a process."""

    def __init__(self, opener: Opener[In, Out], jobs: int) -> None:
        self._jobs = jobs
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._work = self._loop.run_until_complete(self._stack.enter_async_context(opener()))

    def do(self, items: list[In]) -> list[Out]:
        return self._loop.run_until_complete(self._do(items))

    def close(self) -> None:
        self._loop.run_until_complete(self._stack.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _do(self, items: list[In]) -> list[Out]:
        pairs = _side_by_side(each(items), self._work, self._jobs)
        async with aclosing(pairs) as done:
            return [result async for _, result in done]


async def each(items: Iterable[In]) -> AsyncGenerator[In]:
    """``items`` as an asynchronous iterator."""
    for item in items:
        yield item


_bench: Bench[Any, Any] | None = None  # a worker process has one, made before its first batch


def _begin(opener: Opener[Any, Any], jobs: int) -> None:
    global _bench  # noqa: PLW0603 - the only way an initializer can hand something to the calls
    # Ctrl-C reaches every process of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    _bench = Bench(opener, jobs)


def _end_with_parent() -> None:
    """End at once when the first process was killed: nobody waits for what is under way."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _do(items: list[Any]) -> list[Any]:
    if _bench is None:
        raise RuntimeError("the worker was not begun")
    return _bench.do(items)
