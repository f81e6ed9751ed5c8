"""The processes that take pages apart, from their owner's side."""

import asyncio
import json
import os
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from typing import Any, Self

from plugins.errors import ToolError
from plugins.pages.page import PageLimits

_LENGTHS = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
_ANSWER_BYTES = 16 * 1024 * 1024


class PageParser:
    """Asks worker processes (:mod:`plugins.pages.worker`), each for one page at a time.

    A process is started when first needed and kept; one that does not answer in time, answers
    nonsense or ends is replaced. It inherits no environment.
    """

    def __init__(self, limits: PageLimits) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.parsers)
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    @property
    def processes(self) -> int:
        """How many are running."""
        return len(self._all)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._idle.clear()
        while self._all:
            await self._stop(next(iter(self._all)))

    async def ask(self, question: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        """The worker's answer to ``question`` about ``body``.

        Raises:
            ToolError: it has none: the page takes too long, or cannot be read.
        """
        async with self._turns:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(self._limits.parse_seconds):
                    answer = await _exchange(process, question, body)
            except TimeoutError:
                await self._stop(process)
                raise ToolError("the page takes too long to read; try another source") from None
            except (asyncio.IncompleteReadError, ConnectionError, ValueError):
                await self._stop(process)
                raise ToolError("the page cannot be read; try another source") from None
            except BaseException:
                await self._stop(process)
                raise
            self._idle.append(process)
        if "error" in answer:
            raise ToolError("the page cannot be read; try another source")
        return answer

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-B",
            "-m",
            "plugins.pages.worker",
            str(self._limits.parse_memory_bytes),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "LANG": "C.UTF-8"},
        )
        self._all.add(process)
        return process

    async def _stop(self, process: Process) -> None:
        self._all.discard(process)
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _exchange(process: Process, question: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise ValueError("a worker without pipes")
    packed = json.dumps(question).encode()
    process.stdin.write(_LENGTHS.pack(len(packed), len(body)) + packed + body)
    await process.stdin.drain()
    (size,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
    if size > _ANSWER_BYTES:
        raise ValueError("an answer beyond all measure")
    answer = json.loads(await process.stdout.readexactly(size))
    if not isinstance(answer, dict):
        raise ValueError("an answer that is no object")  # noqa: TRY004 - a value from outside
    return answer
