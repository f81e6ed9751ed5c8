"""Notices that files change; for development only."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path

POLL_SECONDS = 0.5
"""Between two looks, where ``watchfiles`` is not installed."""

_WATCHED = {".py", ".toml", ".yaml", ".yml", ".json"}
_SKIPPED = {"__pycache__", ".git", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


async def changes(
    folders: Iterable[Path], *, poll: float = POLL_SECONDS
) -> AsyncGenerator[frozenset[Path]]:
    """Files of code and settings that were changed, made or removed, each time that some were.

    Uses ``watchfiles`` where it is installed, and looks at times of change where it is not.
    """
    places = tuple(folder.resolve() for folder in folders)
    if importlib.util.find_spec("watchfiles") is None:
        async for changed in polled(places, poll):
            yield changed
        return
    from watchfiles import awatch

    async for seen in awatch(*places):
        changed = frozenset(Path(name) for _, name in seen if _counts(Path(name)))
        if changed:
            yield changed


async def polled(
    folders: Iterable[Path], seconds: float = POLL_SECONDS
) -> AsyncGenerator[frozenset[Path]]:
    """The same by looking every so many ``seconds``."""
    places = tuple(folders)
    before = await asyncio.to_thread(_times, places)
    while True:
        await asyncio.sleep(seconds)
        now = await asyncio.to_thread(_times, places)
        changed = frozenset(
            path for path in before.keys() | now.keys() if before.get(path) != now.get(path)
        )
        if changed:
            before = now
            yield changed


def _times(folders: Iterable[Path]) -> Mapping[Path, int]:
    found: dict[Path, int] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if _counts(path):
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # removed since it was listed
    return found


def _counts(path: Path) -> bool:
    return path.suffix in _WATCHED and not _SKIPPED & set(path.parts)
