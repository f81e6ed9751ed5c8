"""Fitting a cascade's band: how much quality each share of texts asked again buys."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guards.cascade import Band, Bands
from guards.fitting.scored import Bools, FittingError, Floats
from guards.language import UNKNOWN

LEAST_ROWS = 200
"""Rows of each label that a language's own band needs."""

_CUTS = 120
_BUDGETS = 41


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What two guards said about the same rows.

    Attributes:
        labels: whether each row is harmful, shape ``(N,)``.
        first, second: highest probabilities of the hazards both know, shape ``(N,)``.
        languages: each row's language as :func:`~guards.language.language_of` tells it.
    """

    labels: Bools
    first: Floats
    second: Floats
    languages: Sequence[str]

    def of(self, rows: Bools) -> "Pair":
        """Only ``rows``, shape ``(N,)``."""
        chosen = [language for language, kept in zip(self.languages, rows, strict=True) if kept]
        return Pair(
            labels=self.labels[rows],
            first=self.first[rows],
            second=self.second[rows],
            languages=chosen,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One band and what it comes to.

    Attributes:
        asked: share of rows that the second guard judges.
        recall: share of harmful rows flagged.
        flagged: share of harmless rows flagged.
    """

    band: Band
    asked: float
    recall: float
    flagged: float

    @property
    def balanced(self) -> float:
        """Balanced accuracy: the mean of recall and of the share of harmless rows let through."""
        return (self.recall + 1.0 - self.flagged) / 2


def frontier(pair: Pair, threshold: float) -> list[Point]:
    """For growing shares of rows asked again the band of the best balanced accuracy.

    ``threshold`` is the probability from which a row counts as flagged, for both guards. The
    first point asks nobody.

    Raises:
        FittingError: rows of one label only.
    """
    harmful = int(pair.labels.sum())
    harmless = len(pair.labels) - harmful
    if not harmful or not harmless:
        raise FittingError("rows of both kinds are needed: harmful and harmless ones")
    order = np.argsort(pair.first, kind="stable")
    scores, labels = pair.first[order], pair.labels[order]
    by_first, by_second = scores >= threshold, pair.second[order] >= threshold
    cuts = np.unique(
        np.concatenate([np.linspace(0, 1, 3), np.quantile(scores, _steps()), [threshold]])
    )
    at = np.searchsorted(scores, cuts, side="left")

    def flagged(rows: Bools) -> Floats:
        """Of ``rows``, how many each band flags: below and above by the first guard."""
        one = np.concatenate([[0], np.cumsum(by_first & rows)])
        other = np.concatenate([[0], np.cumsum(by_second & rows)])
        outside = one[at][:, None] + (one[-1] - one[at])[None, :]
        inside = other[at][None, :] - other[at][:, None]
        return np.asarray(outside + inside, dtype=np.float64)

    recall, wrong = flagged(labels) / harmful, flagged(~labels) / harmless
    asked = (at[None, :] - at[:, None]) / len(scores)
    balanced = np.where(asked >= 0, recall - wrong, -np.inf)
    points: list[Point] = []
    for budget in np.linspace(0, 1, _BUDGETS):
        allowed = np.where(asked <= budget + 1e-12, balanced, -np.inf)
        # Of bands that are as good, the one that asks least.
        best = np.flatnonzero(allowed >= allowed.max() - 1e-12)
        low, high = np.unravel_index(best[np.argmin(asked.flat[best])], asked.shape)
        points.append(
            Point(
                band=Band(low=float(cuts[low]), high=float(cuts[high])),
                asked=float(asked[low, high]),
                recall=float(recall[low, high]),
                flagged=float(wrong[low, high]),
            )
        )
    return list({point.asked: point for point in points}.values())


def _steps() -> Floats:
    return np.linspace(0, 1, _CUTS)


def choose(points: Sequence[Point], *, missed: float | None, asked: float | None) -> Point:
    """The point of ``points`` that meets a target.

    Args:
        missed: of harmful rows, the share that may be missed beyond what the best point misses;
            the cheapest such point is chosen.
        asked: the share of rows that may be asked again; the best such point is chosen.

    Raises:
        FittingError: not exactly one target, or one that no point meets.
    """
    if (missed is None) == (asked is None):
        raise FittingError("give one target: missed or asked")
    if asked is not None:
        affordable = [point for point in points if point.asked <= asked]
        if not affordable:
            raise FittingError("no band asks so little")
        return max(affordable, key=lambda point: point.balanced)
    best = max(points, key=lambda point: point.balanced)
    enough = [p for p in points if missed is not None and p.recall >= best.recall - missed]
    return min(enough, key=lambda point: point.asked)


def fit_bands(
    pair: Pair, threshold: float, *, missed: float | None, asked: float | None
) -> tuple[Bands, list[Point], Point]:
    """The bands for a target, by language where there are rows enough; the frontier of all rows.

    Raises:
        FittingError: see :func:`frontier` and :func:`choose`.
    """
    points = frontier(pair, threshold)
    chosen = choose(points, missed=missed, asked=asked)
    spoken = np.array(pair.languages)
    languages = {}
    for language in sorted(set(pair.languages) - {UNKNOWN}):
        rows = spoken == language
        harmful = int((pair.labels & rows).sum())
        if min(harmful, int(rows.sum()) - harmful) >= LEAST_ROWS:
            own = choose(frontier(pair.of(rows), threshold), missed=missed, asked=asked)
            languages[language] = own.band
    return Bands(band=chosen.band, languages=languages), points, chosen
