"""One process of a plugin, and the calls that are under way in it."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from plugins.access import Access, Store
from plugins.errors import (
    PluginEndedError,
    PluginLoadError,
    ToolError,
)
from plugins.isolation import messages, wire
from plugins.isolation.calls import Call, Calls
from plugins.isolation.confinement import Launch
from plugins.isolation.messages import FromCorral, FromPlugin
from plugins.isolation.meter import Meter
from plugins.isolation.relay import Line, Relay
from plugins.isolation.wire import WireError
from plugins.result import Result

ENDED = "the plugin's process ended"

_ABORT_SECONDS = 1.0
_CLOSE_SECONDS = 1.0
_LAST_WORDS_SECONDS = 0.2
_WRITE_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class _Life:
    """What becomes of a process. ``reason`` says why it ended."""

    retiring: bool = False
    closing: bool = False
    reason: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Process:
    """Calls go in side by side; whatever ends the process fails those in it, and only those.

    Made by :meth:`start`, ended by :meth:`close`.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._reader = reader
        self._writer = writer
        self._meter = Meter(loop.time)
        self._line = Line(send=self.send, flush=self._drained)
        self._calls = Calls()
        self._setup: Relay | None = None
        self._greeting: asyncio.Queue[FromPlugin] = asyncio.Queue(maxsize=2)
        self._life = _Life()
        self._pump = asyncio.create_task(self._read())
        self._watch = asyncio.create_task(self._waited())

    @classmethod
    async def start(cls, launch: Launch, start: messages.Start) -> "Process":
        """Start a process and tell it what to import.

        Raises:
            PluginLoadError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *launch.command,
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=launch.environment,
                    cwd="/",
                    start_new_session=True,
                )
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=wire.LARGEST)
        except OSError as error:
            ours.close()
            raise PluginLoadError(
                start.name, f"its process cannot be started: {error.strerror}"
            ) from error
        except BaseException:
            ours.close()  # a process that was started finds nobody there, and ends
            raise
        self = cls(process, reader, writer)
        try:
            self.send(start)
        except WireError as error:
            await self.close()
            raise PluginLoadError(start.name, f"its options cannot be used: {error}") from None
        return self

    @property
    def usable(self) -> bool:
        """Whether it takes calls."""
        life = self._life
        return not (life.retiring or life.closing or life.over.is_set() or life.reason)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self._life.over.is_set()

    @property
    def blameless(self) -> bool:
        """Whether it was ended for no fault of its own."""
        return self._life.closing or self._life.retiring

    @property
    def idle(self) -> bool:
        """Whether no call is in it."""
        return len(self._calls) == 0

    def serve_setup(self, http: httpx.AsyncClient, cache: Store) -> None:
        """What the plugin itself may reach, outside of calls."""
        self._setup = Relay(http=http, store=cache, progress=_unheard, line=self._line)

    async def greeted(self) -> FromPlugin:
        """What it says of itself before it takes calls.

        Raises:
            PluginEndedError: it ended before it said anything.
        """
        waiting = asyncio.create_task(self._greeting.get())
        over = asyncio.create_task(self._life.over.wait())
        try:
            await asyncio.wait((waiting, over), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()
            over.cancel()
        raise PluginEndedError(self._life.reason or ENDED)

    async def call(
        self, tool: str, arguments: Mapping[str, Any], access: Access, secrets: Mapping[str, str]
    ) -> Result:
        """Run a tool in the process.

        Raises:
            ToolError: the tool says that it cannot, or was not begun.
            PluginEndedError: the process ended while the tool ran.
            AccessDeniedError: the tool reached for what it may not.
            PluginError: the tool failed in a way of its own.
        """
        relay = Relay(
            http=access.http,
            store=access.store,
            progress=access.progress,
            line=self._line,
        )
        call = self._calls.new(tool, relay)
        try:
            invoke = messages.Invoke(
                call=call.number,
                tool=tool,
                arguments=dict(arguments),
                secrets=dict(secrets),
                person=messages.Who(
                    pseudonym=access.person.pseudonym,
                    locale=access.person.locale,
                    audience=access.person.audience,
                    tenant=access.person.tenant,
                ),
                now=access.now().isoformat(),
                key=access.key,
                follow_redirects=access.http.follow_redirects,
            )
            body = wire.frame(invoke)
        except (ValueError, WireError):
            raise ToolError(
                "the arguments are too large, or hold characters that are no text"
            ) from None
        if not self.usable:
            raise ToolError(ENDED)
        self._calls.begin(call)
        try:
            self._writer.write(body)
            await self._drained()
            return await call.done
        except asyncio.CancelledError:
            self._give_up(call)
            raise

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            self.kill("the plugin's process does not listen")
        except OSError:
            self.kill(ENDED)

    def send(self, message: FromCorral) -> None:
        """Write a message, unless the process is over."""
        if not self._writer.is_closing():
            self._writer.write(wire.frame(message))

    def kill(self, reason: str) -> None:
        """End the process at once; calls in it fail with ``reason``."""
        if self._life.reason is None:
            self._life.reason = reason
        # The group may be gone already; what is left is reaped by the reader.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if not self._life.over.is_set():
                os.killpg(self._process.pid, signal.SIGKILL)
        self._writer.close()

    async def close(self) -> None:
        """End the process, and wait until nothing of it is left.

        It gets a moment to put its things away.
        """
        self._life.closing = True
        if self._life.reason is None and not self._writer.is_closing():
            with contextlib.suppress(TimeoutError, OSError):
                self._writer.write_eof()
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._life.over.wait()
        self.kill(ENDED)
        await self._life.over.wait()
        await asyncio.gather(self._pump, self._watch, return_exceptions=True)

    def _give_up(self, call: Call) -> None:
        """Ask the process to end a call; one that does not end in time ends the process."""
        stubborn = partial(self.kill, f"{ENDED}: a call did not stop when it was told to")
        if self._calls.give_up(call, _ABORT_SECONDS, stubborn):
            self.send(messages.Abort(call=call.number))

    async def _read(self) -> None:
        try:
            while True:
                size = wire.length(await self._reader.readexactly(wire.HEAD))
                if not self._meter.admits(size):
                    raise WireError("it says more than it may")
                self._handle(wire.from_plugin(await self._reader.readexactly(size)))
        except WireError as error:
            self.kill(f"{ENDED}: {error}")
        except (asyncio.IncompleteReadError, OSError):
            self.kill(ENDED)
        finally:
            await self._buried()

    async def _waited(self) -> None:
        """See that the process has ended even where a child of it holds on to the socket."""
        await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._life.over.wait()
        self.kill(ENDED)

    async def _buried(self) -> None:
        self.kill(ENDED)
        await self._process.wait()
        self._calls.fail(self._life.reason or ENDED)
        if self._setup is not None:
            self._setup.close()
        self._life.over.set()

    def _handle(self, message: FromPlugin) -> None:
        match message:
            case messages.Returned(call=number, result=given):
                self._calls.end(number, given.result())
            case messages.Raised(call=number):
                self._calls.end(number, message)
            case messages.Fetch(call=number, ask=ask) | messages.Keep(call=number, ask=ask):
                relay = self._relay_of(number)
                if relay is None:
                    refused = messages.Refused(ask=ask, error="ToolError", text="the call is over")
                    self.send(refused)
                else:
                    relay.take(message)
            case messages.Told(call=number, text=text):
                relay = self._relay_of(number)
                if relay is not None:
                    relay.tell(text)
            case messages.Retire():
                self._life.retiring = True
            case messages.Hello() | messages.Opened() | messages.Broken():
                if self._greeting.full():
                    raise WireError("it says twice what it is")
                self._greeting.put_nowait(message)

    def _relay_of(self, number: int) -> Relay | None:
        return self._setup if number == messages.SETUP else self._calls.relay(number)


def _unheard(text: str) -> None:
    """Nobody waits for a plugin while no call is under way."""
