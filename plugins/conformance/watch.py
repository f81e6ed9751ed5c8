"""Sees what code does past :class:`~plugins.access.Access`: sockets, processes, files."""

import contextlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NETWORK = {
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
    "socket.gethostbyname", "socket.gethostbyaddr",
}  # fmt: skip
_PROCESSES = {
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "pty.spawn",
}  # fmt: skip
_PATHS = {
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "shutil.rmtree", "sqlite3.connect",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(slots=True, kw_only=True)
class Sight:
    """What was seen while something was watched.

    Attributes:
        network, processes: what was tried, in words.
        files: paths that were written to, but for temporary ones and ``allowed``.
        said: what was logged and printed.
    """

    allowed: tuple[Path, ...] = ()
    network: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


_seen: list[Sight] = []
"""Who watches now. An audit hook cannot be taken out again, so it asks here."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _seen:
        return
    sight = _seen[-1]
    if event in _NETWORK:
        sight.network.append(event)
    elif event in _PROCESSES:
        sight.processes.append(event)
    elif event in _PATHS or (event == "open" and _writes(arguments[2])):
        _note(sight, arguments[0])


def _writes(flags: Any) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITING)


def _note(sight: Sight, path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # a file descriptor: it was seen when it was opened
    name = os.fsdecode(path)
    if name == ":memory:" or name.startswith(("/dev/", "/proc/")) or "__pycache__" in name:
        return
    where = Path(name).absolute()
    roots = (*sight.allowed, Path(tempfile.gettempdir()))
    if not any(where.is_relative_to(root) for root in roots):
        sight.files.append(name)


_hooked: list[bool] = []


@contextlib.contextmanager
def watching(*allowed: Path) -> Iterator[Sight]:
    """Watch this process; one at a time. Files below ``allowed`` may be written to."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    sight = Sight(allowed=allowed)
    root = logging.getLogger()
    level, handler = root.level, _Hearing(sight)
    out = io.StringIO()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    _seen.append(sight)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            yield sight
    finally:
        _seen.remove(sight)
        root.setLevel(level)
        root.removeHandler(handler)
        if out.getvalue():
            sight.said.append(out.getvalue())


class _Hearing(logging.Handler):
    def __init__(self, sight: Sight) -> None:
        super().__init__(logging.DEBUG)
        self._sight = sight

    def emit(self, record: logging.LogRecord) -> None:
        self._sight.said.append(self.format(record))
