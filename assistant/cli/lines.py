"""Lines a person or a pipe types, read without holding up the event loop."""

import asyncio
import codecs
import os
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536


async def lines(prompt: str) -> AsyncGenerator[str, None]:
    """Yield each line without its end, until the input ends.

    On a terminal ``prompt`` is shown and the line can be edited; from a pipe or a file bytes that
    are no UTF-8 come as surrogates, for whoever reads to complain about.

    A daemon thread waits for the input: nothing can interrupt a read, and Ctrl-C must not wait
    for one. It holds no lock of the interpreter's streams, so that ending is always possible.
    """
    read = _typed(prompt) if sys.stdin.isatty() else _piped(sys.stdin.fileno())
    with _terminal_restored():
        while (line := await _next(read)) is not None:
            yield line


def begun() -> str:
    """What a person has typed of the line they are asked for, as far as line editing knows."""
    readline = sys.modules.get("readline")
    return "" if readline is None else str(readline.get_line_buffer())


def _typed(prompt: str) -> Iterator[str]:
    with suppress(ImportError):
        import readline  # noqa: F401 - importing it gives input() editing and history
    while True:
        try:
            yield input(prompt)
        except EOFError:
            return


def _piped(descriptor: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    pending = ""
    while chunk := os.read(descriptor, CHUNK):
        *whole, pending = (pending + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield line.removesuffix("\r")
    pending += decoder.decode(b"", final=True)
    if pending:
        yield pending


async def _next(read: Iterator[str]) -> str | None:
    """The next line, awaited from a thread of its own; ``None`` at the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str | None] = loop.create_future()

    def settle(line: str | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(line)
        else:
            future.set_exception(error)

    def body() -> None:
        line, failure = None, None
        try:
            line = next(read, None)
        except Exception as error:  # noqa: BLE001 - handed to the waiting task as it is
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits for this line any more
            loop.call_soon_threadsafe(settle, line, failure)

    threading.Thread(target=body, name="corral-input", daemon=True).start()
    return await future


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """Line editing changes the terminal; put it back if reading ends in the middle of a line."""
    if not sys.stdin.isatty():
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
