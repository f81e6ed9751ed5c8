"""What the broker adds to a tool: ``python -m benchmarks.broker [--json FILE]``.

The tool runs in this process and answers at once, so that everything measured is the broker's.
Guards are a scripted one that answers at once (judgement off the clock), and the embedded guard's
fast tier with its memory of texts off. LangChain's own way to call the same function is run
beside it.
"""

import argparse
import asyncio
import gc
import itertools
import json
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from assistant.testing.memory_ledger import InMemoryLedger
from assistant.testing.scripted_guard import ScriptedGuard
from benchmarks.guards import WORDS
from guards.conversation import BY_MODEL, BY_TOOL, Message, Role, ToolCall, text_message
from guards.embedded import load_embedded_guard
from guards.exchanges import call_exchange
from guards.guard import Guard
from guards.panel import Panel, Seat
from plugins.access import Access
from plugins.broker import Broker
from plugins.caller import Caller
from plugins.calling import Calling
from plugins.journal import CallStep
from plugins.manifest import Limits, Manifest, SideEffect
from plugins.provenance import trace
from plugins.registry import Bound, Catalogue
from plugins.result import Result
from plugins.schemas import compiled, parsed
from plugins.testing.fakes import FakeStore
from plugins.testing.fakes import access as fake_access
from plugins.tool import Tool, ToolSpec
from policies.audience import Audience
from policies.bundle import Policy
from policies.call import CallFacts
from policies.placeholders import Placeholders

CALLS = 400
AT_ONCE = 1000
SEARCH = ToolSpec(
    name="search",
    description="Find pages.",
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "maxLength": 400},
            "count": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)
CALLER = Caller(tenant="t", user="u", session="s", turn="m", pseudonym="p")
_numbers = itertools.count()


def passage(words: int) -> str:
    """A text that no guard has seen before."""
    start = next(_numbers)
    chosen = (WORDS[(start * 7 + i * (1 + start % 5)) % len(WORDS)] for i in range(words))
    return f"{start} " + " ".join(chosen)


def conversation() -> tuple[Message, ...]:
    """Twenty messages of 400 characters, every fourth from a tool."""
    speakers = (None, (Role.ASSISTANT, BY_MODEL), None, (Role.TOOL, BY_TOOL))
    messages = []
    for index in range(20):
        speaker = speakers[index % 4]
        if speaker is None:
            messages.append(text_message(passage(80), id=f"m{index}"))
        else:
            role, provenance = speaker
            messages.append(
                text_message(passage(80), id=f"m{index}", role=role, provenance=provenance)
            )
    return tuple(messages)


class Silence:
    """A journal that keeps nothing, as what a log costs has a benchmark of its own."""

    def decided(self, exchange: object, decision: object) -> None:
        """Nothing."""

    def stepped(self, step: CallStep) -> None:
        """Nothing."""

    async def durable(self) -> None:
        """At once."""


async def found(_arguments: Mapping[str, Any], _access: Access) -> Result:
    """A result of 200 words."""
    return Result(content=passage(200))


def broker(guard: Guard, effect: SideEffect = SideEffect.NONE) -> Broker:
    """A broker of one tool, judged by ``guard`` alone."""
    manifest = Manifest(
        name="search",
        version="1",
        side_effect=SideEffect.REVERSIBLE,
        hosts=("search.example.org",),
        limits=Limits(calls_per_turn=10**9, at_once=AT_ONCE),
    )
    bound = Bound(
        tool=Tool(spec=SEARCH, run=found, side_effect=effect, content=frozenset({"query"})),
        manifest=manifest,
        http=httpx.AsyncClient(),
        secrets={},
        gate=asyncio.Semaphore(AT_ONCE),
    )
    store = FakeStore()
    return Broker(
        panel=Panel([Seat(guard=guard, subjects=guard.subjects)]),
        policy=Policy.load_builtin(),
        catalogue=Catalogue(bound={"search": bound}),
        ledger=InMemoryLedger(),
        stores=lambda _plugin, _caller: store,
    )


def calling(which: Broker) -> Calling:
    """The calls of one turn."""
    return which.calling(
        CALLER,
        Silence(),
        offered=["search"],
        placeholders=Placeholders(),
        progress=lambda _call, _text: None,
    )


