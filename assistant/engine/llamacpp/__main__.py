"""``python -m assistant.engine.llamacpp``: serve one GGUF model on a loopback port."""

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from assistant.engine.llamacpp.app import create_app
from assistant.engine.llamacpp.loop import BatchLoop
from assistant.engine.llamacpp.unpacking import unpacked

KEY_VARIABLE = "CORRAL_EMBEDDED_ENGINE_KEY"


def main() -> None:
    """Serve until told to end. The key comes by the environment, which others cannot read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--name", required=True, help="name to serve it under")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--window", type=int, default=8192, help="tokens of one conversation")
    parser.add_argument("--slots", type=int, default=4, help="completions at once")
    parser.add_argument("--cells", type=int, default=16384, help="tokens cached for all of them")
    parser.add_argument("--queue", type=int, default=64, help="completions that may wait")
    parser.add_argument("--threads", type=int, default=_cores(), help="cores to compute on")
    options = parser.parse_args()
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        sys.exit(f"{KEY_VARIABLE} must hold the key that callers present")
    try:
        batches = BatchLoop(
            unpacked(options.model, threads=options.threads),
            window=options.window,
            slots=options.slots,
            cells=options.cells,
            queue=options.queue,
            threads=options.threads,
        )
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    app = create_app(batches, model=options.name, key=key)
    # Leaving clients are not waited for: whoever ends the engine has no use for their replies.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    batches.close()


def _cores() -> int:
    # Those this process may use, which in a container can be fewer than the machine has.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


if __name__ == "__main__":
    main()
