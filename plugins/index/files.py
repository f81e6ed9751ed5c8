"""The documents of a folder, and nothing outside it."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from plugins.index.reading import MOST_BYTES, READERS, UnreadableError

MOST_FILES = 100_000
MOST_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as the folder lists it.

    Attributes:
        path: within the folder, with ``/``.
        size: bytes.
        changed: nanoseconds since the epoch.
    """

    path: str
    size: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that is not read, and why in a fixed phrase."""

    path: str
    reason: str


def listed(root: Path) -> Iterator[File | Skipped]:
    """The documents in ``root`` and the folders below, hidden ones left out.

    Links are followed to files that lie within ``root``, never to folders.

    Raises:
        OSError: ``root`` cannot be read.
    """
    within = os.path.realpath(root)
    count = 0
    waiting: list[tuple[str, int]] = [("", 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(os.path.join(within, folder)) as entries:  # noqa: PTH118 - many of them
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            if not folder:
                raise
            yield Skipped(path=folder, reason="is a folder that cannot be read")
            continue
        for entry in found:
            if entry.name.startswith("."):
                continue
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _encodable(path):
                yield Skipped(path=ascii(path), reason="has a name that is not UTF-8")
            elif entry.is_dir(follow_symlinks=False):
                if depth < MOST_DEPTH:
                    waiting.append((path, depth + 1))
            elif PurePosixPath(entry.name).suffix.lower() in READERS:
                count += 1
                if count > MOST_FILES:
                    yield Skipped(path=path, reason="is one too many")
                    return
                yield _looked_at(within, path, entry)


def _encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _looked_at(within: str, path: str, entry: os.DirEntry[str]) -> File | Skipped:
    try:
        if entry.is_symlink() and not _inside(within, os.path.realpath(entry.path)):
            return Skipped(path=path, reason="is a link that leads out of the folder")
        status = entry.stat()
    except OSError:
        return Skipped(path=path, reason="cannot be read")
    if not stat.S_ISREG(status.st_mode):
        return Skipped(path=path, reason="is no file")
    if status.st_size > MOST_BYTES:
        return Skipped(path=path, reason="is too large")
    return File(path=path, size=status.st_size, changed=status.st_mtime_ns)


def _inside(within: str, target: str) -> bool:
    return target.startswith(within.rstrip(os.sep) + os.sep)


def content(root: Path, path: str) -> bytes:
    """What stands in the file at ``path`` within ``root``.

    Raises:
        UnreadableError: it cannot be read, has become too large, or leads out of the folder.
    """
    within = os.path.realpath(root)
    target = os.path.realpath(os.path.join(within, path))  # noqa: PTH118 - kept as it is listed
    if not _inside(within, target):
        raise UnreadableError("is a link that leads out of the folder")
    try:
        # Whoever swaps the file for a link or a pipe in between gets an error, not a read.
        descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableError("is no file")
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError("cannot be read") from error
    if len(body) > MOST_BYTES:
        raise UnreadableError("is too large")
    return body
