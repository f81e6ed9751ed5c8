"""Where a plugin's code is, known without importing any of it."""

import importlib.machinery
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from plugins.errors import PluginLoadError
from plugins.plugin import ENTRY_POINTS

_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How to find a plugin.

    Attributes:
        name: as operators call it.
        entry: ``module:object``, the value of an entry point.
        paths: folders to import from before all others; empty for what is installed.
    """

    name: str
    entry: str
    paths: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not _ENTRY.fullmatch(self.entry):
            raise PluginLoadError(self.name, "its entry point must be of the form module:object")

    @classmethod
    def of(cls, entry: EntryPoint) -> "Source":
        """Of a plugin that is installed."""
        return cls(name=entry.name, entry=entry.value)

    @property
    def module(self) -> str:
        """Name of the module that has the plugin."""
        return self.entry.partition(":")[0]

    @property
    def top(self) -> str:
        """Name of the module's topmost package."""
        return self.module.partition(".")[0]

    @property
    def folder(self) -> Path:
        """The folder of the module that has the plugin.

        Raises:
            PluginLoadError: there is no such package.
        """
        place = self.locate()[0].joinpath(*self.module.split(".")[1:])
        return place if place.is_dir() else place.parent

    def locate(self) -> tuple[Path, ...]:
        """Files and folders of the topmost package, found but not imported.

        Raises:
            PluginLoadError: there is no such package.
        """
        for spec in self._specs():
            if spec is None:
                continue
            if spec.submodule_search_locations:
                return tuple(Path(each) for each in spec.submodule_search_locations)
            if spec.origin:
                return (Path(spec.origin),)
        raise PluginLoadError(self.name, f"there is no package {self.top}")

    def _specs(self) -> Iterator[importlib.machinery.ModuleSpec | None]:
        if self.paths:
            own = [str(path) for path in self.paths]
            yield importlib.machinery.PathFinder.find_spec(self.top, own)
        try:
            yield importlib.util.find_spec(self.top)
        except ValueError:  # a module without a spec, such as the program that runs
            yield None


def sources_in(folder: Path) -> tuple[Source, ...]:
    """The plugins that the package in ``folder`` names in its ``pyproject.toml``.

    Raises:
        PluginLoadError: it has none, or the file cannot be read.
    """
    project = folder / "pyproject.toml"
    try:
        table = tomllib.loads(project.read_text(encoding="utf-8"))
    except OSError as error:
        raise PluginLoadError(folder.name, "has no pyproject.toml that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginLoadError(folder.name, f"pyproject.toml is no TOML: {error}") from error
    entries = table.get("project", {}).get("entry-points", {}).get(ENTRY_POINTS, {})
    if not isinstance(entries, dict) or not entries:
        raise PluginLoadError(
            folder.name,
            f'pyproject.toml names no plugin in [project.entry-points."{ENTRY_POINTS}"]',
        )
    roots = tuple(path.resolve() for path in (folder / "src", folder) if path.is_dir())
    return tuple(
        Source(name=name, entry=str(value), paths=roots) for name, value in sorted(entries.items())
    )
