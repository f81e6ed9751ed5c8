"""Limits that a plugin's process sets on itself before it imports the plugin."""

import ctypes
import os
import resource
import sys
from pathlib import Path

_OPEN_FILES = 256
_FILE_BYTES = 1024 * 1024 * 1024
_GRACE_SECONDS = 60

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522


def confine(*, cpu_seconds: int, processes: int | None) -> None:
    """Bound processor time, files, and processes; give up every privilege.

    ``processes`` counts those of the user, so it only makes sense where the process has a user of
    its own. At ``cpu_seconds`` the process gets SIGXCPU, a minute later it is killed.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, _FILE_BYTES)
    if processes is not None and sys.platform == "linux":
        _lower(resource.RLIMIT_NPROC, processes)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + _GRACE_SECONDS))
    if sys.platform == "linux":
        _unprivileged()


def address_space() -> int | None:
    """Bytes of address space in use; ``None`` where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGESIZE")


def bound_memory(total: int) -> None:
    """Let the process have ``total`` bytes of address space; it can be lowered, never raised."""
    _lower(resource.RLIMIT_AS, total)


def _lower(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (most, most))


def _unprivileged() -> None:
    """Die with Corral, gain nothing by set-uid programs, hold no capability.

    Without capabilities not even root can raise the limits again.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")
