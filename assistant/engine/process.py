"""A program run as a process that cannot outlive us."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

from assistant.engine import keeper
from assistant.errors import EngineStartError

_LAST_WORDS = 20
_LINE_LIMIT = 400
_STOP_DEADLINE = keeper.GRACE + 3.0


class _Output:
    """The reading end of a pipe."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self.reader = reader
        self._transport = transport

    @classmethod
    async def open(cls, descriptor: int) -> Self:
        """Own ``descriptor`` from now on."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(descriptor, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        return cls(reader, transport)

    def close(self) -> None:
        self._transport.close()


class KeptProcess:
    """One run of a program under its :mod:`~assistant.engine.keeper`."""

    def __init__(self, kept: asyncio.subprocess.Process, pid: int, output: _Output) -> None:
        self._kept = kept
        self._lines: deque[str] = deque(maxlen=_LAST_WORDS)
        self._listener = asyncio.create_task(self._listen(output), name="engine output")
        self._ended = asyncio.create_task(self._wait(), name="engine end")
        self.pid = pid

    @classmethod
    async def start(cls, command: tuple[str, ...], environment: dict[str, str]) -> Self:
        # A pipe of our own: asyncio's would keep `wait` waiting for grandchildren that hold it.
        readable, writable = os.pipe()
        try:
            output = await _Output.open(readable)
            kept = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(Path(keeper.__file__)), *command),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=writable,
                start_new_session=True,
            )
        finally:
            os.close(writable)
        assert kept.stdin is not None  # noqa: S101 - asked for above
        assert kept.stdout is not None  # noqa: S101 - asked for above
        try:
            line = await kept.stdout.readline()
            if not line.strip().isdigit():
                said = (await output.reader.read()).decode("utf-8", "replace").strip()
                reason = said.rpartition("\n")[2][:_LINE_LIMIT]
                await kept.wait()
                raise EngineStartError(f"{command[0]} could not be started: {reason}")
        except BaseException:
            kept.stdin.close()  # the keeper ends what it started
            output.close()
            raise
        return cls(kept, int(line), output)

    @property
    def last_words(self) -> str:
        """The last lines it wrote, bounded."""
        return "\n".join(self._lines)

    async def _listen(self, output: _Output) -> None:
        """Drain its output, so that it never blocks on a full pipe."""
        rest = b""
        while chunk := await output.reader.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_LINE_LIMIT:]
            self._lines.extend(
                line[-_LINE_LIMIT:].decode("utf-8", "replace").rstrip() for line in lines
            )
        if rest:
            self._lines.append(rest.decode("utf-8", "replace"))
        output.close()

    async def _wait(self) -> int:
        code = await self._kept.wait()
        if code < 0:  # the keeper itself was killed, so nobody has ended the group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        await self._listener
        return code

    async def ended(self) -> int:
        """Wait for the end; the exit code, 128 + N for signal N."""
        return await asyncio.shield(self._ended)

    async def ended_before(self, other: Coroutine[Any, Any, None]) -> int | None:
        """Run ``other``; the exit code if the program ends first, which cancels ``other``."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(other)
            await asyncio.wait({task, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return None
            task.cancel()
        return self._ended.result()

    async def stop(self) -> None:
        """End the whole process group: asked first, killed if that takes too long."""
        assert self._kept.stdin is not None  # noqa: S101 - asked for in `start`
        self._kept.stdin.close()
        done, _ = await asyncio.wait({self._ended}, timeout=_STOP_DEADLINE)
        if not done:
            with contextlib.suppress(ProcessLookupError):
                self._kept.kill()
            await self.ended()
