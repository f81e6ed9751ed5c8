"""Corral's own tools as the simulator has them: watched, and failing in every way there is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from random import Random
from typing import Any, cast

import httpx

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.approval import canonical
from plugins.errors import ToolError
from plugins.manifest import Limits, Manifest, SideEffect
from plugins.registry import Bound, Catalogue
from plugins.result import Citation, Result
from plugins.tool import Tool, ToolSpec
from tests.simulation.engine import dawdle
from tests.simulation.records import CURRENT, Delivery, Run, Seen
from tests.simulation.store import Host

SECONDS = 2.0
TERMS = Manifest(
    name="desk",
    version="1.0",
    side_effect=SideEffect.IRREVERSIBLE,
    reads=frozenset(Confidentiality),
    limits=Limits(seconds=SECONDS, output_chars=2000, calls_per_turn=6, at_once=2),
)
EFFECTS = {
    "read": SideEffect.NONE,
    "note": SideEffect.REVERSIBLE,
    "pay": SideEffect.IRREVERSIBLE,
}

Started = Callable[[Delivery, Run, Access], None]


class ToolFault(StrEnum):
    """How a tool fails."""

    RAISES = "tool raises"
    QUOTES = "tool raises, quoting its arguments"
    HANGS = "tool hangs"
    LINGERS = "tool hangs, and takes its time to end"
    NOTHING = "tool returns nothing"
    LONG = "tool returns too much"
    LABEL = "tool returns what is not text"
    CANCELLED = "tool's own work was cancelled"


def _spec(name: str, argument: str) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=f"{name.capitalize()} something.",
        parameters={
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
            "additionalProperties": False,
        },
    )


SPECS = (_spec("note", "what"), _spec("pay", "what"), _spec("read", "query"))
"""As the engine is told of them."""


def catalogue(host: Host, seen: Seen, check: Started) -> Catalogue:
    """One process's tools; ``check`` hears of each run when it starts."""
    http = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(404)), trust_env=False
    )
    gate = asyncio.Semaphore(TERMS.limits.at_once)
    bound = {}
    for spec in SPECS:
        argument = next(iter(spec.parameters["properties"]))
        bound[spec.name] = Bound(
            tool=Tool(
                spec=spec,
                run=_run(spec.name, host, seen, check),
                side_effect=EFFECTS[spec.name],
                content=frozenset({argument}) if spec.name == "read" else frozenset(),
                command=argument,
                direct=spec.name != "read",
            ),
            manifest=TERMS,
            http=http,
            secrets={},
            gate=gate,
        )
    return Catalogue(bound=bound)


def _run(
    name: str, host: Host, seen: Seen, check: Started
) -> Callable[[Mapping[str, Any], Access], Awaitable[Result]]:
    async def run(arguments: Mapping[str, Any], access: Access) -> Result:
        delivery = CURRENT.get()
        if not host.alive:
            raise RuntimeError("a dead process runs nothing")
        run = Run(
            tool=name,
            arguments=canonical(dict(arguments)),
            key=access.key,
            effect=EFFECTS[name] is not SideEffect.NONE,
            at=asyncio.get_running_loop().time(),
        )
        seen.note(delivery, f"tool {name}", run.arguments)
        seen.counts[f"tool ran: {name}"] += 1
        check(delivery, run, access)
        rates, rng = seen.scenario.rates, delivery.rng
        if rng.random() < 0.2:
            access.progress(f"zt{delivery.root.turn_plan.number}z goes on {_harm(rng, 0.4)}")
        await access.store.put("last", run.arguments.encode(), ttl=60.0)
        await dawdle(rates, rng)
        await asyncio.sleep(rng.choice((0.0, 0.0, 0.02, 0.3)))
        if rates.tool and rng.random() < rates.tool:
            fault = rng.choice(list(ToolFault))
            seen.counts[f"fault: {fault}"] += 1
            seen.note(delivery, f"tool {name}", fault)
            return await _fail(fault, run)
        await access.store.get("last")
        result = _found(delivery.root.turn_plan.number, rng)
        seen.note(delivery, f"tool {name}", f"gives {result.content!r}")
        return result

    return run


def _found(turn: int, rng: Random) -> Result:
    """What a tool gives: data, now and then with something in it that nobody should read."""
    text = f"zt{turn}z found {_harm(rng, 0.4)}"
    if rng.random() < 0.1:
        raise ToolError(text)
    artifact = {"seen": f"zt{turn}z {_harm(rng, 0.3)}"} if rng.random() < 0.3 else None
    citations: tuple[Citation, ...] = ()
    if rng.random() < 0.2:
        source = Citation(title=f"zt{turn}z {_harm(rng, 0.3)}", url="kb:page", text=text)
        citations = (source,)
    return Result(content=text, artifact=artifact, citations=citations)


_HARMS = (
    "prompt_injection:0.95",
    "prompt_injection:0.95",
    "prompt_injection:0.2",
    "personal_data:0.95",
    "elections:0.95",
    "secrets:0.95",
    "hate:0.4",
    "self_harm:0.9",
)


def _harm(rng: Random, share: float) -> str:
    return f"<{rng.choice(_HARMS)}> so" if rng.random() < share else ""


async def _fail(fault: ToolFault, run: Run) -> Result:
    match fault:
        case ToolFault.RAISES:
            raise RuntimeError("a bug in a tool")
        case ToolFault.QUOTES:
            raise ValueError(f"cannot do {run.arguments}")
        case ToolFault.HANGS:
            await asyncio.get_running_loop().create_future()
        case ToolFault.LINGERS:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0.3)
        case ToolFault.NOTHING:
            return cast("Result", None)
        case ToolFault.LONG:
            return Result(content="x" * 3000)
        case ToolFault.LABEL:
            return Result(content=cast("str", run.arguments.encode()))
        case ToolFault.CANCELLED:
            raise asyncio.CancelledError
    raise AssertionError("every fault that gets here was cut short")
