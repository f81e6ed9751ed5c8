"""``corral serve`` as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.assistant.cli.stage import Stage

SERVE = [sys.executable, "-c", "from assistant.cli.main import run; run()", "serve", "--json"]


@contextmanager
def serve(stage: Stage, *args: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Its address on a free port, and its process."""
    process = subprocess.Popen(
        [*SERVE, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | stage.environment | {"CORRAL_PORT": "0"},
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            words = json.loads(line)["message"].split()
            url = next((word for word in words if word.startswith("http://")), None)
            if url is not None:
                yield url, process
                break
        else:
            raise AssertionError(process.communicate()[1])
    finally:
        process.kill()
        process.communicate()
