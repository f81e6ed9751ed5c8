"""Keeps one Valkey server for all Corral processes of a data folder; a process of its own.

    python -I -S valkey_keeper.py FOLDER BINARY LOCK_FD

A process that needs the server holds a connection to ``keeper.sock`` and reads ``ready`` from it.
The keeper starts the server again when it dies, and ends it once nobody is connected any more,
however those processes ended. LOCK_FD is an exclusive lock on the folder, inherited from the
process that started the keeper and passed on to the server, so nobody can start a second server
before both are gone.

Only the standard library is imported, which keeps its start at some 30 ms and its size small.
"""

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

SOCKET = "keeper.sock"
SERVER_SOCKET = "valkey.sock"
SERVER_LOG = "valkey.log"
READY = b"ready\n"
FAILED = b"failed\n"

_FIRST_HOLDER_WITHIN = 10.0
_SHUTDOWN_WITHIN = 10.0
_PROBE_EVERY = 0.01
_LONGEST_PAUSE = 5.0
_FAILURES_AT_START = 3
_PR_SET_PDEATHSIG = 1

CONFIGURATION = {
    "port": "0",
    "unixsocket": SERVER_SOCKET,
    "unixsocketperm": "600",
    "databases": "1",
    "save": "",
    "appendonly": "yes",
    # Everything acknowledged survives a kill and the loss of power. "everysec" would lose up to
    # two seconds even to a kill, because it postpones writes while a sync is under way.
    "appendfsync": "always",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
    "logfile": SERVER_LOG,
}


class Keeper:
    """The server, who needs it, and what has to happen next."""

    def __init__(self, binary: str, lock_fd: int) -> None:
        self._binary = binary
        self._lock_fd = lock_fd
        self._selector = selectors.DefaultSelector()
        self._holders: dict[socket.socket, bool] = {}
        """Each connection, and whether it was told that the server is ready."""
        self._server: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._was_ready = False
        self._failures = 0
        self._start_at = 0.0
        self._ending = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def run(self) -> None:
        """Serve until nobody needs the server any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)  # noqa: PTH108 - pathlib doubles the time this takes to start
        self._listener.bind(SOCKET)
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake_up_on_signals()
        first_holder_until = time.monotonic() + _FIRST_HOLDER_WITHIN
        had_holder = False
        while not self._ending:
            self._look_after_server()
            had_holder = had_holder or bool(self._holders)
            if not self._holders and (had_holder or time.monotonic() > first_holder_until):
                break
            for selected, _ in self._selector.select(self._patience()):
                self._handle(selected.fileobj)
        self._end()

    def _wake_up_on_signals(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(reader, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_terminate)
        self._selector.register(reader, selectors.EVENT_READ)

    def _on_terminate(self, *_: object) -> None:
        self._ending = True

    def _patience(self) -> float | None:
        if self._server is None:
            return max(0.0, self._start_at - time.monotonic())
        if not self._ready:
            return _PROBE_EVERY
        return None if self._holders else _FIRST_HOLDER_WITHIN

    def _handle(self, ready: object) -> None:
        if ready is self._listener:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                holder, _ = self._listener.accept()
                holder.setblocking(False)
                self._holders[holder] = False
                self._selector.register(holder, selectors.EVENT_READ)
                if self._ready:
                    self._tell(holder, READY)
        elif isinstance(ready, socket.socket):
            try:
                gone = not ready.recv(64)
            except BlockingIOError:
                return
            except OSError:
                gone = True
            if gone:
                self._drop(ready)
        elif isinstance(ready, int):
            with contextlib.suppress(BlockingIOError):
                os.read(ready, 64)

    def _tell(self, holder: socket.socket, word: bytes) -> None:
        try:
            holder.sendall(word)
        except OSError:
            self._drop(holder)
        else:
            self._holders[holder] = True

    def _drop(self, holder: socket.socket) -> None:
        self._selector.unregister(holder)
        del self._holders[holder]
        holder.close()

    # --- the server

    def _look_after_server(self) -> None:
        if self._server is not None and self._server.poll() is not None:
            self._server_died()
        if self._ending:
            return
        if self._server is None:
            if time.monotonic() >= self._start_at:
                self._start_server()
        elif not self._ready and _answers():
            self._ready = self._was_ready = True
            self._failures = 0
            for holder in [holder for holder, told in self._holders.items() if not told]:
                self._tell(holder, READY)

    def _server_died(self) -> None:
        self._server, self._ready = None, False
        self._failures += 1
        if not self._was_ready and self._failures >= _FAILURES_AT_START:
            for holder in list(self._holders):
                self._tell(holder, FAILED)
            self._ending = True
        pause = 0.0 if self._failures == 1 else min(0.05 * 2**self._failures, _LONGEST_PAUSE)
        self._start_at = time.monotonic() + pause

    def _start_server(self) -> None:
        options = [part for name, value in CONFIGURATION.items() for part in (f"--{name}", value)]
        self._server = subprocess.Popen(
            [self._binary, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._lock_fd,),
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )

    def _end(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)  # noqa: PTH108 - as above
        self._listener.close()
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(_SHUTDOWN_WITHIN)
            except subprocess.TimeoutExpired:
                # Every commit is on disk already; only the orderly goodbye is lost.
                self._server.kill()
                self._server.wait()


def _answers() -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(SERVER_SOCKET)
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _die_with_parent() -> None:
    # Elsewhere than on Linux a server outlives a keeper that is killed, until it is stopped.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main(folder: str, binary: str, lock_fd: str) -> None:
    """Leave the process that started this one, and keep the server."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.umask(0o077)
    os.chdir(folder)
    Keeper(binary, int(lock_fd)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
