"""Run one program and end it, with all it started, when whoever asked for it is gone.

Started as a file of its own with nothing but the standard library: ``python -I keeper.py PROGRAM
ARGUMENT...``. Its standard input is a pipe that nobody writes to: the kernel closes it when the
parent ends, however it ends, SIGKILL included, and then the program's whole process group is
ended. Should the keeper itself be killed, Linux kills the program (``PR_SET_PDEATHSIG``). That
signal is set here rather than in the parent because it needs code between fork and exec, which
is only safe in a process with a single thread, and because it is tied to the forking *thread*.

Writes the program's process id to standard output, one line. Exits as the program does, with
128 + N when signal N ended it.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

GRACE = 3.0
"""Seconds between asking the program to end and killing it."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def keep(command: list[str]) -> int:
    """Run ``command`` until it ends or standard input closes; its exit code."""
    keeper = os.getpid()
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None) if linux else None
    if libc is not None:
        # Orphaned grandchildren come to us instead of to init, so they cannot slip away.
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def die_with_keeper() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != keeper:  # it died before the line above
                os._exit(1)

    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        preexec_fn=die_with_keeper if linux else None,  # noqa: PLW1509 - no other thread yet
    )
    print(program.pid, flush=True)
    ended = threading.Event()
    watcher = threading.Thread(target=_end_with_parent, args=(program.pid, ended), daemon=True)
    watcher.start()
    if linux:
        # Not reaped yet, so its group's number cannot have gone to somebody else.
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
    else:
        program.wait()
    ended.set()
    _signal_group(program.pid, signal.SIGKILL)
    code = program.wait()
    return 128 - code if code < 0 else code


def _end_with_parent(group: int, ended: threading.Event) -> None:
    while os.read(0, 1024):
        continue
    _signal_group(group, signal.SIGTERM)
    if not ended.wait(GRACE):
        _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
