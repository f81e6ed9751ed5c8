"""An event loop on which time passes only when nothing else can happen."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(RuntimeError):
    """Nothing is scheduled and nothing can ever wake the program again."""


class _Selector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the clock there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise DeadlockError("every task waits for something that cannot come")
            if timeout > 0:
                self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Seconds cost nothing and runs repeat exactly: for tests and the simulator.

    Only what the loop itself schedules is virtual; work in threads or other processes is not
    waited for.
    """

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        # A timer is due once the clock has reached it exactly; the default resolution would
        # let it fire a tick early, and two runs differ.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual.now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end on a new :class:`VirtualTimeLoop`.

    Raises:
        DeadlockError: it can never end.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
