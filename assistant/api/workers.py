"""Several server processes on one address, under a parent that keeps them running."""

import asyncio
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess

from assistant.api.hosting import configure, settle
from assistant.api.metrics import SHARED_FOLDER
from assistant.errors import CorralError

MakeApp = Callable[[], ASGIApp]

_ASK_AGAIN_SECONDS = 0.1


class WorkerStartError(CorralError):
    """A worker process ended before it served; its own log says why."""

    code = "worker_start_failed"


async def run_workers(
    make_app: MakeApp, workers: int, listener: socket.socket, ready: Callable[[], None]
) -> None:
    """Serve ``make_app``'s application from ``workers`` processes until a signal asks to stop.

    ``make_app`` is pickled and called in each worker: what it carries, keys too, travels
    through a pipe and stands in no argument list or environment. ``ready`` is called once
    all of them serve. A worker that dies is replaced; when this process dies, they end.

    Raises:
        WorkerStartError: a worker could not start.
    """
    config = configure(partial(_in_worker, make_app), factory=True, workers=workers)
    with tempfile.TemporaryDirectory(prefix="corral-metrics-") as folder:
        # The workers inherit it; Prometheus' client reads it when it is imported there.
        os.environ.setdefault(SHARED_FOLDER, folder)
        try:
            with _restored_signals():
                supervisor = _Supervisor(config, [listener], ready)
                await asyncio.to_thread(supervisor.run)
        finally:
            if os.environ[SHARED_FOLDER] == folder:
                del os.environ[SHARED_FOLDER]
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise WorkerStartError("a worker could not start; its messages above say why")


class _Supervisor(Multiprocess):
    """Tells when every worker serves."""

    def __init__(
        self, config: Config, sockets: list[socket.socket], ready: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._ready = ready

    def init_processes(self) -> None:
        super().init_processes()
        for process in self.processes:
            while not process.is_ready(timeout=1):
                self.handle_signals()
                if self.should_exit.is_set() or not process.process.is_alive():
                    return
                time.sleep(_ASK_AGAIN_SECONDS)
        self._ready()


@contextmanager
def _restored_signals() -> Iterator[None]:
    """The supervisor takes signals over and never gives them back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_worker(make_app: MakeApp) -> ASGIApp:
    threading.Thread(target=_follow_parent, daemon=True).start()
    app = make_app()
    settle()
    return app


def _follow_parent() -> None:
    """End as if asked to when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
