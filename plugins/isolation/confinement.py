"""What a plugin's process can see of the machine: bubblewrap, or limits alone."""

import asyncio
import json
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import plugins
from plugins.errors import PluginLoadError
from plugins.source import Source

_CORRAL = Path(plugins.__file__).resolve().parents[1]
_PACKAGES = ("guards", "policies", "plugins")
_ENTRY = (
    "import sys, json; search, sys.prefix = json.loads(sys.argv[1]); sys.exec_prefix = sys.prefix;"
    "sys.path.extend(search); sys.modules['click'] = None; import httpx; del sys.modules['click'];"
    "from importlib import import_module; import_module(sys.argv[2]).main()"
)
"""Packages that look beside themselves, as for a program they came with, go by the prefix. Without
click, httpx leaves out its command line, which would load a fifth of all that the process loads."""
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo")
_FOLDER = "/folder"
_PROBE_SECONDS = 10.0
_TMP_BYTES = 64 * 1024 * 1024

_ALONE = (
    "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534",
    "--hostname", "plugin", "--cap-drop", "ALL", "--die-with-parent", "--new-session",
    "--clearenv",
)  # fmt: skip
_NO_NESTING = ("--disable-userns",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """No network, no home, no file but the plugin's code, Python, and the plugin's folder."""

    program: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfined:
    """Limits on memory, time and files, and an empty environment; network and disk stay open."""


Confinement = Bubblewrap | Unconfined


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a process. ``folder`` is the plugin's own, as the process sees it."""

    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str


async def confinement(name: str, *, unconfined: bool) -> Confinement:
    """The best that this machine has.

    Raises:
        PluginLoadError: it has no bubblewrap that works, and the operator did not allow less.
    """
    found = shutil.which("bwrap")
    reason = "bubblewrap is not installed"
    if found is not None:
        for flags in ((*_ALONE, *_NO_NESTING), _ALONE):
            reason = await _trial(found, flags)
            if not reason:
                return Bubblewrap(program=found, flags=flags)
        reason = f"bubblewrap does not work here ({reason})"
    if unconfined:
        return Unconfined()
    raise PluginLoadError(
        name,
        f"is to be isolated, but {reason}, and without it the plugin's network cannot be cut: "
        "install it (Debian: apt install bubblewrap; Fedora: dnf install bubblewrap), "
        "or set `unconfined: true` for this plugin to run it in a process with limits alone",
    )


async def _trial(program: str, flags: tuple[str, ...]) -> str:
    """Start the interpreter under bubblewrap; what went wrong, or nothing."""
    there = [arg for path in _python() for arg in ("--ro-bind", str(path), str(path))]
    process = await asyncio.create_subprocess_exec(
        program, *flags, "--proc", "/proc", "--dev", "/dev", *_libraries(), *there,
        _interpreter(), "-I", "-S", "-c", "",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, told = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return "it does not answer"
    words = told.decode(errors="replace").strip().splitlines()
    return "" if process.returncode == 0 else (words[0][:200] if words else "it failed")


WORKER = "plugins.isolation.worker"
"""The program of an isolated plugin."""


def launch(source: Source, folder: Path, how: Confinement, *, program: str = WORKER) -> Launch:
    """The command that starts a process for a plugin.

    Args:
        source: the plugin, whose code the process can see.
        folder: where it can write.
        how: what else it can see.
        program: the module whose ``main`` it runs.

    Raises:
        PluginLoadError: the plugin's package is not there.
    """
    code = source.locate()
    search = _search(source, code)
    told = json.dumps([[str(path) for path in search], sys.prefix])
    python = (_interpreter(), "-I", "-S", "-B", "-c", _ENTRY, told, program)
    match how:
        case Unconfined():
            return Launch(command=python, environment=_environment("/"), folder=str(folder))
        case Bubblewrap():
            bound = [*_python(), *_needed(source, code, search)]
            command = (
                how.program, *how.flags,
                "--proc", "/proc", "--dev", "/dev",
                "--size", str(_TMP_BYTES), "--tmpfs", "/tmp",  # noqa: S108 - its own, not ours
                *_libraries(),
                *(arg for path in _outermost(bound) for arg in ("--ro-bind", str(path), str(path))),
                "--bind", str(folder), _FOLDER,
                *(arg for item in _environment("/tmp").items() for arg in ("--setenv", *item)),  # noqa: S108 - its own
                "--remount-ro", "/", "--chdir", "/",
                *python,
            )  # fmt: skip
            return Launch(command=command, environment={}, folder=_FOLDER)


def _environment(home: str) -> dict[str, str]:
    # One arena keeps threads from reserving address space that counts against the memory limit.
    return {"LANG": "C.UTF-8", "HOME": home, "MALLOC_ARENA_MAX": "1", "PATH": "/usr/bin:/bin"}


def _interpreter() -> str:
    return str(Path(sys.executable).resolve())


def _python() -> tuple[Path, ...]:
    """Files and folders of the interpreter and its standard library."""
    named = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    library = sysconfig.get_config_var("LIBDIR")
    places = [Path(_interpreter()), *(Path(each) for each in [*named, library] if each)]
    return tuple(place for place in places if place.exists())


def _libraries() -> tuple[str, ...]:
    """Bubblewrap's arguments for the system's shared libraries."""
    arguments: list[str] = []
    for name in _LIBRARIES:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            arguments += ["--ro-bind", name, name]
    return (*arguments, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")


def _packages() -> tuple[Path, ...]:
    """Folders that hold installed packages and nothing else."""
    names = {"site-packages", "dist-packages"}
    return tuple(Path(p) for p in sys.path if Path(p).name in names and Path(p).is_dir())


def _search(source: Source, code: Iterable[Path]) -> tuple[Path, ...]:
    """Where the process imports from, behind the standard library."""
    roots = [*source.paths, *(path.parent for path in code), _CORRAL, *_packages()]
    return tuple(dict.fromkeys(path.resolve() for path in roots))


def _needed(source: Source, code: Iterable[Path], search: Iterable[Path]) -> Iterator[Path]:
    """What to show of the folders to import from: packages as a whole, of others what is used.

    A folder such as a checkout holds more than code; only what the plugin names is shown of it.
    """
    yield from (path.resolve() for path in code)
    yield from (_CORRAL / name for name in _PACKAGES)
    if sys.prefix != sys.base_prefix:
        yield Path(sysconfig.get_path("scripts"))  # of the virtual environment, and so no shell
    whole = {path.resolve() for path in (*source.paths, *_packages())}
    yield from (path for path in search if path in whole)


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Without what lies inside of another."""
    every = sorted(set(paths))
    return tuple(p for p in every if not any(o != p and p.is_relative_to(o) for o in every))
