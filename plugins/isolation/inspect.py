"""Ask a plugin what it is without importing it: it is looked at before it is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plugins.errors import PluginLoadError
from plugins.isolation.isolated import Terms, isolated
from plugins.manifest import Manifest
from plugins.source import Source
from plugins.testing import FakeHTTP, FakeStore
from plugins.tool import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a plugin says of itself.

    Attributes:
        manifest: its promise; ``None`` where it could not even be imported.
        tools: its tools; empty where it could not be opened here.
        problem: why something is missing.
    """

    manifest: Manifest | None
    tools: tuple[Tool, ...] = ()
    problem: str = ""


async def inspect(source: Source, options: Mapping[str, Any] | None = None) -> Inspected:
    """Open the plugin at ``source`` in a process of its own, with no secrets and no network.

    Some plugins cannot open like that; of these only the manifest is known.
    """
    promised: list[Manifest] = []

    def secrets(manifest: Manifest) -> Mapping[str, str]:
        promised.append(manifest)
        return dict.fromkeys(manifest.secrets, "")

    with TemporaryDirectory() as folder:
        terms = Terms(
            options=dict(options or {}),
            secrets=secrets,
            http=lambda manifest: FakeHTTP(hosts=manifest.hosts).client(),
            cache=FakeStore(),
            folder=Path(folder),
            unconfined=True,
        )
        try:
            async with isolated(source, terms) as installed:
                return Inspected(manifest=installed.manifest, tools=installed.tools)
        except PluginLoadError as error:
            manifest = promised[0] if promised else None
            return Inspected(manifest=manifest, problem=error.reason)
