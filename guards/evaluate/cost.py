"""What judging took: time of one judgement, and how much text a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guards.evaluate.datasets import Row
from guards.evaluate.run import GuardRun

_EDGES = tuple(float(edge) for edge in np.round(10.0 ** np.arange(-2.0, 5.01, 0.1), 4))
"""Milliseconds; ten bins to each factor of ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one judgement, verdicts only."""

    mean: float
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBin:
    """Verdicts that took between ``low`` and ``high`` milliseconds."""

    low: float
    high: float
    verdicts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What judging took.

    Attributes:
        calls: judgements of different rows, each of which was one call of the guard.
        characters: judged characters of those with a verdict, context not counted.
        characters_per_second: of judgements made one after the other.
        calls_now: judgements made in this run; the others were known from before.
        seconds_now: how long this run took over them, several at once.
    """

    calls: int
    characters: int
    characters_per_second: float | None
    calls_now: int
    seconds_now: float
    latency: Latency | None
    histogram: tuple[TimeBin, ...]


def cost_of(rows: Sequence[Row], run: GuardRun) -> Cost:
    """The cost of ``run``, whose judgements stand row by row beside ``rows``."""
    once = {one.row: (row, one) for row, one in zip(rows, run.judged, strict=True)}
    verdicts = [(row, one) for row, one in once.values() if one.failure is None]
    seconds = np.array([one.elapsed for _, one in verdicts], np.float64)
    characters = sum(len(row.judged) for row, _ in verdicts)
    total = float(np.sum(seconds))
    return Cost(
        calls=len(once),
        characters=characters,
        characters_per_second=round(characters / total, 1) if total > 0 else None,
        calls_now=run.asked,
        seconds_now=round(run.seconds, 3),
        latency=_latency(seconds * 1000) if verdicts else None,
        histogram=_histogram(seconds * 1000),
    )


def _latency(milliseconds: np.ndarray) -> Latency:
    p50, p95, p99 = (round(float(p), 3) for p in np.percentile(milliseconds, [50, 95, 99]))
    return Latency(
        mean=round(float(np.mean(milliseconds)), 3),
        p50=p50,
        p95=p95,
        p99=p99,
        most=round(float(np.max(milliseconds)), 3),
    )


def _histogram(milliseconds: np.ndarray) -> tuple[TimeBin, ...]:
    """From the first bin that holds verdicts to the last."""
    counts, _ = np.histogram(np.clip(milliseconds, _EDGES[0], _EDGES[-1]), _EDGES)
    used = np.flatnonzero(counts)
    if not len(used):
        return ()
    return tuple(
        TimeBin(low=_EDGES[place], high=_EDGES[place + 1], verdicts=int(counts[place]))
        for place in range(int(used[0]), int(used[-1]) + 1)
    )
