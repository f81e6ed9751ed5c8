"""The program that :mod:`plugins.conformance.supervise` starts: imports a plugin and tries it.

It reads one JSON object, and writes JSON objects line by line: ``{"doing": ...}`` before each
trial, then ``{"broken": ...}`` or ``{"report": ...}``.
"""

import asyncio
import importlib
import json
import os
import sys
import time
from typing import Any

from plugins.conformance.conform import conform
from plugins.conformance.report import Check, judged
from plugins.conformance.script import Script
from plugins.conformance.trials import canaries
from plugins.conformance.watch import Sight, watching
from plugins.errors import PluginLoadError
from plugins.isolation.rlimits import address_space, bound_memory, confine
from plugins.isolation.wire import digest_of
from plugins.plugin import Plugin
from plugins.testing import rehearse

IMPORT_SECONDS = 0.5

_CPU_SECONDS = 600
_MEMORY_BYTES = 4 * 1024**3
"""More than any manifest may ask for, so that what a tool wants to use shows as its own failure."""


def main() -> None:
    """Try one plugin."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (1, 2):
        os.dup2(nothing, standard)
    base = address_space()
    confine(cpu_seconds=_CPU_SECONDS, processes=None)
    if base is not None:
        bound_memory(base + _MEMORY_BYTES)
    job = json.load(sys.stdin)

    def say(**what: Any) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    say(doing="importing it")
    sight, seconds, plugin = _imported(job["entry"])
    if not isinstance(plugin, Plugin):
        say(broken=plugin)
        return
    if plugin.manifest.name != job["name"]:
        say(
            broken=f"its manifest calls it {plugin.manifest.name!r} and its entry point "
            f"{job['name']!r}; both must be the same"
        )
        return
    say(doing="opening it")
    script = Script.model_validate(job["script"], by_alias=True)
    try:
        report = asyncio.run(conform(plugin, script, note=lambda trial: say(doing=trial)))
        digest = asyncio.run(_digest(plugin, script))
    except PluginLoadError as error:
        say(broken=error.reason)
        return
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises on opening is what is looked for
        say(broken=f"cannot be opened: {type(error).__name__}: {error}")
        return
    report = report.with_checks(*import_checks(sight, seconds))
    say(report=report.as_json(), digest=digest)
    # Threads that the plugin has left behind do not keep this process.
    os._exit(0)


async def _digest(plugin: Plugin, script: Script) -> str:
    """What the plugin says of itself in this process, to be compared with another's."""
    secrets = canaries(plugin.manifest.secrets)
    async with rehearse(
        plugin, http=script.answer(), options=script.options, secrets=secrets
    ) as broker:
        return digest_of(broker.manifest, broker.tools.values())


def _imported(entry: str) -> tuple[Sight, float, Plugin | str]:
    module, _, name = entry.partition(":")
    with watching() as sight:
        started = time.process_time()
        try:
            plugin = getattr(importlib.import_module(module), name)
        except BaseException as error:  # noqa: BLE001 - the process edge: it is told
            return sight, 0.0, f"{entry} cannot be imported: {type(error).__name__}: {error}"
        seconds = time.process_time() - started
    if not isinstance(plugin, Plugin):
        return sight, seconds, f"{entry} is not a plugins.plugin.Plugin"
    return sight, seconds, plugin


def import_checks(sight: Sight, seconds: float) -> tuple[Check, ...]:
    """The checks of what a plugin did, and how long it took, while it was imported."""
    problems = [
        *(f"{event} at import; do it when a tool is called or opened" for event in sight.network),
        *(f"{event} at import; do it when a tool is opened" for event in sight.processes),
        *(f"writes {path} at import; use Setup.folder" for path in sight.files),
    ]
    slow = (
        []
        if seconds < IMPORT_SECONDS
        else [
            f"takes {seconds:.2f} s of processor time; import large libraries where they are used"
        ]
    )
    return (
        judged("import.quiet", "Importing it does nothing but define it", problems),
        judged("import.quick", "Importing it takes no time", slow),
    )
