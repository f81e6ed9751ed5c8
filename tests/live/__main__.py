"""``python -m tests.live``: make what the live suite needs, then run it."""

import os
import sys
import time

import pytest

from assistant.errors import CorralError
from tests.live.environment import (
    ROOT,
    LiveEnvironmentError,
    classifier,
    named_entities,
    safetensors,
    say,
    vllm_python,
)


def main(arguments: list[str]) -> int:
    """Build, run the suite with ``arguments`` for pytest, and return its exit code."""
    began = time.monotonic()
    try:
        python = vllm_python()
        weights = safetensors(python)
        classes = classifier(python, weights)
        entities = named_entities()
    except (LiveEnvironmentError, CorralError) as error:
        say(f"cannot run: {error}")
        return 1
    os.environ["LIVE_VLLM_PYTHON"] = str(python)
    os.environ["LIVE_WEIGHTS"] = str(weights)
    os.environ["LIVE_CLASSIFIER"] = str(classes)
    os.environ["LIVE_NAMED_ENTITIES"] = str(entities)
    say(f"environment and weights are there after {time.monotonic() - began:.0f} s")
    os.chdir(ROOT)
    code = pytest.main(
        ["tests/live", "-v", "-s", "--timeout=600", "--durations=0", "--tb=short", *arguments]
    )
    say(f"done after {time.monotonic() - began:.0f} s in all")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
