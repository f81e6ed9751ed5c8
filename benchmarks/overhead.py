"""What guarding costs in time: Corral against the upstream it stands in front of.

A scripted upstream (a stand-in: 50 ms to the first token, 10 ms a token, 40 tokens; its guard
answers in 40 ms) is measured alone and behind Corral, in the same run, at several levels of
concurrency. Every turn of Corral's is a whole one: Llama Guard on input and output over HTTP,
the built-in policy, session memory in a real Valkey with its data synced to disk, and the
decision log synced before a turn ends. Upstream, load and Corral share this machine's cores.

    python -m benchmarks.overhead --json overhead.json
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from assistant.engine.launcher import free_port
from benchmarks.load import measure

PROMPT = "Tell me something about the tides in the harbour of Lisbon, in a few sentences."


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way of running Corral; ``remembered`` says whether turns belong to sessions."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    remembered: bool = True


def body(model: str, *, session: str | None) -> bytes:
    """The JSON of one request; a ``session`` makes its turn remembered."""
    payload: dict[str, Any] = {
        "model": model,
        "stream": True,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    if session is not None:
        payload["corral"] = {"session": session}
    return json.dumps(payload, separators=(",", ":")).encode()


@contextlib.contextmanager
def running(
    command: tuple[str, ...], environment: dict[str, str], ready: str | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, once ``ready`` answers 200; ended and waited for at the end."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while ready is not None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[-1]} did not start")
            # The address is our own server's, on loopback.
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(ready, timeout=5) as answer,  # noqa: S310
            ):
                if answer.status == 200:
                    break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB, where /proc tells."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) == pid or int(stat[1]) == pid:
                total += int((folder / "statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its children so far."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) == pid or int(stat[1]) == pid:
                total += int(stat[11]) + int(stat[12])
    return total / os.sysconf("SC_CLK_TCK")


def settings(upstream: str, data: str) -> list[Setting]:
    """The ways of running Corral that are measured."""
    common = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CORRAL_")},
        "CORRAL_ENGINE_URLS": json.dumps([upstream]),
        "CORRAL_ENGINE_MODEL": "scripted",
        "CORRAL_DATA_DIR": data,
    }
    guarded = {
        **common,
        "CORRAL_GUARDS": '["llama_guard"]',
        "CORRAL_GUARD_URLS": json.dumps([upstream]),
        "CORRAL_GUARD_MODEL": "scripted-guard",
    }
    corral = str(Path(sys.executable).with_name("corral"))
    unguarded = (sys.executable, "-m", "benchmarks.unguarded")
    return [
        Setting(name="guarded", command=(corral, "serve"), environment=guarded),
        Setting(
            name="guarded, 2 workers",
            command=(corral, "serve", "--workers", "2"),
            environment=guarded,
        ),
        Setting(name="embedded guard", command=(corral, "serve"), environment=common),
        Setting(name="no guards", command=unguarded, environment=common),
        Setting(
            name="no guards, no session", command=unguarded, environment=common, remembered=False
        ),
    ]


def level(
    url: str, upstream: str, setting: Setting, concurrency: int, seconds: float, pid: int
) -> dict[str, Any]:
    """Raw and Corral at one concurrency, in turn, so that both meet the same machine."""
    requests = max(10, int(concurrency * seconds / 0.46))

    def raw_body(_: int) -> bytes:
        return body("scripted", session=None)

    def corral_body(number: int) -> bytes:
        session = f"{concurrency}-{number}-{time.time_ns()}" if setting.remembered else None
        return body("corral", session=session)

    def load(target: str, make: Any) -> dict[str, float]:
        return uvloop.run(
            measure(target, make, concurrency=concurrency, requests=requests)
        ).figures()

    load(f"{url}/v1/chat/completions", corral_body)  # warms connections up
    raw = load(f"{upstream}/chat/completions", raw_body)
    before = cpu_seconds(pid)
    corral = load(f"{url}/v1/chat/completions", corral_body)
    spent = cpu_seconds(pid) - before
    return {
        "concurrency": concurrency,
        "raw": raw,
        "corral": {
            **corral,
            "cpu_ms_per_turn": 1000 * spent / corral["requests"],
            "resident_mb": resident_mb(pid),
        },
        "ratio": {
            "total_p50": corral["total_p50_ms"] / raw["total_p50_ms"],
            "throughput": corral["requests_per_second"] / raw["requests_per_second"],
            "first_text_p50_ms": corral["first_text_p50_ms"],
            "added_p50_ms": corral["total_p50_ms"] - raw["total_p50_ms"],
        },
    }


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """One setting's table."""
    print(f"\n{name}")
    print("  conc  raw req/s  req/s  ratio  raw p50  p50 ms  ratio  first ms  cpu ms  RSS MB")
    for row in rows:
        raw, corral, ratio = row["raw"], row["corral"], row["ratio"]
        print(
            f"  {row['concurrency']:4d}  {raw['requests_per_second']:9.1f}"
            f"  {corral['requests_per_second']:5.1f}  {ratio['throughput']:5.2f}"
            f"  {raw['total_p50_ms']:7.1f}  {corral['total_p50_ms']:6.1f}"
            f"  {ratio['total_p50']:5.2f}  {corral['first_text_p50_ms']:8.1f}"
            f"  {corral['cpu_ms_per_turn']:6.2f}  {corral['resident_mb']:6.0f}"
        )


def main() -> None:
    """Measure every setting, print a table for each and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--only", help="only settings whose name begins so")
    options = parser.parse_args()
    results: dict[str, Any] = {"cores": os.cpu_count(), "settings": {}}
    stand_in = (sys.executable, "-m", "assistant.testing.scripted_upstream")
    with (
        tempfile.TemporaryDirectory() as data,
        running(stand_in, dict(os.environ), None) as upstream_process,
    ):
        assert upstream_process.stdout is not None
        upstream = json.loads(upstream_process.stdout.readline())["url"]
        for setting in settings(upstream, data):
            if options.only and not setting.name.startswith(options.only):
                continue
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            environment = {**setting.environment, "CORRAL_PORT": str(port)}
            with running(setting.command, environment, f"{url}/readyz") as server:
                rows = [
                    level(url, upstream, setting, n, options.seconds, server.pid)
                    for n in options.concurrency
                ]
            show(setting.name, rows)
            results["settings"][setting.name] = rows
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
        print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
