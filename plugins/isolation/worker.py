"""The other side: the program that a plugin's process runs.

It is told over one socket what to import, and has nothing else: no secrets in its environment, no
network of its own, no output that anybody reads.
"""

import asyncio
import importlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plugins.errors import AccessDeniedError, ToolError
from plugins.isolation import messages, wire
from plugins.isolation.channel import Channel, access_of, setup_means
from plugins.isolation.messages import Fault
from plugins.isolation.rlimits import address_space, bound_memory, confine
from plugins.isolation.wire import WireError
from plugins.manifest import Manifest
from plugins.plugin import Plugin, Setup
from plugins.result import Result
from plugins.tool import Tool

_IMPORT_BYTES = 2 * 1024 * 1024 * 1024


class BrokenError(Exception):
    """The plugin cannot be used; the message is for the operator."""


def main() -> None:
    """Serve one plugin until Corral hangs up; never returns."""
    channel = _taken_over()
    start = wire.from_corral(_first_frame(channel))
    if not isinstance(start, messages.Start):
        os._exit(2)
    base = address_space()
    confine(cpu_seconds=start.cpu_seconds, processes=start.processes)
    if base is not None:
        bound_memory(base + _IMPORT_BYTES)
    asyncio.run(_serve(channel, start, base))
    os._exit(0)  # whatever threads the plugin has left behind


def _taken_over() -> socket.socket:
    """The socket that came as standard input; a plugin that reads or prints finds nothing there."""
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    return channel


def _first_frame(channel: socket.socket) -> bytes:
    channel.setblocking(True)
    with channel.makefile("rb", buffering=0) as file:
        return _exactly(file, wire.length(_exactly(file, wire.HEAD)))


def _exactly(file: Any, size: int) -> bytes:
    read = b""
    while len(read) < size:
        piece = file.read(size - len(read))
        if not piece:
            os._exit(0)
        read += piece
    return read


async def _serve(sock: socket.socket, start: messages.Start, base: int | None) -> None:
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock, limit=wire.LARGEST)
    channel = Channel(reader, writer)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGXCPU, channel.say, messages.Retire())
    pump = asyncio.create_task(channel.pump())
    work = asyncio.create_task(_work(channel, start, base))
    await asyncio.wait((pump, work), return_when=asyncio.FIRST_COMPLETED)
    # Corral has hung up, or the plugin is broken; either way it may still put its things away.
    work.cancel()
    await asyncio.wait((work,))
    await channel.flush()


async def _work(channel: Channel, start: messages.Start, base: int | None) -> None:
    try:
        plugin, options, manifest = _imported(start)
        channel.say(messages.Hello(manifest=manifest))
        given = await channel.inbox.get()
        if not isinstance(given, messages.Open):
            return
        if base is not None:
            bound_memory(base + given.memory_bytes)
        async with _opened(channel, plugin, options, given, Path(start.folder)) as tools:
            channel.say(messages.Opened(tools=tuple(messages.Terms.of(tool) for tool in tools)))
            await _calls(channel, {tool.name: tool for tool in tools})
    except BrokenError as error:
        channel.say(messages.Broken(reason=_told(error)))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - the process edge: what a plugin raises is told
        channel.say(messages.Broken(reason=_told(BrokenError(f"cannot be opened: {_told(error)}"))))


def _imported(start: messages.Start) -> tuple[Plugin, Any, Manifest]:
    module, _, name = start.entry.partition(":")
    try:
        plugin = getattr(importlib.import_module(module), name)
    except BaseException as error:
        raise BrokenError(f"{start.entry} cannot be imported: {_told(error)}") from error
    if not isinstance(plugin, Plugin):
        raise BrokenError(f"{start.entry} is not a plugins.plugin.Plugin")
    try:
        options = plugin.options.model_validate(start.options)
        manifest = plugin.manifest if plugin.refine is None else plugin.refine(options)
    except ValidationError as error:
        from plugins.registry import mistakes_of  # only then: it loads much that calls do not need

        raise BrokenError(f"options: {mistakes_of(error)}") from None
    return plugin, options, manifest


@asynccontextmanager
async def _opened(
    channel: Channel, plugin: Plugin, options: Any, given: messages.Open, folder: Path
) -> AsyncIterator[Sequence[Tool]]:
    if plugin.open is None:
        yield plugin.tools
        return
    http, cache = setup_means(channel, given)
    setup = Setup(options=options, secrets=given.secrets, http=http, cache=cache, folder=folder)
    async with plugin.open(setup) as tools:
        yield tools


async def _calls(channel: Channel, tools: dict[str, Tool]) -> None:
    running: dict[int, asyncio.Task[None]] = {}
    while True:
        match await channel.inbox.get():
            case messages.Invoke(call=call) as invoke:
                task = asyncio.create_task(_run(channel, tools[invoke.tool], invoke))
                running[call] = task
                task.add_done_callback(partial(_forget, running, call))
            case messages.Abort(call=call):
                if call in running:
                    running[call].cancel()
            case _:
                return  # Corral says nothing else to an open plugin


def _forget(running: dict[int, asyncio.Task[None]], call: int, _: asyncio.Task[None]) -> None:
    del running[call]


async def _run(channel: Channel, tool: Tool, invoke: messages.Invoke) -> None:
    access = access_of(channel, invoke)
    try:
        result = await tool.run(invoke.arguments, access)
        if not isinstance(result, Result):
            raise TypeError("a tool gives a Result")
        given = messages.Given.of(result)
    except BaseException as error:  # noqa: BLE001 - the process edge: all of it is told, none passes
        channel.say(_raised(invoke.call, error))
        return
    try:
        channel.say(messages.Returned(call=invoke.call, result=given))
    except WireError:
        channel.say(messages.Raised(call=invoke.call, fault="output"))


def _raised(call: int, error: BaseException) -> messages.Raised:
    fault: Fault = "crash"
    text = type(error).__name__
    match error:
        case asyncio.CancelledError():
            fault = "cancelled"
        case ToolError():
            fault, text = "tool", _text(str(error))
        case AccessDeniedError():
            fault, text = "access", _text(str(error))
        case _:
            pass
    return messages.Raised(call=call, fault=fault, text=text)


def _told(error: BaseException) -> str:
    return _text(
        str(error) if isinstance(error, BrokenError) else f"{type(error).__name__}: {error}"
    )


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:4000]
