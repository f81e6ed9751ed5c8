"""Tries a plugin in processes that may hang, crash or end: what they do is in the report."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from plugins.conformance.report import Check, Outcome, Report, judged
from plugins.conformance.script import Script
from plugins.conformance.trials import canaries
from plugins.errors import PluginLoadError
from plugins.isolation import wire
from plugins.isolation.confinement import confinement, launch
from plugins.isolation.isolated import Terms, isolated
from plugins.manifest import Manifest
from plugins.plugin import Installed
from plugins.source import Source
from plugins.testing import FakeHTTP, FakeStore

SILENCE = 15.0
"""Seconds without a word from the process; longer than any trial takes."""

_BEGIN_SECONDS = 60.0
_LINE = 64 * 1024 * 1024

Doing = Callable[[str], None]
"""Told what is tried next."""


async def supervise(
    source: Source,
    script: Script | None = None,
    *,
    doing: Doing = lambda _: None,
    silence: float = SILENCE,
) -> Report:
    """Try the plugin at ``source`` in a process of its own, then once more as an isolated plugin.

    Whatever it does is a check of the report; nothing of it is imported here.
    """
    script = script or Script()
    report, digest = await _tried(source, script, doing, silence)
    if not digest:
        return report  # it did not come back, so there is nothing to open once more
    doing("opening it in a process of its own")
    check = await _isolation(source, script, digest)
    return report.with_checks(check).excusing(script.excused)


_WORKS = "import.works"


def _broken(source: Source, reason: str) -> Report:
    check = Check(
        id=_WORKS, title="It can be imported and opened", outcome=Outcome.FAILED, detail=reason
    )
    return Report(plugin=source.name, version="", checks=(check,))


async def _tried(
    source: Source, script: Script, doing: Doing, silence: float
) -> tuple[Report, str]:
    """The report, and the digest of what the plugin says of itself; none if it did not open."""
    try:
        source.locate()
    except PluginLoadError as error:
        return _broken(source, error.reason), ""
    last, begun = "starting", False
    async with _child(source) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started with pipes")
        job = {
            "name": source.name,
            "entry": source.entry,
            "script": script.model_dump(mode="json", by_alias=True),
        }
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
        while True:
            try:
                async with asyncio.timeout(silence if begun else _BEGIN_SECONDS):
                    line = await process.stdout.readline()
            except TimeoutError:
                blocks = "blocks everything; await what takes time, or use asyncio.to_thread"
                return _stuck(source, f"{last}: {blocks}"), ""
            if not line:
                return _stuck(source, f"{last}: ended the whole process"), ""
            said: dict[str, Any] = json.loads(line)
            if "report" in said:
                return Report.from_json(said["report"]), said["digest"]
            if "broken" in said:
                return _broken(source, said["broken"]), ""
            last, begun = said["doing"], True
            doing(last)


def _stuck(source: Source, problem: str) -> Report:
    check = judged("calls.answer", "Every call comes back", [problem])
    return Report(plugin=source.name, version="", checks=(check,))


@asynccontextmanager
async def _child(source: Source) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, cut off from the machine as far as that is possible here."""
    how = await confinement(source.name, unconfined=True)
    with TemporaryDirectory() as folder:
        start = launch(source, Path(folder), how, program="plugins.conformance.child")
        process = await asyncio.create_subprocess_exec(
            *start.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=start.environment,
            cwd="/",
            start_new_session=True,
            limit=_LINE,
        )
        try:
            yield process
        finally:
            # Not process.kill(), which may reap the process before the loop can.
            with suppress(ProcessLookupError):
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _isolation(source: Source, script: Script, digest: str) -> Check:
    problems = []
    try:
        with TemporaryDirectory() as folder:
            async with _isolated(source, script, Path(folder)) as installed:
                if wire.digest_of(installed.manifest, installed.tools) != digest:
                    problems.append(
                        "it says other things of itself each time; make its tools the same always"
                    )
    except PluginLoadError as error:
        problems.append(error.reason)
    title = "It opens in a process of its own, and is the same there"
    return judged("isolation.opens", title, problems)


def _isolated(
    source: Source, script: Script, folder: Path
) -> AbstractAsyncContextManager[Installed]:
    def http(manifest: Manifest) -> httpx.AsyncClient:
        return FakeHTTP(script.answer(), hosts=manifest.hosts).client()

    return isolated(
        source,
        Terms(
            options=script.options,
            secrets=lambda manifest: canaries(manifest.secrets),
            http=http,
            cache=FakeStore(),
            folder=folder,
            unconfined=True,
        ),
    )
