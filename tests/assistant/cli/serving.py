"""``corral serve`` and ``corral guard serve`` as processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.assistant.cli.stage import Stage

CORRAL = [sys.executable, "-c", "from assistant.cli.main import run; run()"]


@contextmanager
def serve(stage: Stage, *args: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The whole server's address on a free port, and its process."""
    with serving(stage, "serve", *args) as started:
        yield started


@contextmanager
def serving(
    stage: Stage, *command: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address on a free port that ``command`` serves, and its process."""
    process = subprocess.Popen(
        [*CORRAL, *command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | stage.environment | {"CORRAL_PORT": "0"} | dict(environment or {}),
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
