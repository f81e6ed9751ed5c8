"""The simulator's event loop: virtual time, steps that can be counted, tasks that have an owner."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

from assistant.testing.virtual_time import VirtualTimeLoop

T = TypeVar("T")

OWNED: ContextVar[list["SimTask"] | None] = ContextVar("OWNED", default=None)
"""Where tasks that are started in this context, and in those it starts, are listed."""


class SimTask(asyncio.Task[Any]):
    """A task whose place in a set is the same in every run.

    asyncio keeps tasks in sets and walks them, when a group is cancelled for one; by address,
    which is how tasks are hashed otherwise, two runs of one seed would differ.
    """

    _made = 0
    work: str
    """Name of the coroutine it runs."""

    def __init__(self, coro: Coroutine[Any, Any, Any], **arguments: Any) -> None:
        SimTask._made += 1
        self._number = SimTask._made
        self.work = str(getattr(coro, "__qualname__", "?"))
        super().__init__(coro, **arguments)

    def __hash__(self) -> int:
        return self._number


class SimLoop(VirtualTimeLoop):
    """Virtual time that can also jump, and a call after the n-th step from now.

    ``complaints`` holds what asyncio's own exception handler was told: exceptions nobody
    retrieved, generators that were not closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.complaints: list[str] = []
        self._due: dict[int, list[Callable[[], None]]] = {}
        self.set_task_factory(_make)  # type: ignore[arg-type] # typeshed wants generators too
        self.set_exception_handler(self._complain)

    @property
    def generators(self) -> int:
        """How many async generators were begun and neither ended nor closed."""
        begun = self._asyncgens  # type: ignore[attr-defined] # asyncio has no public name
        return sum(generator.ag_frame is not None for generator in begun)

    def after_steps(self, count: int, call: Callable[[], None]) -> None:
        """Run ``call`` between two steps, ``count`` (at least 1) steps from now."""
        self._due.setdefault(self.steps + count, []).append(call)

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing could run, as when a process is stopped and goes on."""
        self._virtual.now += seconds

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc] # asyncio's own step has no public name
        self.steps += 1
        if self._due:
            for call in self._due.pop(self.steps, ()):
                call()

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.complaints.append(f"{context['message']}: {type(error).__name__}")


def _make(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any],
    context: Context | None = None,
) -> SimTask:
    task = SimTask(coro, loop=loop, context=context)
    owned = OWNED.get()
    if owned is not None:
        owned.append(task)
    return task


def run_simulated(main: Callable[[SimLoop], Coroutine[Any, Any, T]]) -> T:
    """Run ``main`` to its end on a new loop.

    Raises:
        DeadlockError: it can never end.
    """
    SimTask._made = 0
    # Not an asyncio.Runner: it sets a signal handler by way of a repr of everything there is.
    loop = SimLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
