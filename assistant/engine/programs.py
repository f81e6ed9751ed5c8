"""The engines the launcher knows how to start."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
        *("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
        *("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_HOME"),
        *("VLLM_CPU_KVCACHE_SPACE", "VLLM_CPU_OMP_THREADS_BIND", "VLLM_CACHE_ROOT"),
    }
)
"""All that an engine sees of our environment: where things lie, never a key or a token."""


PACKAGED_WINDOW = 8192
"""Tokens the packaged model was trained to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProgram:
    """How to run one engine.

    ``command`` may hold ``{port}``, filled in once a port is chosen. The engine asks its callers
    for the key it finds in the environment variable ``key_variable``; the command line would
    show it to everybody on the machine.
    """

    name: str
    model: str
    command: tuple[str, ...]
    key_variable: str
    environment: Mapping[str, str] = field(default_factory=dict)
    start_deadline: float = 120.0

    def command_on(self, port: int) -> tuple[str, ...]:
        """The command line that serves on ``port``."""
        return tuple(word.replace("{port}", str(port)) for word in self.command)

    def environment_with(self, key: str) -> dict[str, str]:
        """What the engine's process gets to see, and nothing else."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, **self.environment, self.key_variable: key}


def llama_cpp(
    weights: Path, *, model: str, window: int = PACKAGED_WINDOW, python: str = sys.executable
) -> EngineProgram:
    """Our own llama.cpp server on a GGUF file; see :mod:`assistant.engine.llamacpp`.

    OpenMP's threads spin by default while they wait for one another. Where anything else wants
    the cores, and Corral itself does, that costs nine tenths of the speed and more.
    """
    return EngineProgram(
        name="llama.cpp",
        model=model,
        command=(
            *(python, "-m", "assistant.engine.llamacpp", "--port", "{port}"),
            *("--model", str(weights), "--name", model, "--window", str(window)),
        ),
        key_variable="CORRAL_EMBEDDED_ENGINE_KEY",
        environment={"OMP_WAIT_POLICY": "passive"},
        start_deadline=60.0,
    )


def vllm(
    weights: Path | str,
    *,
    model: str,
    window: int | None = None,
    python: str = sys.executable,
    arguments: tuple[str, ...] = (),
) -> EngineProgram:
    """vLLM's OpenAI server, in the environment of ``python``.

    The module rather than the ``vllm`` script: the CPU distribution's script does not start.
    """
    return EngineProgram(
        name="vLLM",
        model=model,
        command=(
            *(python, "-m", "vllm.entrypoints.openai.api_server"),
            *("--host", "127.0.0.1", "--port", "{port}"),
            *("--model", str(weights), "--served-model-name", model),
            *(() if window is None else ("--max-model-len", str(window))),
            *arguments,
        ),
        key_variable="VLLM_API_KEY",
        environment={
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_WAIT_POLICY": "passive",  # as for llama.cpp, where the CPU computes
        },
        start_deadline=600.0,
    )
