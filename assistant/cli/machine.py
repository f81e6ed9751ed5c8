"""What the doctor looks at on this machine: Python, packages, compiler, model, disk, port."""

import errno
import platform
import re
import shutil
import socket
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from assistant.audit.chain import BrokenEntryError
from assistant.audit.segments import segments, tail
from assistant.cli.checkup import Check, fail, ok, warn
from assistant.engine.models import ModelStore
from assistant.errors import ModelUnavailableError
from assistant.settings import Settings

OLDEST_PYTHON = (3, 11)
LOW_DISK = 2_000_000_000
NO_DISK = 200_000_000
"""Bytes: below the first the doctor warns, below the second the decision log is at risk."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
_MODULES = {"llama.cpp": ("llama_cpp", "embedded"), "vllm": ("vllm", "vllm")}


def python() -> Check:
    """The interpreter's version."""
    found = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return fail("python", f"{found} is too old", "install Python 3.11 or newer")
    return ok("python", f"{found} at {sys.executable}")


def packages() -> Check:
    """Every package Corral requires is installed."""
    missing = []
    for requirement in requires("corral") or ():
        name = _REQUIREMENT.match(requirement)
        if name is None or "extra ==" in requirement or "sys_platform" in requirement:
            continue
        try:
            version(name.group())
        except PackageNotFoundError:
            missing.append(name.group())
    if missing:
        return fail("packages", f"missing: {', '.join(missing)}", "pip install --upgrade corral")
    return ok("packages", f"corral {version('corral')} and all it requires")


def embedded_engine(settings: Settings) -> Check:
    """The engine that is started when no URL is set."""
    if settings.engine_urls:
        return ok("embedded engine", "not needed, CORRAL_ENGINE_URLS is set")
    module, extra = _MODULES[settings.embedded_engine]
    if find_spec(module) is None:
        return fail(
            "embedded engine",
            f"{settings.embedded_engine} is not installed",
            f"pip install 'corral[{extra}]', or set CORRAL_ENGINE_URLS",
        )
    return ok("embedded engine", f"{settings.embedded_engine} is installed")


def compiler(settings: Settings) -> Check:
    """A C++ compiler, needed once to build llama.cpp; its build brings CMake itself."""
    found = next((c for c in ("c++", "g++", "clang++") if shutil.which(c)), None)
    cmake = "cmake is here" if shutil.which("cmake") else "the build fetches cmake itself"
    if found is not None:
        return ok("compiler", f"{found}; {cmake}")
    if settings.engine_urls or find_spec(_MODULES["llama.cpp"][0]) is not None:
        return ok("compiler", "none, and none is needed")
    return fail(
        "compiler",
        "none, and the embedded engine has to be compiled",
        "apt install build-essential, or xcode-select --install",
    )


def model(settings: Settings) -> Check:
    """The embedded engine's model, checked against its digest."""
    if settings.engine_urls:
        return ok("model", "served by CORRAL_ENGINE_URLS")
    try:
        path = ModelStore(settings.cache_dir / "models").path(settings.embedded_model)
    except ModelUnavailableError as error:
        return warn("model", str(error), f"corral models pull {settings.embedded_model}")
    return ok("model", str(path))


def data_folder(settings: Settings) -> Check:
    """The folder of session memory and decision log can be written and has room."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return fail("data folder", f"{folder}: {reason}", "set CORRAL_DATA_DIR to one that works")
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < NO_DISK:
        return fail("data folder", detail, "free some space: nothing is answered unlogged")
    if free < LOW_DISK:
        return warn("data folder", detail, "free some space before the decision log needs it")
    return ok("data folder", detail)


def port(settings: Settings) -> Check:
    """Nobody else listens where ``corral serve`` would."""
    place = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror:
        return fail("port", f"{settings.host} is no address here", "set CORRAL_HOST")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return warn("port", f"{place} is taken", "corral serve --port N, or set CORRAL_PORT")
        reason = error.strerror or type(error).__name__
        return fail("port", f"{place}: {reason}", "set CORRAL_HOST and CORRAL_PORT")
    return ok("port", f"{place} is free")


def decision_log(settings: Settings) -> Check:
    """The end of every chain is whole; `corral audit verify` looks at all the rest too."""
    folder = settings.decisions_dir
    chains = segments(folder)
    try:
        ends = {files[-1].name: tail(folder / files[-1].name) for files in chains.values()}
    except (BrokenEntryError, OSError) as error:
        return fail("decision log", f"{folder}: {error}", "corral audit verify")
    torn = [name for name, end in ends.items() if end.torn]
    if torn:
        detail = f"{', '.join(torn)} ends in the middle of an entry, as a crash leaves it"
        return warn("decision log", detail, "corral audit verify")
    return ok("decision log", f"{len(chains)} chain(s), the end of each is whole")
