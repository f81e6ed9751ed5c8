"""Start an engine as its own process on a loopback port, keep it running, end it with us."""

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Callable
from enum import StrEnum
from typing import Self

import aiohttp

from assistant.engine.process import KeptProcess
from assistant.engine.programs import EngineProgram
from assistant.errors import EngineStartError

OnProgress = Callable[[str], None]

_PROBE_DEADLINE = 2.0
_PROBE_PAUSE = 0.1
_PORT_TRIES = 5
_REPORT_EVERY = 5.0


class EngineState(StrEnum):
    """Where a local engine stands."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class _PortTakenError(Exception):
    """Somebody bound the port between our choosing it and the engine's binding it."""


class LocalEngine:
    """An engine of our own, running between ``async with`` and its end.

    It serves the OpenAI API at :attr:`base_url` for callers that present :attr:`api_key`, which
    is random: without it, any page in a browser on this machine could talk to the unguarded
    model. When the engine dies it is started again on the same port, after a pause that doubles
    from ``backoff`` seconds, up to ``restarts`` times in a row; one that stays up for
    ``settled`` seconds earns them anew. When our own process dies, even by SIGKILL, the engine's
    process group is ended by its :mod:`~assistant.engine.keeper`.

    Raises on entering:
        EngineStartError: it ended, or did not answer within the program's deadline; the message
            holds its last lines.
    """

    def __init__(
        self,
        program: EngineProgram,
        *,
        on_progress: OnProgress = lambda _line: None,
        restarts: int = 5,
        backoff: float = 0.5,
        settled: float = 60.0,
        choose_port: Callable[[], int] | None = None,
    ) -> None:
        self._program = program
        self._on_progress = on_progress
        self._restarts = restarts
        self._backoff = backoff
        self._settled = settled
        self._choose_port = choose_port or free_port
        self._port = 0
        self._process: KeptProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._state = EngineState.STOPPED
        self._changed = asyncio.Condition()
        self._failure = ""
        self.api_key = secrets.token_urlsafe(24)

    @property
    def model(self) -> str:
        """The name the engine serves its model under."""
        return self._program.model

    @property
    def base_url(self) -> str:
        """Where the API is, ``http://127.0.0.1:PORT/v1``; the same after a restart."""
        return f"{self._root}/v1"

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def pid(self) -> int | None:
        """The engine's process id, which is also its group's; ``None`` while none runs."""
        return self._process.pid if self._process else None

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self._become(EngineState.STARTING)
        try:
            await self._start_on_free_port()
        except BaseException:
            await self._stop()
            await self._become(EngineState.STOPPED)
            raise
        await self._become(EngineState.READY)
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        await self._stop()
        await self._become(EngineState.STOPPED)

    async def ready(self, deadline: float) -> None:
        """Wait until the engine answers.

        Raises:
            EngineStartError: it has been given up, is stopped, or needs longer than ``deadline``
                seconds.
        """
        await self.until(
            EngineState.READY, EngineState.FAILED, EngineState.STOPPED, deadline=deadline
        )
        if self._state is not EngineState.READY:
            raise EngineStartError(self._failure or f"{self._program.name} is {self._state}")

    async def until(self, *states: EngineState, deadline: float) -> None:
        """Wait for any of ``states``.

        A death is noticed a moment after it happens; until then the state is still the old one.

        Raises:
            EngineStartError: none was reached within ``deadline`` seconds.
        """
        try:
            async with asyncio.timeout(deadline), self._changed:
                await self._changed.wait_for(lambda: self._state in states)
        except TimeoutError:
            raise EngineStartError(
                f"{self._program.name} is still {self._state} after {deadline:.0f} s"
            ) from None

    async def _become(self, state: EngineState) -> None:
        async with self._changed:
            self._state = state
            self._changed.notify_all()

    async def _start_on_free_port(self) -> None:
        for _ in range(_PORT_TRIES):
            self._port = self._choose_port()
            try:
                await self._start()
            except _PortTakenError:
                continue
            return
        raise EngineStartError(
            f"{self._program.name} found its port taken {_PORT_TRIES} times in a row"
        )

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._on_progress(f"starting {self._program.name} with {self.model}")
        self._process = process = await KeptProcess.start(
            self._program.command_on(self._port), self._program.environment_with(self.api_key)
        )
        try:
            async with asyncio.timeout(self._program.start_deadline):
                code = await process.ended_before(self._until_it_answers(began))
        except TimeoutError:
            await self._stop()
            raise EngineStartError(
                f"{self._program.name} did not answer within "
                f"{self._program.start_deadline:.0f} s; it last said:\n{process.last_words}"
            ) from None
        if code is not None:
            if "address already in use" in process.last_words.lower():
                raise _PortTakenError
            raise EngineStartError(
                f"{self._program.name} ended while starting ({_ending(code)}); "
                f"it last said:\n{process.last_words}"
            )
        self._on_progress(f"{self._program.name} is ready after {loop.time() - began:.1f} s")

    async def _until_it_answers(self, began: float) -> None:
        loop = asyncio.get_running_loop()
        reported = began
        headers = {"Authorization": f"Bearer {self.api_key}"}
        timeout = aiohttp.ClientTimeout(total=_PROBE_DEADLINE)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
            while not await self._answers(http):
                await asyncio.sleep(_PROBE_PAUSE)
                if loop.time() - reported >= _REPORT_EVERY:
                    reported = loop.time()
                    self._on_progress(f"waiting for {self._program.name}, {reported - began:.0f} s")

    async def _answers(self, http: aiohttp.ClientSession) -> bool:
        """Whether our own engine serves our model, and not a stranger on the same port."""
        try:
            async with http.get(f"{self.base_url}/models") as response:
                if response.status != 200:
                    return False
                body = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        served = body.get("data") if isinstance(body, dict) else None
        return isinstance(served, list) and any(
            isinstance(model, dict) and model.get("id") == self.model for model in served
        )

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while self._process is not None:
            since = loop.time()
            code = await self._process.ended()
            if loop.time() - since >= self._settled:
                attempt = 0
            # What it said may quote what users said by now: only how it ended is told on.
            self._failure = f"{self._program.name} ended ({_ending(code)})"
            while True:
                if attempt >= self._restarts:
                    self._failure += f"; given up after {attempt} restarts"
                    self._on_progress(self._failure)
                    await self._become(EngineState.FAILED)
                    return
                await self._become(EngineState.RESTARTING)
                self._on_progress(f"{self._failure}; starting it again")
                await asyncio.sleep(self._backoff * 2**attempt)
                attempt += 1
                try:
                    await self._start()
                except _PortTakenError:
                    self._failure = f"{self._program.name} found port {self._port} taken"
                except EngineStartError as error:
                    self._failure = str(error)
                else:
                    break
            await self._become(EngineState.READY)

    async def _stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            await process.stop()


def free_port() -> int:
    """A loopback port that is free now; another program may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ending(code: int) -> str:
    number = -code if code < 0 else code - 128
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"exit code {code}"
