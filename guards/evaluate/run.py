"""Guards asked about rows: failing closed, several at once, and taken up again after an end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from guards.conversation import Subject
from guards.evaluate.datasets import Row, exchange_of
from guards.evaluate.journal import Journal
from guards.evaluate.judged import Judged
from guards.evaluate.workers import Crew, Opener, Work, each, work_through
from guards.hazards import Hazard
from guards.panel import Seat, judge_within
from guards.verdict import Failure, Judgement, Unscanned

OpenSeats = Callable[[], AbstractAsyncContextManager[Sequence[Seat]]]
"""Opens the guards to evaluate, each with what it judges and its deadline. With several processes
it is pickled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRun:
    """All that one guard said of the rows.

    Attributes:
        judged: one for each row, in the rows' order.
        asked: how many judgements were made now, the others being known from before.
        seconds: how long those took, several at once.
    """

    name: str
    revision: str
    hazards: frozenset[Hazard]
    subjects: frozenset[Subject]
    judged: tuple[Judged, ...]
    asked: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Told as judgements come: ``done`` of ``total`` rows of a guard, some known from before."""

    guard: str
    done: int
    total: int


async def judge_rows(
    rows: Sequence[Row],
    open_seats: OpenSeats,
    journal: Journal,
    *,
    crew: Crew,
    on_progress: Callable[[Progress], None],
) -> tuple[GuardRun, ...]:
    """Ask each guard about every row the journal has no verdict of, one guard after the other.

    A guard that fails, misses its deadline or does not judge a row's subject gives a judgement
    with its failure. Rows that say the same are asked once.
    """
    runs = []
    async with open_seats() as seats:
        for place, seat in enumerate(seats):
            opener: Opener[Row, Judgement]
            if crew.processes == 1:
                opener = partial(_at_hand, seat)
            else:
                opener = partial(_opened, open_seats, place)
            runs.append(await _run(seat, rows, opener, journal, crew, on_progress))
    return tuple(runs)


async def _run(
    seat: Seat,
    rows: Sequence[Row],
    opener: Opener[Row, Judgement],
    journal: Journal,
    crew: Crew,
    on_progress: Callable[[Progress], None],
) -> GuardRun:
    guard = seat.guard
    loop = asyncio.get_running_loop()
    start = loop.time()
    keyed = {row.key: row for row in rows}
    missing = {
        key: row
        for key, row in keyed.items()
        if journal.verdict(key, guard.name, guard.revision) is None
    }
    done = len(keyed) - len(missing)

    def tell() -> None:
        on_progress(Progress(guard=guard.name, done=done, total=len(keyed)))

    tell()
    if missing:
        keys = iter(missing)
        async with aclosing(work_through(each(missing.values()), opener, crew)) as answers:
            async for _, judgement in answers:
                journal.add(
                    Judged.of(next(keys), judgement, guard=guard.name, revision=guard.revision)
                )
                done += 1
                tell()
    found = {key: journal.judged(key, guard.name, guard.revision) for key in keyed}
    return GuardRun(
        name=guard.name,
        revision=guard.revision,
        hazards=guard.hazards,
        subjects=seat.subjects,
        judged=tuple(judged for row in rows if (judged := found[row.key]) is not None),
        asked=len(missing),
        seconds=loop.time() - start,
    )


@asynccontextmanager
async def _at_hand(seat: Seat) -> AsyncIterator[Work[Row, Judgement]]:
    yield partial(_judge, seat)


@asynccontextmanager
async def _opened(open_seats: OpenSeats, place: int) -> AsyncIterator[Work[Row, Judgement]]:
    async with open_seats() as seats:
        yield partial(_judge, seats[place])


async def _judge(seat: Seat, row: Row) -> Judgement:
    if row.subject not in seat.subjects:
        return Unscanned(
            guard=seat.guard.name,
            revision=seat.guard.revision,
            reason=Failure.MISSING,
            detail=f"it does not judge {row.subject}",
            elapsed=0.0,
        )
    return await judge_within(seat, exchange_of(row))
