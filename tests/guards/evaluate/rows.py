"""Rows, seats and judgements for the tests of evaluation."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from assistant.testing.scripted_guard import Answer, ScriptedGuard
from guards.conversation import Exchange, Subject
from guards.evaluate.datasets import Row
from guards.evaluate.judged import Judged
from guards.evaluate.run import OpenSeats
from guards.hazards import Hazard
from guards.panel import Seat
from guards.verdict import Failure, Finding


def row(text: str, label: bool = False, **fields: Any) -> Row:
    standard = {"subject": Subject.USER_INPUT, "file": "rows.jsonl", "line": 1, "lang": "en"}
    return Row(text=text, label=label, **(standard | fields))


def judged(
    one: Row,
    found: float | None,
    *,
    hazard: Hazard = Hazard.HATE,
    elapsed: float = 0.002,
    **fields: Any,
) -> Judged:
    """A judgement with one finding, or without a verdict when ``found`` is ``None``."""
    if found is None:
        fields["failure"] = Failure.TIMEOUT
    else:
        fields.setdefault("probabilities", {hazard: found})
    return Judged(row=one.key, guard="scripted", revision="1", elapsed=elapsed, **fields)


def says_its_number(exchange: Exchange) -> Answer:
    """A guard that finds hate with the probability the text ends with; ``fail`` fails."""
    word = exchange.text.split()[-1]
    if word == "fail":
        return ValueError("words of a user")
    return (Finding(hazard=Hazard.HATE, probability=float(word)),)


def seated(*guards: ScriptedGuard, deadline: float = 5.0) -> OpenSeats:
    """Opens seats for ``guards`` in this process."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Sequence[Seat]]:
        yield [Seat(guard=g, subjects=g.subjects, deadline=deadline) for g in guards]

    return opened


def numbering(name: str = "scripted", **fields: Any) -> ScriptedGuard:
    return ScriptedGuard(answer=says_its_number, name=name, **fields)


@asynccontextmanager
async def opened_elsewhere() -> AsyncIterator[Sequence[Seat]]:
    """Seats that another process can open for itself."""
    guard = numbering()
    yield [Seat(guard=guard, subjects=guard.subjects)]
