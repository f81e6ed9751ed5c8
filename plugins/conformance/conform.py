"""Holds a plugin against what it promises."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plugins.conformance.behaviour import behaviour
from plugins.conformance.evidence import Evidence
from plugins.conformance.promises import promises
from plugins.conformance.report import Report
from plugins.conformance.script import Script
from plugins.conformance.trials import Note, canaries, trials
from plugins.errors import PluginLoadError
from plugins.plugin import Plugin
from plugins.testing import rehearse

OPENING_SECONDS = 30.0


def _unheard(_: str) -> None:
    """Nobody wants to know what is tried next."""


async def conform(
    plugin: Plugin,
    script: Script | None = None,
    *,
    examples: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    note: Note = _unheard,
) -> Report:
    """Call every tool in every way with fakes for all that it reaches, and check what it does.

    Nothing leaves this process: the network is the script's, secrets are made up. A tool that
    blocks the event loop blocks this as well; :func:`plugins.conformance.supervise.supervise`
    runs it in a process of its own and ends that.

    Args:
        plugin: what is looked at.
        script: options, examples and servers; see ``conformance.yaml``.
        examples: further arguments by tool, each of which must give a result.
        note: told what is tried next.

    Raises:
        PluginLoadError: the plugin cannot be opened with the script's options.
    """
    script = script or Script()
    if examples:
        merged = {name: list(each) for name, each in script.examples.items()}
        for name, each in examples.items():
            merged.setdefault(name, []).extend(dict(arguments) for arguments in each)
        script = script.model_copy(update={"examples": merged})
    manifest = plugin.manifest
    secrets = canaries(manifest.secrets)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        # Only opening has a deadline; what is tried afterwards has one for each call.
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(OPENING_SECONDS):
                    broker = await stack.enter_async_context(
                        rehearse(
                            plugin,
                            http=script.answer(),
                            options=script.options,
                            secrets=secrets,
                            folder=place,
                        )
                    )
            except TimeoutError:
                raise PluginLoadError(
                    manifest.name, f"did not open within {OPENING_SECONDS:g} seconds"
                ) from None
            seen = Evidence(
                manifest=broker.manifest,
                tools=tuple(broker.tools.values()),
                script=script,
                trials=tuple([trial async for trial in trials(broker, script, place, note)]),
                secrets=secrets,
            )
    return Report(
        plugin=manifest.name,
        version=manifest.version,
        checks=(*promises(seen), *behaviour(seen)),
    ).excusing(script.excused)
