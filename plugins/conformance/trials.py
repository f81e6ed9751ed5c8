"""Calls a plugin's tools in every way there is, and notes what comes of it."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from plugins.conformance.arguments import INJECTION, hostile, plain
from plugins.conformance.script import Script
from plugins.conformance.watch import Sight, watching
from plugins.errors import AccessDeniedError, ToolError
from plugins.result import Result
from plugins.schemas import Arguments, InvalidArgumentsError
from plugins.testing import Answer, FakeBroker
from plugins.tool import Tool

LONGEST = 5.0
"""Seconds of one trial, where the plugin's own limit is not lower."""

_LAST_WORD = 1.0
_LARGE = "0123456789abcdef" * (256 * 1024)


class Kind(StrEnum):
    """What a trial tries."""

    EXAMPLE = "example"
    PLAIN = "plain"
    HOSTILE = "hostile"
    INJECTED = "injected"
    FAILING = "failing"
    LARGE = "large"
    HANGING = "hanging"


class Ending(StrEnum):
    """How a trial ended."""

    RESULT = "result"
    REJECTED = "rejected"
    """The schema did not let the arguments through."""
    TOLD = "told"
    """The tool said in its own words that it cannot."""
    DENIED = "denied"
    """It reached for a host that it may not, and let that pass."""
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    STUCK = "stuck"
    """It did not end when it was told to."""
    MALFORMED = "malformed"
    """It returned what is no result."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """One call and what came of it.

    Attributes:
        label: what was special about it, in words.
        result: of :attr:`Ending.RESULT`.
        error: class and text of what was raised.
        requests: what was sent to the hosts of the manifest; ``denied`` to others.
        writes: keys that were put or deleted in the store.
        progress: words for the user.
    """

    tool: Tool
    kind: Kind
    label: str
    ending: Ending = Ending.RESULT
    result: Result | None = None
    error: str = ""
    requests: list[httpx.Request] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    sight: Sight = field(default_factory=Sight)

    def __str__(self) -> str:
        return f"{self.tool.name} ({self.label})"


def canaries(names: Iterator[str] | tuple[str, ...]) -> dict[str, str]:
    """A value for each secret that is found again wherever it turns up."""
    return {name: f"canary-{name.lower()}-5e1f0c77a2" for name in names}


def shapes(secret: str) -> tuple[str, ...]:
    """A secret as it is and as it is usually written in other places."""
    return secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()


Note = Callable[[str], None]
"""Told what is tried next, so that a process that never comes back can be explained."""


async def trials(
    broker: FakeBroker, script: Script, folder: Path, note: Note
) -> AsyncIterator[Trial]:
    """Every trial of every tool."""
    for tool in broker.tools.values():
        async for trial in _of(tool, broker, script, folder, note):
            yield trial


async def _of(
    tool: Tool, broker: FakeBroker, script: Script, folder: Path, note: Note
) -> AsyncIterator[Trial]:
    bench = _Bench(broker, folder, note)
    examples = [(f"example {i}", a) for i, a in enumerate(script.examples.get(tool.name, []), 1)]
    made = [(f"made from the schema, {i}", a) for i, a in enumerate(plain(tool.spec), 1)]
    base = (examples or made or [("no arguments", {})])[0][1]
    reaches = False
    for kind, label, arguments in itertools.chain(
        ((Kind.EXAMPLE, *each) for each in examples),
        ((Kind.PLAIN, *each) for each in made),
        ((Kind.HOSTILE, *each) for each in hostile(tool.spec, base)),
    ):
        trial = await bench.run(tool, kind, label, arguments, script.answer())
        reaches = reaches or bool(trial.requests)
        yield trial
    if not reaches:
        return
    yield await bench.run(
        tool, Kind.INJECTED, "injected answers", base, script.answer(poison=INJECTION)
    )
    for label, answer in _FAILURES.items():
        yield await bench.run(tool, Kind.FAILING, label, base, answer)
    yield await bench.run(
        tool, Kind.LARGE, "answers of megabytes", base, script.answer(poison=_LARGE)
    )
    yield await bench.hang(tool, base)


def _raising(error: Exception) -> Answer:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error

    return respond


def _giving(status: int, content: bytes, media_type: str) -> Answer:
    return lambda _: httpx.Response(status, content=content, headers={"Content-Type": media_type})


_FAILURES: Mapping[str, Answer] = {
    "the server fails": _giving(500, b"<h1>Internal error</h1>", "text/html"),
    "the server knows nothing": _giving(404, b"{}", "application/json"),
    "the server is busy": _giving(429, b"", "text/plain"),
    "the server gives no JSON": _giving(200, b'{"a": ', "application/json"),
    "the server gives other JSON": _giving(200, b"[null, 1]", "application/json"),
    "the server gives bytes": _giving(200, bytes(range(256)), "application/octet-stream"),
    "nobody answers": _raising(httpx.ConnectError("refused")),
    "the answer does not come": _raising(httpx.ReadTimeout("late")),
    "the answer breaks off": _raising(httpx.RemoteProtocolError("broken off")),
}


class _Bench:
    """Runs trials one after the other with one broker."""

    def __init__(self, broker: FakeBroker, folder: Path, note: Note) -> None:
        self._broker = broker
        self._folder = folder
        self._note = note

    async def run(
        self, tool: Tool, kind: Kind, label: str, arguments: Arguments, answer: Answer
    ) -> Trial:
        trial = Trial(tool=tool, kind=kind, label=label)
        with self._watched(trial, answer):
            try:
                call = self._broker.begin(tool.name, arguments)
            except InvalidArgumentsError:
                trial.ending = Ending.REJECTED
                return trial
            task = asyncio.ensure_future(call)
            done, _ = await asyncio.wait((task,), timeout=self._seconds)
            if done:
                _conclude(trial, task)
            else:
                trial.ending = await _ended(task)
        return trial

    async def hang(self, tool: Tool, arguments: Arguments) -> Trial:
        """Cancel a call while it waits for a server that never answers."""
        trial = Trial(tool=tool, kind=Kind.HANGING, label="a server that never answers")
        asked = asyncio.Event()

        async def never(_: httpx.Request) -> httpx.Response:
            asked.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        with self._watched(trial, never):
            task = asyncio.ensure_future(self._broker.begin(tool.name, arguments))
            waiting = asyncio.ensure_future(asked.wait())
            await asyncio.wait(
                (task, waiting), timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
            if task.done():
                _conclude(trial, task)
            else:
                trial.ending = await _ended(task)
        return trial

    @property
    def _seconds(self) -> float:
        return min(self._broker.manifest.limits.seconds, LONGEST)

    @contextmanager
    def _watched(self, trial: Trial, answer: Answer) -> Iterator[None]:
        broker = self._broker
        broker.http.answer = answer
        broker.http.requests, broker.http.denied = trial.requests, []
        broker.store.writes, broker.progress = trial.writes, trial.progress
        self._note(str(trial))
        with watching(self._folder) as trial.sight:
            yield
        trial.denied = [url.host for url in broker.http.denied]


async def _ended(task: "asyncio.Future[Result]") -> Ending:
    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=_LAST_WORD)
    if not done:
        return Ending.STUCK
    if not task.cancelled():
        task.exception()  # what it says while it is ended is nobody's
    return Ending.TIMEOUT


def _conclude(trial: Trial, task: "asyncio.Future[Any]") -> None:
    try:
        result = task.result()
    except ToolError as error:
        trial.ending, trial.error = Ending.TOLD, str(error)
    except AccessDeniedError as error:
        trial.ending, trial.error = Ending.DENIED, str(error)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever a plugin raises is what is looked for
        trial.ending, trial.error = Ending.CRASHED, f"{type(error).__name__}: {error}"
    else:
        if isinstance(result, Result) and isinstance(result.content, str):
            trial.result = result
        else:
            trial.ending, trial.error = Ending.MALFORMED, type(result).__name__
