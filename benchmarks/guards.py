"""Cost of the guards that ship: ``python -m benchmarks.guards [--json FILE]``.

With ``--named-entities "$(corral models path rampart-ner)"`` also of that guard.

Load time and memory are measured in fresh processes, latency on one core with texts the guard
has not seen (cold) and, for a growing reply, with its memory of windows.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path

from guards.conversation import Exchange, Subject, text_message
from guards.embedded import EmbeddedGuard, load_embedded_guard
from guards.embedded.manifest import FILES, MANIFEST
from guards.guard import Guard
from guards.personal_data.entities.guard import NamedEntitiesGuard
from guards.personal_data.entities.model import EntityModel
from guards.personal_data.guard import PersonalDataGuard
from guards.secrets.guard import SecretsGuard

LENGTHS = (10, 100, 1000)
_TEXT = (
    "the a of to and in is it you that he was for on are with as his they be at one have this "
    "from or had by hot word but what some we can out other were all there when up use your how "
    "said an each she which do their time if will way about many then them write would like so "
    "these her long make thing see him two has look more day could go come did number sound no "
    "most people my over know water than call first who may down side been now find market town"
)
WORDS = _TEXT.split()
FOUND = ["212-736-5000", "ann@gmx.de", "4111111111111111", "password:", "Tr0ub4dor&3", "2024-05-01"]
"""Pieces that the guards of rules have to look at closely."""
_LOAD = """
import time, resource, sys
start = time.perf_counter()
import numpy
numpy_at = time.perf_counter()
from guards.embedded import load_embedded_guard
import asyncio
from guards.conversation import Exchange, Subject, text_message
guard = load_embedded_guard()
loaded = time.perf_counter()
asyncio.run(guard.judge(Exchange(subject=Subject.USER_INPUT, message=text_message("hi", id="1"))))
done = time.perf_counter()
scale = 1 if sys.platform == "darwin" else 1024
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
print(numpy_at - start, loaded - start, done - start, memory)
"""
_BARE = """
import numpy, asyncio, resource, sys
scale = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards", description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--rounds", type=int, default=200, help="judgements per length")
    parser.add_argument("--named-entities", type=Path, help="the model of that guard")
    arguments = parser.parse_args()
    figures: dict[str, object] = {
        "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
        "load": load_time(),
        "latency_ms": {
            str(words): asyncio.run(latency(load_embedded_guard(), words, arguments.rounds))
            for words in LENGTHS
        },
        "rules_ms": {
            guard.name: {
                str(words): asyncio.run(latency(guard, words, arguments.rounds, WORDS + FOUND))
                for words in LENGTHS
            }
            for guard in (PersonalDataGuard(), SecretsGuard())
        },
        "stream_ms": asyncio.run(stream(load_embedded_guard())),
        "stall_ms": asyncio.run(stall()),
    }
    if arguments.named_entities:
        names = NamedEntitiesGuard(EntityModel.load(arguments.named_entities))
        figures["named_entities_ms"] = {
            "100": asyncio.run(latency(names, 100, arguments.rounds, WORDS + FOUND)),
            "stream": asyncio.run(stream(names)),
        }
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def load_time(rounds: int = 5) -> dict[str, float]:
    """Median seconds and bytes in new processes, the interpreter's own start not counted."""
    runs = [[float(part) for part in _python(_LOAD).split()] for _ in range(rounds)]
    numpy_s, loaded_s, first_s, memory = (statistics.median(column) for column in zip(*runs))  # noqa: B905
    bare = float(_python(_BARE))
    shipped = Path(sys.modules[EmbeddedGuard.__module__].__file__ or "").parent
    return {
        "import_numpy_s": round(numpy_s, 3),
        "guard_ready_s": round(loaded_s, 3),
        "first_judgement_done_s": round(first_s, 3),
        "process_rss_mb": round(memory / 1e6, 1),
        "above_bare_numpy_mb": round((memory - bare) / 1e6, 1),
        "shipped_mb": round(
            sum((shipped / name).stat().st_size for name in (*FILES, MANIFEST)) / 1e6, 2
        ),
    }


def _python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


async def latency(
    guard: Guard, words: int, rounds: int, vocabulary: Sequence[str] = WORDS
) -> dict[str, float]:
    """Milliseconds per judgement of texts that differ each time."""
    rng = random.Random(words)
    spent = []
    for _ in range(rounds):
        text = " ".join(rng.choices(vocabulary, k=words))
        exchange = Exchange(subject=Subject.USER_INPUT, message=text_message(text, id="1"))
        start = time.perf_counter()
        await guard.judge(exchange)
        spent.append((time.perf_counter() - start) * 1e3)
    return _spread(spent)


async def stream(guard: Guard, words: int = 1000, step: int = 10) -> dict[str, float]:
    """Milliseconds per judgement of a reply judged again every ``step`` words."""
    rng = random.Random(1)
    reply = rng.choices(WORDS, k=words)
    spent = []
    for end in range(step, words + 1, step):
        message = text_message(" ".join(reply[:end]), id="1")
        start = time.perf_counter()
        await guard.judge(Exchange(subject=Subject.REPLY_SO_FAR, message=message))
        spent.append((time.perf_counter() - start) * 1e3)
    return _spread(spent)


async def stall(chars: int = 190_000) -> dict[str, float]:
    """Longest time the event loop was held up while the longest texts were judged.

    ``idle_longest`` is the same for an idle process: what this machine does to anybody.
    """
    guard = load_embedded_guard()
    rng = random.Random(2)

    alphabets = (WORDS, list("天地玄黄宇宙洪荒日月盈昃辰宿列张"))
    texts = [" ".join(rng.choices(alphabet, k=chars))[:chars] for alphabet in alphabets]

    async def judge() -> None:
        for text in texts:
            message = text_message(text, id="1")
            await guard.judge(Exchange(subject=Subject.DOCUMENT, message=message))

    start = time.perf_counter()
    longest = await _longest_gap(judge())
    elapsed = time.perf_counter() - start
    return {
        "longest": round(longest * 1e3, 2),
        "idle_longest": round(await _longest_gap(asyncio.sleep(elapsed)) * 1e3, 2),
        "both_texts": round(elapsed * 1e3, 1),
    }


async def _longest_gap(work: Coroutine[None, None, None]) -> float:
    """Longest delay in seconds of a timer of one millisecond while ``work`` runs."""
    longest = 0.0
    task = asyncio.create_task(work)
    while not task.done():
        start = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - start - 0.001)
    await task
    return longest


def _spread(spent: list[float]) -> dict[str, float]:
    ordered = sorted(spent)
    return {
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[int(len(ordered) * 0.99) - 1], 3),
    }


if __name__ == "__main__":
    main()
