"""What guarding costs in time with another framework: NeMo Guardrails beside Corral, in one run.

Each is measured next to the scripted upstream of ``benchmarks.overhead``, by the same load, and
asks the upstream's scripted guard. NeMo Guardrails runs as its own server (the application, on
loopback; its command would listen on every interface), with a content-safety rail on the input
and one on the output, set up as near to Corral as it goes and in doubt in its favour:

- A reply streams in pieces of ten tokens, each held until judged (``stream_first`` off) with two
  tokens before it: five judgements of a reply with its newer engine, seven with its default one,
  one of them of the whole. Corral makes four or five, each of the reply so far.
- ``passthrough``: nothing but the rails and the answer asks a model.
- Its own logging, which its server always turns on, is off, and so are its usage reports.
- Both of its engines are measured: the default and the newer IORails, which has to be asked for.

The peer keeps no session memory and no decision log and has no policy to decide by; Corral does
all of that, synced to disk. The peer's environment, ``.venv-peer``, is built when missing.

    python -m benchmarks.peer --json peer.json
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from assistant.engine.launcher import free_port
from benchmarks.overhead import Setting, level, running, settings, show

PEER = "nemoguardrails[server]==0.24.1"
ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv-peer"

# What the peer's own command does, but on loopback and silent.
SERVE = """
import logging, sys, uvicorn
from nemoguardrails.server import api
logging.disable(logging.WARNING)
api.app.rails_config_path = sys.argv[1]
api.set_default_config_id("rails")
uvicorn.run(api.app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
"""


def peer_python() -> Path:
    """The interpreter of an environment that holds the peer; built if need be."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / ".ready"
    if not stamp.exists() or stamp.read_text() != PEER:
        print(f"building {ENVIRONMENT.name} with {PEER}", flush=True)
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run((sys.executable, "-m", "venv", str(ENVIRONMENT)), check=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run((*pip, PEER), check=True)
        # Written last, so that an interrupted build starts over.
        stamp.write_text(PEER)
    return python


def configuration(upstream: str) -> str:
    """The peer's configuration (JSON is YAML): two models at ``upstream``, a rail each way."""

    def model(kind: str, name: str) -> dict[str, Any]:
        where = {"base_url": upstream}
        return {"type": kind, "engine": "openai", "model": name, "parameters": where}

    def prompt(direction: str, content: str) -> dict[str, Any]:
        task = f"content_safety_check_{direction} $model=content_safety"
        parser = "is_content_safe"
        return {"task": task, "content": content, "output_parser": parser, "max_tokens": 50}

    check = "content safety check {} $model=content_safety"
    streaming = {"enabled": True, "stream_first": False, "chunk_size": 10, "context_size": 2}
    rails = {
        "input": {"flows": [check.format("input")]},
        "output": {"flows": [check.format("output")], "streaming": streaming},
    }
    prompts = [
        prompt("input", "Is this message safe or unsafe? {{ user_input }}"),
        prompt("output", "Is this reply safe or unsafe? {{ user_input }} {{ bot_response }}"),
    ]
    models = [model("main", "scripted"), model("content_safety", "scripted-guard")]
    payload = {"models": models, "passthrough": True, "rails": rails, "prompts": prompts}
    return json.dumps(payload)


def peers(python: Path, folder: Path, port: int) -> list[Setting]:
    """The peer with its default engine and with the newer one."""
    silent = {"OPENAI_API_KEY": "unused", "NEMO_GUARDRAILS_NO_USAGE_STATS": "1"}
    # Isolated, because this project's packages are no business of the peer's.
    command = (str(python), "-I", "-c", SERVE, str(folder), str(port))
    return [
        Setting(
            name=f"NeMo Guardrails, {engine}",
            command=command,
            environment={**os.environ, **silent, "NEMO_GUARDRAILS_IORAILS_ENGINE": asked},
            remembered=False,
        )
        for engine, asked in (("default engine", "0"), ("IORails engine", "1"))
    ]


def main() -> None:
    """Measure Corral guarded and the peer, print a table for each and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32])
    options = parser.parse_args()
    python = peer_python()
    results: dict[str, Any] = {"cores": os.cpu_count(), "peer": PEER, "settings": {}}
    stand_in = (sys.executable, "-m", "assistant.testing.scripted_upstream")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(stand_in, dict(os.environ), None) as upstream_process,
    ):
        assert upstream_process.stdout is not None
        upstream = json.loads(upstream_process.stdout.readline())["url"]
        rails = Path(folder) / "peer" / "rails"
        rails.mkdir(parents=True)
        (rails / "config.yml").write_text(configuration(upstream))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        guarded = next(s for s in settings(upstream, f"{folder}/corral") if s.name == "guarded")
        for setting in (guarded, *peers(python, rails.parent, port)):
            ready = "readyz" if setting is guarded else "healthz"
            environment = {**setting.environment, "CORRAL_PORT": str(port)}
            with running(setting.command, environment, f"{url}/{ready}") as server:
                rows = [
                    level(url, upstream, setting, n, options.seconds, server.pid)
                    for n in options.concurrency
                ]
            name = "Corral, guarded" if setting is guarded else setting.name
            show(name, rows)
            # The figures beside the upstream's are the setting's own, whoever's it is.
            results["settings"][name] = [
                {"measured" if key == "corral" else key: row[key] for key in row} for row in rows
            ]
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
        print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
