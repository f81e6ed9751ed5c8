"""How much one moderation process answers: the service alone, and the whole server's endpoint.

Both judge with the embedded guard, decide by the built-in policy and sync the decision log to
disk before they answer; they are loaded in turn from this process, on the same machine. The whole
server stands in front of a scripted upstream (a stand-in) that moderation never asks.

    python -m benchmarks.moderation --json moderation.json
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from assistant.engine.launcher import free_port
from benchmarks.overhead import cpu_seconds, resident_mb, running

SENTENCE = "Could you tell me when the harbour office opens, and which papers I have to bring? "
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "15 words": ("/v1/moderations", {"input": SENTENCE}),
    "100 words": ("/v1/moderations", {"input": SENTENCE * 6}),
    "32 texts of 15 words": ("/v1/moderations", {"input": [SENTENCE] * 32}),
    "a reply of 100 words": (
        "/v1/judge",
        {
            "messages": [
                {"role": "user", "content": SENTENCE},
                {"role": "assistant", "content": SENTENCE * 6},
            ]
        },
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process that serves on loopback."""

    url: str
    pid: int


@contextlib.contextmanager
def serving(command: tuple[str, ...], environment: dict[str, str]) -> Iterator[Server]:
    """``command`` once it is ready, on a free port."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**environment, "CORRAL_PORT": str(port)}
    with running(command, environment, f"{url}/readyz") as process:
        yield Server(url=url, pid=process.pid)


async def load(url: str, body: dict[str, Any], concurrency: int, seconds: float) -> dict[str, Any]:
    """Keep ``concurrency`` requests under way for ``seconds``."""
    times: list[float] = []
    data = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    start = time.perf_counter()

    async def worker(session: aiohttp.ClientSession) -> None:
        while time.perf_counter() - start < seconds:
            sent = time.perf_counter()
            async with asyncio.timeout(30), session.post(url, data=data, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            times.append(time.perf_counter() - sent)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker(session))
    took = time.perf_counter() - start
    ordered = sorted(times)
    return {
        "concurrency": concurrency,
        "requests": len(times),
        "requests_per_second": len(times) / took,
        "p50_ms": 1000 * statistics.median(ordered),
        "p99_ms": 1000 * ordered[int(0.99 * len(ordered))],
    }


def measure(
    name: str, server: Server, asked: str, concurrency: int, seconds: float
) -> dict[str, Any]:
    """One server under one load."""
    path, body = ASKED[asked]
    before = cpu_seconds(server.pid)
    row = uvloop.run(load(server.url + path, body, concurrency, seconds))
    spent = cpu_seconds(server.pid) - before
    row["cpu_ms"] = 1000 * spent / row["requests"]
    row["resident_mb"] = resident_mb(server.pid)
    print(
        f"  {name:8} {asked:21} {concurrency:4d} {row['requests_per_second']:8.1f}"
        f" {row['p50_ms']:8.2f} {row['p99_ms']:8.2f} {row['cpu_ms']:7.2f}"
        f" {row['resident_mb']:6.0f}"
    )
    return {"server": name, "asked": asked, **row}


def main() -> None:
    """Measure both servers, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32])
    options = parser.parse_args()
    corral = str(Path(sys.executable).with_name("corral"))
    stand_in = (sys.executable, "-m", "assistant.testing.scripted_upstream")
    print("  server   asked                 conc    req/s   p50 ms   p99 ms  cpu ms RSS MB")
    with (
        tempfile.TemporaryDirectory() as data,
        running(stand_in, dict(os.environ), None) as upstream,
        contextlib.ExitStack() as stack,
    ):
        assert upstream.stdout is not None
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CORRAL_")},
            "CORRAL_ENGINE_URLS": json.dumps([json.loads(upstream.stdout.readline())["url"]]),
            "CORRAL_ENGINE_MODEL": "scripted",
            "CORRAL_DATA_DIR": data,
        }
        servers = {
            name: stack.enter_context(serving(command, environment))
            for name, command in {
                "service": (corral, "guard", "serve"),
                "whole": (corral, "serve"),
            }.items()
        }
        for server in servers.values():
            for path, body in ASKED.values():
                uvloop.run(load(server.url + path, body, 8, 0.5))
        # In turn, so that both meet the same machine.
        rows = [
            measure(name, server, asked, concurrency, options.seconds)
            for asked in ASKED
            for concurrency in options.concurrency
            for name, server in servers.items()
        ]
    if options.json is not None:
        options.json.write_text(
            json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
