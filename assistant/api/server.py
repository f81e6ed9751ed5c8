"""Runs the application: one process, or several that share an engine and a memory."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from assistant.api.app import LEAVE_SECONDS, build_app, create_app
from assistant.api.hosting import configure, settle
from assistant.api.keys import Keyring
from assistant.api.listener import listen, url
from assistant.api.moderation_app import ServiceLimits, moderation_app
from assistant.api.workers import run_workers
from assistant.audit.moderated import LoggedDecisions
from assistant.bootstrap import Progress, assemble, embed, load_policy, open_moderation
from assistant.settings import Settings

_ASSISTANT = "Corral listens on {0} (described at {0}/docs)"
_MODERATION = "Corral moderates on {0} (POST {0}/v1/moderations and {0}/v1/judge)"


def serve(settings: Settings, workers: int = 1, progress: Progress = print) -> None:
    """Serve until a signal asks to stop, then let running turns finish.

    ``progress`` receives a line at each step, and where it listens.

    Raises:
        SettingsError: the address cannot be had.
        CorralError: a part could not be started.
        PolicyError: the policy has mistakes.
    """
    with contextlib.closing(listen(settings)) as listener:
        if workers == 1:
            _run_alone(
                _assistant_app(settings, progress),
                listener,
                lambda: _announce(settings, listener, progress),
            )
        else:
            asyncio.run(_serve_together(settings, workers, listener, progress))


def serve_moderation(settings: Settings, progress: Progress = print) -> None:
    """Serve moderation, without a model and a memory, until a signal asks to stop.

    Raises:
        SettingsError: the address cannot be had, or a guard is not known.
        CorralError: a part could not be started.
        PolicyError: the policy has mistakes.
    """
    with contextlib.closing(listen(settings)) as listener:
        _run_alone(
            _moderation_app(settings),
            listener,
            lambda: _announce(settings, listener, progress, _MODERATION),
        )


@contextlib.asynccontextmanager
async def _assistant_app(settings: Settings, progress: Progress) -> AsyncIterator[ASGIApp]:
    async with assemble(settings, progress) as assistant:
        yield build_app(assistant)


@contextlib.asynccontextmanager
async def _moderation_app(settings: Settings) -> AsyncIterator[ASGIApp]:
    async with open_moderation(settings) as moderation:
        yield moderation_app(
            moderation.panel,
            moderation.policy,
            recorder=LoggedDecisions(log=moderation.log, entries=moderation.entries),
            keyring=Keyring(settings.api_keys),
            locale=settings.locale,
            limits=ServiceLimits(
                body_bytes=settings.max_body_bytes,
                text_chars=settings.max_input_chars,
                requests=settings.max_concurrent_turns,
            ),
            health_of=moderation.health,
        )


def _run_alone(
    opened: contextlib.AbstractAsyncContextManager[ASGIApp],
    listener: socket.socket,
    ready: Callable[[], None],
) -> None:
    with asyncio.Runner(loop_factory=configure(build_app).get_loop_factory()) as runner:
        runner.run(_serve_alone(opened, listener, ready))


def _announce(
    settings: Settings, listener: socket.socket, progress: Progress, told: str = _ASSISTANT
) -> None:
    """Tell people where requests are served, which, and whose."""
    progress(told.format(url(listener)))
    if not settings.api_keys:
        progress("No API keys are set: only clients on this machine are served.")


class _Server(uvicorn.Server):
    """A server that leaves signals to us and tells when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle()
        self._ready()

    async def cut_off(self) -> None:
        """End what still runs, as after a second Ctrl-C, while its parts are still there."""
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Its own way ends in raising the signal again, which would cut our clean-up short."""
        yield


async def _serve_alone(
    opened: contextlib.AbstractAsyncContextManager[ASGIApp],
    listener: socket.socket,
    ready: Callable[[], None],
) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        async with _stoppable() as stop, opened as app:
            server = _Server(configure(app), ready)
            stop.act = lambda number: server.handle_exit(number, None)
            try:
                await server.serve([listener])
            finally:
                await server.cut_off()


async def _serve_together(
    settings: Settings, workers: int, listener: socket.socket, progress: Progress
) -> None:
    # The workers read it again; its mistakes are told here, once and whole.
    load_policy(settings)
    with contextlib.suppress(asyncio.CancelledError):
        async with _stoppable() as stop, embed(settings, progress) as shared:
            # From here on the workers' supervisor hears signals by itself.
            stop.act = lambda _: None
            await run_workers(
                partial(create_app, shared),
                workers,
                listener,
                lambda: _announce(settings, listener, progress),
            )


@dataclass(slots=True)
class _Stop:
    """What a signal does: at first it cancels the start."""

    act: Callable[[int], None]

    def __call__(self, number: int) -> None:
        self.act(number)


@contextlib.asynccontextmanager
async def _stoppable() -> AsyncIterator[_Stop]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task

    def cancel(_: int) -> None:
        task.cancel()

    stop = _Stop(cancel)
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