def call() -> ToolCall:
    """A call with arguments that were never made before."""
    number = next(_numbers)
    arguments = json.dumps({"query": f"where to buy llamas {number}", "count": 5})
    return ToolCall(id=f"c{number}", name="search", arguments=arguments)


async def timed(work: Callable[[], Awaitable[object]], calls: int = CALLS) -> tuple[float, float]:
    """Milliseconds of one call: median and 95th percentile."""
    for _ in range(20):
        await work()
    taken = []
    gc.collect()
    for _ in range(calls):
        start = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


async def langchain() -> Callable[[], Awaitable[object]]:
    """The same function called the way LangChain calls tools."""
    from langchain_core.tools import StructuredTool

    async def search(query: str, count: int = 5) -> str:
        """Find pages."""
        del query, count
        return passage(200)

    tool = StructuredTool.from_function(coroutine=search)
    return lambda: tool.ainvoke({"query": f"llamas {next(_numbers)}", "count": 5})


async def steps(policy: Policy) -> dict[str, float]:
    """Median milliseconds of the broker's steps, each on its own."""
    context = conversation()
    tool = compiled(SEARCH)
    arguments = {"query": "where to buy llamas", "count": 5}
    exchange = call_exchange(call(), context)
    panel = Panel([Seat(guard=ScriptedGuard(), subjects=ScriptedGuard().subjects)])
    verdict = await panel.judge(exchange)
    facts = CallFacts(tool="search", plugin="search", effect="none", egress="named")

    async def validate() -> object:
        return parsed(call().arguments, tool)

    async def follow() -> object:
        return trace(
            "search",
            arguments,
            context,
            content=frozenset({"query"}),
            schema=SEARCH.parameters,
        )

    async def decide() -> object:
        return policy.decide(exchange, verdict, Audience.GENERAL, "en", facts)

    async def judge() -> object:
        return await panel.judge(exchange)

    named: dict[str, Callable[[], Awaitable[object]]] = {
        "validate": validate,
        "trace": follow,
        "decide": decide,
        "ask the panel": judge,
    }
    return {name: (await timed(work))[0] for name, work in named.items()}


async def memory() -> dict[str, float]:
    """A thousand calls side by side: seconds, and megabytes that the process grew by."""
    which = broker(ScriptedGuard(delay=0.05))
    context = conversation()
    turn = calling(which)
    gc.collect()
    before = peak()
    start = time.perf_counter()
    await asyncio.gather(*(turn.call(call(), context) for _ in range(AT_ONCE)))
    return {"seconds": time.perf_counter() - start, "megabytes": peak() - before}


def peak() -> float:
    """The most memory that this process ever held, in megabytes."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20


async def measure() -> dict[str, Any]:
    """All figures, in milliseconds unless their name says otherwise."""
    context = conversation()
    figures: dict[str, Any] = {"1,000 calls at once": await memory()}
    access = fake_access()
    rows: dict[str, Callable[[], Awaitable[object]]] = {
        "the tool itself": lambda: found({}, access),
        "LangChain's StructuredTool": await langchain(),
    }
    scripted = ScriptedGuard()
    embedded = load_embedded_guard(tier="fast")
    for name, guard, effect in (
        ("broker, judged at once", scripted, SideEffect.NONE),
        ("broker, with a side effect", scripted, SideEffect.REVERSIBLE),
        ("broker, embedded guard's fast tier", embedded, SideEffect.NONE),
    ):
        turn = calling(broker(guard, effect))
        rows[name] = lambda turn=turn: turn.call(call(), context)  # type: ignore[misc] # bound here
    for name, work in rows.items():
        median, high = await timed(work)
        figures[name] = {"p50": median, "p95": high}
    figures["steps"] = await steps(Policy.load_builtin())
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = asyncio.run(measure())
    bare = figures["the tool itself"]["p50"]
    print(f"{'':36} {'p50 ms':>8} {'p95 ms':>8} {'added':>8}")
    for name, row in figures.items():
        if "p50" in row:
            print(f"{name:36} {row['p50']:8.3f} {row['p95']:8.3f} {row['p50'] - bare:8.3f}")
    print("\nsteps (p50 ms)")
    for name, median in figures["steps"].items():
        print(f"{name:36} {median:8.3f}")
    crowd = figures["1,000 calls at once"]
    print(f"\n1,000 calls at once: {crowd['seconds']:.2f} s, {crowd['megabytes']:.0f} MB more")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
