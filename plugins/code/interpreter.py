"""Programs run one by one in a sandbox that has no files, no network and no memory of others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from plugins.code.program import Program
from plugins.errors import PluginLoadError, ToolError

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, MontyError

VALUE_CHARS = 4_000
PRINTED_CHARS = 8_000
FLOOD_CHARS = 40 * PRINTED_CHARS
"""Characters after which a program that only prints is stopped."""

MESSAGE_CHARS = 500
_DEPTH = 200
_RUNS_PER_PROCESS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a program.

    Attributes:
        printed: what it printed, at most :data:`PRINTED_CHARS` characters.
        cut: whether it printed more.
        value: what its last expression looks like, at most :data:`VALUE_CHARS` characters;
            empty without one.
        problem: why it did not come to its end, in one line; empty when it did.
    """

    printed: str = ""
    cut: bool = False
    value: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """Runs programs in a pool of sandboxed processes.

    Attributes:
        pool: the processes; each program finds a fresh interpreter in one of them.
        seconds: time of one program.
        memory_bytes: memory of one program.
    """

    pool: "AsyncMonty"
    seconds: float
    memory_bytes: int

    async def run(self, program: Program) -> Ran:
        """Run to the end, or to a limit.

        Raises:
            ToolError: no process became free in time.
        """
        from pydantic_monty import MontyError

        printed = _Printed()
        problem, value = "", None
        try:
            async with asyncio.timeout(None) as flood:
                printed.stop_at_flood(flood)
                value = await self._fed(program, printed)
        except MontyError as error:
            problem = _problem(error)
        except TimeoutError:
            if not printed.flooded:
                raise ToolError("all sandboxes are busy; try again in a moment") from None
            problem = "stopped: printed too much"
        return Ran(
            printed=printed.text,
            cut=printed.cut,
            value=value if isinstance(value, str) else "",
            problem=problem,
        )

    async def _fed(self, program: Program, printed: "_Printed") -> object:
        session = self.pool.checkout(
            script_name="program.py",
            limits={
                "max_feed_duration_secs": self.seconds,
                "max_memory": self.memory_bytes,
                "max_recursion_depth": _DEPTH,
                "max_suspensions": 1000,
            },
            os_policy={"sleep": "zero"},
        )
        async with session as fresh:
            fed: object = await fresh.feed_run(program.source, print_callback=printed.take)
            return fed


@asynccontextmanager
async def open_interpreter(
    *, seconds: float, memory_bytes: int, processes: int, patience: float
) -> AsyncIterator[Interpreter]:
    """An interpreter whose processes live as long as the context.

    ``patience`` is how many seconds a program waits for a free process.

    Raises:
        PluginLoadError: the sandbox is not installed.
    """
    try:
        from pydantic_monty import AsyncMonty
    except ImportError:
        raise PluginLoadError(
            "code", "needs the sandbox: install corral with the extra 'sandbox'"
        ) from None
    pool = AsyncMonty(
        min_processes=1,
        max_processes=processes,
        checkout_timeout=patience,
        request_timeout=seconds + 2,
        max_checkouts_per_worker=_RUNS_PER_PROCESS,
    )
    async with pool:
        yield Interpreter(pool=pool, seconds=seconds, memory_bytes=memory_bytes)


class _Printed:
    """The beginning of what a program prints. Called from whatever thread reads it."""

    def __init__(self) -> None:
        self.text = ""
        self.cut = False
        self.flooded = False
        self._seen = 0
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.Timeout | None = None

    def stop_at_flood(self, deadline: asyncio.Timeout) -> None:
        """End what ``deadline`` is around when there is no end to the printing."""
        self._deadline = deadline

    def take(self, _stream: Literal["stdout", "stderr"], text: str) -> None:
        """Keep what fits."""
        self._seen += len(text)
        room = PRINTED_CHARS - len(self.text)
        self.text += text[:room]
        self.cut = self.cut or len(text) > room
        if self._seen > FLOOD_CHARS and not self.flooded and self._deadline is not None:
            self.flooded = True
            self._loop.call_soon_threadsafe(self._deadline.reschedule, self._loop.time())


def _problem(error: "MontyError") -> str:
    """``ValueError: message (line 3)``."""
    from pydantic_monty import MontyCrashedError, MontyRuntimeError, MontySyntaxError

    if isinstance(error, MontyCrashedError):
        return "stopped: the sandbox ended"
    if not isinstance(error, MontyRuntimeError | MontySyntaxError):
        return "stopped: the sandbox refused it"
    words = error.display("type-msg")
    if words.startswith("TimeoutError: feed time limit"):
        return "stopped: took too long"
    if words.startswith("MemoryError: "):
        return "stopped: needed too much memory"
    if len(words) > MESSAGE_CHARS:
        words = f"{words[:MESSAGE_CHARS]}…"
    frames = error.traceback()
    return f"{words} (line {frames[-1].line})" if frames else words
