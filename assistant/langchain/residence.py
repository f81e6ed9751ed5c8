"""Where an assistant lives, and how code outside of its event loop hears of its turns."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, suppress
from typing import Self, TypeVar

from assistant.events import Event

Begin = Callable[[], AsyncGenerator[Event, None]]
"""Makes the events of one turn; called in the assistant's own loop."""

T = TypeVar("T")

_CLOSED = "the assistant is closed: its event loop does not run any more"


class Residence:
    """The event loop that an assistant was opened in: its connections work in no other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @classmethod
    def here(cls) -> Self:
        """The loop that is running.

        Raises:
            RuntimeError: none is.
        """
        try:
            return cls(asyncio.get_running_loop())
        except RuntimeError:
            raise RuntimeError(
                "no event loop is running here: make the model where the assistant was opened, "
                "or without any loop: with ChatCorral.opened(settings) as model"
            ) from None

    async def events(self, begin: Begin) -> AsyncGenerator[Event, None]:
        """The events of a turn, heard from any loop. Closing it ends the turn's work (I8)."""
        here = asyncio.get_running_loop()
        if here is self._loop:
            async with aclosing(begin()) as events:
                async for own in events:
                    yield own
            return
        heard: asyncio.Queue[Event | None] = asyncio.Queue()
        relay = _Relay(begin, lambda event: here.call_soon_threadsafe(heard.put_nowait, event))
        self._start(relay)
        try:
            while (event := await heard.get()) is not None:
                yield event
            relay.check()
        finally:
            if self._stop(relay):
                while await heard.get() is not None:
                    pass

    def drawn(self, begin: Begin) -> Generator[Event, None, None]:
        """The events of a turn, waited for by a thread. Closing it ends the turn's work (I8).

        Raises:
            RuntimeError: the thread is the one that the assistant's loop runs in.
        """
        if self._runs_here():
            raise RuntimeError(
                "a synchronous call would block the event loop that the assistant lives in; await "
                "ainvoke(), abatch() or astream() instead, or make the call in a thread: "
                "await asyncio.to_thread(...)"
            )
        heard: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        relay = _Relay(begin, heard.put)
        self._start(relay)
        try:
            while (event := heard.get()) is not None:
                yield event
            relay.check()
        finally:
            if self._stop(relay):
                while heard.get() is not None:
                    pass

    def _runs_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _start(self, relay: "_Relay") -> None:
        # A loop that only pauses would keep the caller waiting for good.
        if not self._loop.is_running():
            raise RuntimeError(_CLOSED)
        self._loop.call_soon_threadsafe(relay.start)

    def _stop(self, relay: "_Relay") -> bool:
        """Whether the turn's work is still to end."""
        if relay.ended:
            return False
        try:
            self._loop.call_soon_threadsafe(relay.stop)
        except RuntimeError:  # closed meanwhile, which ended all of its work
            return False
        return True


class _Relay:
    """Runs one turn in the assistant's loop and tells of its events, and of its end by ``None``.

    ``start`` and ``stop`` are called in that loop, in this order; the rest anywhere.
    """

    def __init__(self, begin: Begin, tell: Callable[[Event | None], object]) -> None:
        self._begin = begin
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        return self._task is not None and self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._pass_on())
        self._task.add_done_callback(self._end)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def check(self) -> None:
        """Raise what the turn raised, once it has ended."""
        if self._task is None or self._task.cancelled():
            raise RuntimeError(_CLOSED)
        self._task.result()

    async def _pass_on(self) -> None:
        async with aclosing(self._begin()) as events:
            async for event in events:
                self._tell(event)

    def _end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            # Told to whoever still listens; one that left has no use for it.
            task.exception()
        with suppress(RuntimeError):  # the listener's loop is closed
            self._tell(None)


@contextmanager
def lodged(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[tuple[T, Residence]]:
    """Enter ``opened()`` in an event loop in a thread of its own, and leave it at the end.

    Raises:
        BaseException: whatever entering or leaving raises.
    """
    ready: Future[tuple[T, asyncio.AbstractEventLoop]] = Future()
    ended: Future[None] = Future()
    leave = asyncio.Event()

    async def stay() -> None:
        async with opened() as lodger:
            ready.set_result((lodger, asyncio.get_running_loop()))
            await leave.wait()

    def live() -> None:
        try:
            asyncio.run(stay())
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            (ended if ready.done() else ready).set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=live, name="corral", daemon=True)
    try:
        thread.start()
        lodger, loop = ready.result()
        yield lodger, Residence(loop)
    finally:
        # What is interrupted while it starts is left as soon as it was entered.
        if not ready.cancel() and ready.exception() is None:
            with suppress(RuntimeError):  # the loop ended before: `ended` tells why
                ready.result()[1].call_soon_threadsafe(leave.set)
            thread.join()
    ended.result()
