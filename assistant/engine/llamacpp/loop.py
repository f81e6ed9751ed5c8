"""The thread that runs the batches, and the way there from coroutines."""

import asyncio
import os
import threading
import traceback
from collections.abc import AsyncGenerator
from pathlib import Path

from assistant.engine.llamacpp.job import DecodeError, Drawn, Ended, Item, Job
from assistant.engine.llamacpp.model import Model
from assistant.engine.llamacpp.sampler import Draw, Sampler
from assistant.engine.llamacpp.slots import Slots


class BusyError(RuntimeError):
    """More completions wait than may."""


class BatchLoop:
    """Completions of one model, any number of them at once.

    A completion whose generator is closed leaves the batch before the next step; a step takes as
    long as reading 64 tokens.

    Args:
        window: tokens one conversation may have.
        slots: completions generated side by side.
        cells: tokens the cache holds for all of them.
        queue: completions that may wait for a slot.
    """

    def __init__(
        self, path: Path, *, window: int, slots: int, cells: int, queue: int, threads: int
    ) -> None:
        self.model = Model(path)
        self.window = min(window, self.model.trained_window)
        self._slots = Slots(self.model, slots=slots, cells=max(cells, self.window), threads=threads)
        self._queue = queue
        self._inbox: list[Job] = []
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()
        self.finished = {"stop": 0, "length": 0, "abort": 0, "error": 0}
        self.cached_tokens = 0
        self.generated_tokens = 0

    @property
    def running(self) -> int:
        return self._slots.running

    @property
    def waiting(self) -> int:
        return len(self._slots.waiting) + len(self._inbox)

    def check(self, draw: Draw) -> None:
        """Try out how tokens are to be drawn.

        Raises:
            GrammarError: the grammar does not parse.
        """
        if draw.grammar is not None:
            Sampler(self.model, draw).free()

    async def complete(
        self, tokens: list[int], *, limit: int, draw: Draw, alternatives: int | None
    ) -> AsyncGenerator[Drawn | Ended, None]:
        """Generate up to ``limit`` tokens after the prompt, ending with one :class:`Ended`.

        Raises:
            BusyError: too many wait already.
            DecodeError: llama.cpp gave up.
        """
        if self.waiting >= self._queue:
            raise BusyError("too many completions are waiting")
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[Item] = asyncio.Queue()

        def deliver(item: Item) -> None:
            loop.call_soon_threadsafe(items.put_nowait, item)

        job = Job(tokens=tokens, limit=limit, draw=draw, alternatives=alternatives, deliver=deliver)
        with self._wake:
            self._inbox.append(job)
            self._wake.notify()
        outcome = "abort"
        try:
            while True:
                match await items.get():
                    case Ended() as ended:
                        outcome = ended.ending.value
                        self.cached_tokens += ended.cached_tokens
                        yield ended
                        return
                    case DecodeError() as error:
                        outcome = "error"
                        raise error
                    case Drawn() as drawn:
                        self.generated_tokens += 1
                        yield drawn
        finally:
            self.finished[outcome] += 1
            job.abandoned = True
            with self._wake:
                self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._inbox or self._closing or not self._slots.idle)
                if self._closing:
                    break
                self._slots.waiting.extend(self._inbox)
                self._inbox.clear()
            try:
                self._slots.step()
            except Exception:  # noqa: BLE001 - the edge of the process: better restarted than deaf
                traceback.print_exc()
                os._exit(os.EX_SOFTWARE)
        self._slots.close()

    def close(self) -> None:
        """End the thread; completions under way get nothing more."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
