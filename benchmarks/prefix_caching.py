"""Cost of judging a growing reply, with a server's prefix cache and without.

Each further judgement of a reply shows the guard everything it has seen before and a little more.
Against a vLLM server that is running (a guard model or any other), for replies of some lengths,
this measures the judgement that comes after one: once as it is, and once with a cache salt of its
own, which makes the server compute everything anew.

    python -m benchmarks.prefix_caching http://127.0.0.1:8000/v1 --json prefix_caching.json

Where the server computes on this machine's own processors, ``--worker`` names its process: the
processor time it takes is measured too, which other work on the machine does not lengthen.

The server's key, if it asks for one, is read from CORRAL_GUARD_API_KEY. Started with
``--enable-prompt-tokens-details``, it also says how many tokens came from the cache.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.guards import WORDS
from guards.served import served_models
from guards.upstream import Upstream, open_upstreams

LENGTHS = (100, 500, 1500, 3000)
TASK_TOKENS = 500
"""What a guard's template writes around a conversation: task, categories, form of the answer."""

MARGIN = 100
"""Tokens for what a chat template adds, and for counting that is not exact."""

DEADLINE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One request; ``cached_tokens`` where the server says."""

    prompt_tokens: int
    cached_tokens: int | None
    milliseconds: float
    cpu_milliseconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Medians over the rounds of one length."""

    reply_tokens: int
    prompt_tokens: int
    cached_tokens: int | None
    with_cache_ms: int
    without_cache_ms: int
    with_cache_cpu_ms: int | None
    without_cache_cpu_ms: int | None


class Server:
    """The server under measurement."""

    def __init__(self, upstream: Upstream, model: str, worker: int | None) -> None:
        self._upstream = upstream
        self._model = model
        self._worker = worker
        self._salts = 0

    async def text(self, tokens: int, chance: random.Random) -> str:
        """Words that come to about so many tokens."""
        words = chance.choices(WORDS, k=tokens)
        body = {"model": self._model, "prompt": " ".join(words)}
        counted = await self._upstream.post_json("/tokenize", body, timeout=DEADLINE)
        return " ".join(words[: max(1, tokens * tokens // counted["count"])])

    async def judge(self, task: str, reply: str, *, cached: bool) -> Judgement:
        """Ask for the first token of one verdict on ``reply``."""
        question = f"{task}\n\nUser: Tell me a story.\n\nAgent: {reply}\n\nIs the last turn safe?"
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 5,
        }
        if not cached:
            self._salts += 1
            body["cache_salt"] = f"{os.getpid()}-{self._salts}"
        worked = self._worked()
        start = time.perf_counter()
        answer = await self._upstream.post_json("chat/completions", body, timeout=DEADLINE)
        milliseconds = 1e3 * (time.perf_counter() - start)
        usage = answer["usage"]
        return Judgement(
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            milliseconds=milliseconds,
            cpu_milliseconds=None if worked is None else (self._worked() or 0.0) - worked,
        )

    def _worked(self) -> float | None:
        """Milliseconds of processor time the worker has had, as Linux counts it."""
        if self._worker is None:
            return None
        stat = Path(f"/proc/{self._worker}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return 1e3 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def measured(server: Server, length: int, new: int, rounds: int) -> Figures:
    """The judgement that follows one of a reply ``new`` tokens shorter than ``length``."""
    chance = random.Random()  # never what a server may remember from another run
    task = await server.text(TASK_TOKENS, chance)
    warm, cold = [], []
    for _ in range(rounds):
        before = await server.text(max(1, length - new), chance)
        after = f"{before} {await server.text(new, chance)}"
        await server.judge(task, before, cached=True)
        warm.append(await server.judge(task, after, cached=True))
        cold.append(await server.judge(task, after, cached=False))
    return Figures(
        reply_tokens=length,
        prompt_tokens=round(statistics.median(j.prompt_tokens for j in warm)),
        cached_tokens=median(j.cached_tokens for j in warm),
        with_cache_ms=median(j.milliseconds for j in warm) or 0,
        without_cache_ms=median(j.milliseconds for j in cold) or 0,
        with_cache_cpu_ms=median(j.cpu_milliseconds for j in warm),
        without_cache_cpu_ms=median(j.cpu_milliseconds for j in cold),
    )


def median(values: Iterable[float | None]) -> int | None:
    """The rounded median; ``None`` where nothing was measured."""
    known = [value for value in values if value is not None]
    return round(statistics.median(known)) if known else None


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of every length the model's window holds."""
    async with open_upstreams() as upstreams:
        key = os.environ.get("CORRAL_GUARD_API_KEY", "")
        upstream = upstreams.at(arguments.url, api_key=key)
        model = (await served_models(upstream, timeout=DEADLINE))[0]
        room = (model.window or max(LENGTHS) * 2) - TASK_TOKENS - MARGIN
        server = Server(upstream, model.name, arguments.worker)
        await measured(server, arguments.new, 1, 1)  # what a server does once, it does here
        figures = []
        for length in LENGTHS:
            if length <= room:
                figures.append(
                    asdict(await measured(server, length, arguments.new, arguments.rounds))
                )
                print(figures[-1], file=sys.stderr, flush=True)
    return {"model": model.name, "new_tokens": arguments.new, "figures": figures}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prefix_caching",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="base URL of the server, ending in /v1")
    parser.add_argument("--new", type=int, default=50, help="tokens since the judgement before")
    parser.add_argument("--rounds", type=int, default=5, help="judgements per length")
    parser.add_argument("--worker", type=int, help="process of the server that computes")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments))
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
