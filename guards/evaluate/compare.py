"""Two guards on the same rows: how their figures differ, and who wins where."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from guards.evaluate.evaluation import Evaluation, EvaluationError, KnownRow
from guards.evaluate.figures import measures_at
from guards.evaluate.metrics import Bools, Paired, mcnemar, paired_bootstrap

SCHEMA = "corral.comparison/1"

Winner = Literal["a", "b", "even"]

_LOWER_IS_BETTER = frozenset({"flag_rate", "brier", "calibration_error"})
_BY_GROUP = ("auroc", "recall", "flag_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One figure of both guards; someone wins when the interval leaves out zero."""

    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    winner: Winner


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Decisions at each guard's threshold on some rows.

    ``p`` is McNemar's exact two-sided p-value that both are right equally often.
    """

    rows: int
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupContest:
    """Contests on the rows of a group."""

    by: str
    name: str
    harmful: int
    harmless: int
    contests: Mapping[str, Contest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two."""

    folder: str
    guard: str
    revision: str
    threshold: float
    only_here: int
    """Rows the other evaluation does not have."""
    unscanned: int
    """Shared rows this guard gave no verdict on; they count for neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A whole comparison over ``rows`` shared rows with both verdicts, each counted once."""

    a: Side
    b: Side
    rows: int
    resamples: int
    seed: int
    overall: GroupContest
    decisions: Mapping[str, Agreement]
    groups: tuple[GroupContest, ...]

    def as_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}


def compare(
    a: Evaluation,
    b: Evaluation,
    *,
    threshold: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare on the rows both evaluations have.

    Args:
        threshold: for both, instead of each evaluation's own.

    Raises:
        EvaluationError: there is no row that both gave a verdict on.
    """
    return _Pairing(a, b, threshold, resamples, seed).compared()


class _Pairing:
    def __init__(
        self, a: Evaluation, b: Evaluation, threshold: float | None, resamples: int, seed: int
    ) -> None:
        self._sides = (a, b)
        self._thresholds = tuple(
            side.threshold if threshold is None else threshold for side in self._sides
        )
        self._resamples = resamples
        self._seed = seed
        shared = [key for key in a.rows if key in b.rows]
        scanned = [{key for key in shared if _has_verdict(side, key)} for side in self._sides]
        self._unscanned = [len(shared) - len(keys) for keys in scanned]
        self._only = [len(side.rows) - len(shared) for side in self._sides]
        keys = [key for key in shared if key in scanned[0] and key in scanned[1]]
        if not keys:
            raise EvaluationError(
                f"{a.folder} and {b.folder}: no row with verdicts of both; evaluate both guards "
                "on the same data"
            )
        self._rows = [a.rows[key] for key in keys]
        self._labels = np.array([row.label for row in self._rows], bool)
        self._scores = tuple(
            np.array([side.judged[key].score_for(side.counted) for key in keys], np.float64)
            for side in self._sides
        )

    def compared(self) -> Comparison:
        whole = np.ones(len(self._rows), bool)
        decisions = {
            name: self._agreement(members)
            for name, members in (
                ("all", whole),
                ("harmful", self._labels),
                ("harmless", ~self._labels),
            )
            if np.any(members)
        }
        return Comparison(
            a=self._side(0),
            b=self._side(1),
            rows=len(self._rows),
            resamples=self._resamples,
            seed=self._seed,
            overall=self._contest("all", "all", whole, tuple(measures_at(0.5))),
            decisions=decisions,
            groups=(
                *self._groups("file", lambda row: row.file),
                *self._groups("hazard", lambda row: row.hazard.value if row.hazard else ""),
                *self._groups("language", lambda row: row.lang),
                *self._groups("kind", lambda row: row.kind),
                *self._groups("subject", lambda row: row.subject),
            ),
        )

    def _side(self, place: int) -> Side:
        side = self._sides[place]
        return Side(
            folder=side.folder,
            guard=side.guard,
            revision=side.revision,
            threshold=self._thresholds[place],
            only_here=self._only[place],
            unscanned=self._unscanned[place],
        )

    def _groups(self, by: str, name_of: Callable[[KnownRow], str]) -> list[GroupContest]:
        names = np.array([name_of(row) for row in self._rows])
        return [
            self._contest(by, str(name), names == name, _BY_GROUP)
            for name in np.unique(names)
            if name
        ]

    def _contest(
        self, by: str, name: str, members: Bools, figures: tuple[str, ...]
    ) -> GroupContest:
        labels = self._labels[members]
        if not np.any(labels):
            figures = ("flag_rate",)
        elif np.all(labels):
            figures = ("recall",)
        first, second = (
            (scores[members], {name: measures_at(threshold)[name] for name in figures})
            for scores, threshold in zip(self._scores, self._thresholds, strict=True)
        )
        found = paired_bootstrap(
            labels,
            first,
            second,
            resamples=self._resamples,
            rng=np.random.default_rng(self._seed),
        )
        return GroupContest(
            by=by,
            name=name,
            harmful=int(np.sum(labels)),
            harmless=int(np.sum(~labels)),
            contests={figure: _decided(figure, pair) for figure, pair in found.items()},
        )

    def _agreement(self, members: Bools) -> Agreement:
        labels = self._labels[members]
        a, b = (
            (scores[members] >= threshold) == labels
            for scores, threshold in zip(self._scores, self._thresholds, strict=True)
        )
        only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
        return Agreement(
            rows=len(labels),
            both_right=int(np.sum(a & b)),
            only_a_right=only_a,
            only_b_right=only_b,
            both_wrong=int(np.sum(~a & ~b)),
            p=mcnemar(only_a, only_b),
        )


def _has_verdict(side: Evaluation, key: str) -> bool:
    judged = side.judged.get(key)
    return judged is not None and judged.failure is None


def _decided(figure: str, pair: Paired) -> Contest:
    low, high = pair.difference.low, pair.difference.high
    winner: Winner = "even"
    if low is not None and high is not None and (low > 0 or high < 0):
        winner = "b" if (low > 0) != (figure in _LOWER_IS_BETTER) else "a"
    return Contest(
        a=pair.first,
        b=pair.second,
        difference=pair.difference.value,
        low=low,
        high=high,
        winner=winner,
    )
