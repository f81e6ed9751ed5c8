"""A plugin: tools and the manifest that binds them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from plugins.access import Store
from plugins.manifest import Manifest
from plugins.tool import Tool

ENTRY_POINTS = "corral.plugins"
"""The entry point group; each entry names a :class:`Plugin`."""


class Options(BaseModel):
    """What an operator can set for a plugin; a plugin derives its own. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a plugin is opened with.

    Attributes:
        options: the operator's, checked against :attr:`Plugin.options`.
        secrets: values of the secrets the manifest names.
        http: reaches the manifest's hosts and no other.
        cache: for what costs time to get anew; shared by all users, so it holds nothing of any.
        folder: the plugin's own folder for what it keeps on disk; exists.
    """

    options: Any
    secrets: Mapping[str, str]
    http: httpx.AsyncClient
    cache: Store
    folder: Path


Opener = Callable[[Setup], AbstractAsyncContextManager[Sequence[Tool]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What the entry point names.

    Attributes:
        manifest: the promise; where it depends on the operator's options, ``refine`` narrows it.
        tools: its tools, where they need nothing to be set up.
        open: sets up and gives the tools, for as long as the assistant runs; instead of
            ``tools``.
        options: the model of the operator's options.
        refine: the manifest under given options: for hosts that an operator chooses.
    """

    manifest: Manifest
    tools: tuple[Tool, ...] = ()
    open: Opener | None = None
    options: type[Options] = Options
    refine: Callable[[Any], Manifest] | None = None

    def __post_init__(self) -> None:
        if bool(self.tools) == (self.open is not None):
            raise ValueError("a plugin has either tools or a way to open them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A plugin's tools, opened and bound to its manifest."""

    manifest: Manifest
    tools: tuple[Tool, ...]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
