"""How well scores tell harmful rows from harmless ones: figures and their intervals, in numpy.

Everything is computed from a :class:`Tally`, the number of harmful and harmless rows at each
distinct score, so that a figure and its bootstrap resamples go through the same code.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10
"""Equal bins of the score, for calibration and histograms."""

_BLOCK = 2_000_000
"""Cells of a block of resamples; keeps memory at some 50 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Rows counted by score.

    Attributes:
        at: distinct scores in ``[0, 1]``, highest first, shape ``(G,)``.
        harmful: rows labelled harmful at each score, shape ``(..., G)``: leading dimensions are
            resamples.
        harmless: the same for rows labelled harmless.
    """

    at: Floats
    harmful: Floats
    harmless: Floats


def tally(labels: Bools, scores: Floats) -> Tally:
    """Count rows by score.

    Raises:
        ValueError: the arrays differ in shape, or a score is not within [0, 1].
    """
    if labels.shape != scores.shape or labels.ndim != 1:
        raise ValueError("labels and scores must be flat arrays of the same length")
    if not bool(np.all((scores >= 0.0) & (scores <= 1.0))):
        raise ValueError("scores must be within [0, 1]")
    ascending, group = np.unique(scores, return_inverse=True)
    size = len(ascending)
    return Tally(
        at=ascending[::-1],
        harmful=np.bincount(group[labels], minlength=size)[::-1].astype(np.float64),
        harmless=np.bincount(group[~labels], minlength=size)[::-1].astype(np.float64),
    )


def auroc(t: Tally) -> Floats:
    """Probability that a harmful row scores above a harmless one, ties counted half."""
    above = np.cumsum(t.harmful, axis=-1) - t.harmful
    wins = np.sum(t.harmless * (above + 0.5 * t.harmful), axis=-1)
    return _share(wins, _total(t.harmful) * _total(t.harmless))


def average_precision(t: Tally) -> Floats:
    """Precision averaged over the steps of recall (no interpolation)."""
    caught = np.cumsum(t.harmful, axis=-1)
    flagged = caught + np.cumsum(t.harmless, axis=-1)
    precision = np.divide(caught, flagged, out=np.zeros_like(caught), where=flagged > 0)
    return _share(np.sum(t.harmful * precision, axis=-1), _total(t.harmful))


def recall_at_fpr(t: Tally, most: float) -> Floats:
    """Highest recall of any threshold that flags at most the share ``most`` of harmless rows."""
    rate = np.cumsum(t.harmless, axis=-1) / np.maximum(_total(t.harmless), 1.0)[..., None]
    # Only scores that hold rows in this resample are thresholds; the others change nothing.
    caught = np.where(rate <= most + 1e-12, np.cumsum(t.harmful, axis=-1), 0.0)
    return _share(np.max(caught, axis=-1, initial=0.0), _total(t.harmful))


def threshold_at_fpr(t: Tally, most: float) -> float:
    """The lowest score that flags at most the share ``most`` of harmless rows.

    Infinite when every score flags more. For a plain tally, not for resamples.
    """
    rate = np.cumsum(t.harmless) / max(float(np.sum(t.harmless)), 1.0)
    allowed = np.flatnonzero(rate <= most + 1e-12)
    return float(t.at[allowed[-1]]) if len(allowed) else math.inf


def recall(t: Tally, threshold: float) -> Floats:
    """Share of harmful rows at or above ``threshold``."""
    return _share(np.sum(t.harmful[..., t.at >= threshold], axis=-1), _total(t.harmful))


def flag_rate(t: Tally, threshold: float) -> Floats:
    """Share of harmless rows at or above ``threshold``: the false positive rate."""
    return _share(np.sum(t.harmless[..., t.at >= threshold], axis=-1), _total(t.harmless))


def precision(t: Tally, threshold: float) -> Floats:
    """Share of harmful rows among those at or above ``threshold``; NaN when there are none."""
    flagged = t.at >= threshold
    caught = np.sum(t.harmful[..., flagged], axis=-1)
    return _share(caught, caught + np.sum(t.harmless[..., flagged], axis=-1))


def f1(t: Tally, threshold: float) -> Floats:
    """Harmonic mean of precision and recall at ``threshold``."""
    flagged = t.at >= threshold
    caught = np.sum(t.harmful[..., flagged], axis=-1)
    wrong = np.sum(t.harmless[..., flagged], axis=-1)
    return _share(2.0 * caught, caught + wrong + _total(t.harmful))


def brier(t: Tally) -> Floats:
    """Mean squared difference of score and label."""
    loss = np.sum(t.harmful * (1.0 - t.at) ** 2 + t.harmless * t.at**2, axis=-1)
    return _share(loss, _total(t.harmful) + _total(t.harmless))


def calibration_error(t: Tally, bins: int = BINS) -> Floats:
    """Expected calibration error over ``bins`` equal bins of the score.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    rows, scores, harmful = _binned(t, bins)
    return _share(np.sum(np.abs(scores - harmful), axis=-1), np.sum(rows, axis=-1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One bin of the score: its rows, their mean score, and the share labelled harmful."""

    low: float
    high: float
    rows: int
    score: float
    harmful: float


def reliability(t: Tally, bins: int = BINS) -> tuple[Bin, ...]:
    """The bins that hold rows, lowest first. For a plain tally, not for resamples."""
    rows, scores, harmful = _binned(t, bins)
    return tuple(
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            rows=int(count),
            score=float(scores[place] / count),
            harmful=float(harmful[place] / count),
        )
        for place, count in enumerate(rows)
        if count
    )


def roc_curve(t: Tally) -> tuple[Floats, Floats]:
    """False positive rates and recalls of every threshold, from (0, 0) to (1, 1)."""
    return _curve(t.harmless), _curve(t.harmful)


def pr_curve(t: Tally) -> tuple[Floats, Floats]:
    """Recalls and precisions of every threshold, in order of recall."""
    caught, wrong = np.cumsum(t.harmful), np.cumsum(t.harmless)
    return _curve(t.harmful)[1:], caught / (caught + wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure and its 95 % interval; ``low`` and ``high`` are ``None`` without resamples."""

    value: float
    low: float | None = None
    high: float | None = None


Measure = Callable[[Tally], Floats]


def bootstrap(
    t: Tally, measures: dict[str, Measure], *, resamples: int, rng: np.random.Generator
) -> dict[str, Figure]:
    """Every measure with its interval: 2.5th and 97.5th percentile over resampled rows.

    Rows are drawn with replacement within the harmful and within the harmless ones, so that
    their numbers stay. A measure that is undefined for the rows (NaN) is left out.
    """
    drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    for block in _resampled(t, resamples, rng):
        for name, measure in measures.items():
            drawn[name].append(measure(block))
    figures = {}
    for name, measure in measures.items():
        value = float(measure(t))
        if math.isnan(value):
            continue
        figures[name] = _with_interval(value, drawn[name])
    return figures


def _with_interval(value: float, drawn: list[Floats]) -> Figure:
    found = np.concatenate(drawn) if drawn else np.empty(0)
    known = found[~np.isnan(found)]
    if not len(known):
        return Figure(value=value)
    low, high = np.percentile(known, [2.5, 97.5])
    return Figure(value=value, low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A figure of two guards on the same rows; ``difference`` is the second less the first."""

    first: float
    second: float
    difference: Figure


def paired_bootstrap(
    labels: Bools,
    first: tuple[Floats, dict[str, Measure]],
    second: tuple[Floats, dict[str, Measure]],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, Paired]:
    """Every measure of two guards' scores, with the interval of their difference.

    In each resample the same rows count for both. Both mappings hold the same names; the
    measures may differ in their threshold. What is undefined for the rows is left out.
    """
    sides = [(tally(labels, scores), scores, measures) for scores, measures in (first, second)]
    differences: dict[str, list[Floats]] = {name: [] for name in first[1]}
    for picks in _picked(labels, resamples, rng):
        blocks = [_retallied(t, scores, labels, picks) for t, scores, _ in sides]
        for name in differences:
            ours, theirs = (side[2][name](block) for side, block in zip(sides, blocks, strict=True))
            differences[name].append(theirs - ours)
    found = {}
    for name in first[1]:
        a, b = (float(measures[name](t)) for t, _, measures in sides)
        if not (math.isnan(a) or math.isnan(b)):
            found[name] = Paired(
                first=a, second=b, difference=_with_interval(b - a, differences[name])
            )
    return found


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided exact p-value that two guards err equally often on the same rows.

    Args:
        first_only: rows only the first one gets right.
        second_only: rows only the second one gets right.

    Source: McNemar, 1947; the exact binomial form.
    """
    both = first_only + second_only
    fewer = min(first_only, second_only)
    if both == 0:
        return 1.0
    logs = math.lgamma(both + 1) - both * math.log(2)
    tail = math.fsum(
        math.exp(logs - math.lgamma(k + 1) - math.lgamma(both - k + 1)) for k in range(fewer + 1)
    )
    return min(1.0, 2.0 * tail)


def _resampled(t: Tally, resamples: int, rng: np.random.Generator) -> Iterator[Tally]:
    rows = max(int(_total(t.harmful)), int(_total(t.harmless)), len(t.at), 1)
    block = max(1, _BLOCK // rows)
    for done in range(0, resamples, block):
        size = min(block, resamples - done)
        yield Tally(
            at=t.at, harmful=_drawn(t.harmful, size, rng), harmless=_drawn(t.harmless, size, rng)
        )


def _drawn(counts: Floats, size: int, rng: np.random.Generator) -> Floats:
    """``size`` resamples of the rows that ``counts`` holds, counted by score again."""
    groups = len(counts)
    group_of_row = np.repeat(np.arange(groups), counts.astype(np.int64))
    if len(group_of_row) == 0:
        return np.zeros((size, groups))
    picks = group_of_row[rng.integers(0, len(group_of_row), size=(size, len(group_of_row)))]
    picks += np.arange(size)[:, None] * groups
    counted = np.bincount(picks.ravel(), minlength=size * groups)
    return counted.reshape(size, groups).astype(np.float64)


def _picked(
    labels: Bools, resamples: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Blocks of resampled rows by their place, as many harmful and harmless ones as there are."""
    classes = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    block = max(1, _BLOCK // max(len(labels), 1))
    for done in range(0, resamples, block):
        size = min(block, resamples - done)
        yield np.concatenate(
            [
                members[rng.integers(0, len(members), size=(size, len(members)))]
                for members in classes
                if len(members)
            ],
            axis=1,
        )


def _retallied(t: Tally, scores: Floats, labels: Bools, picks: npt.NDArray[np.int64]) -> Tally:
    """``t`` of the picked rows: one line for each line of ``picks``."""
    size, groups = len(picks), len(t.at)
    place = np.searchsorted(-t.at, -scores)
    cells = place[picks] + np.arange(size)[:, None] * groups
    harmful = labels[picks]

    def counted(members: npt.NDArray[np.int64]) -> Floats:
        found = np.bincount(members, minlength=size * groups)
        return found.reshape(size, groups).astype(np.float64)

    return Tally(at=t.at, harmful=counted(cells[harmful]), harmless=counted(cells[~harmful]))


def _binned(t: Tally, bins: int) -> tuple[Floats, Floats, Floats]:
    """Rows, summed scores and harmful rows of each bin, shapes ``(..., bins)``."""
    place = np.minimum((t.at * bins).astype(np.int64), bins - 1)
    member = (place[:, None] == np.arange(bins)).astype(np.float64)
    rows = t.harmful + t.harmless
    return rows @ member, (rows * t.at) @ member, t.harmful @ member


def _total(counts: Floats) -> Floats:
    return np.asarray(np.sum(counts, axis=-1))


def _share(part: Floats, whole: Floats) -> Floats:
    """``part / whole``; NaN where there is no whole."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _curve(counts: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(counts)]) / max(float(np.sum(counts)), 1.0)
