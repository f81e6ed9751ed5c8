"""From what guards said of rows to what can be fitted."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from guards.evaluate.datasets import Row
from guards.evaluate.hazard_names import hazard_of
from guards.evaluate.judged import Judged
from guards.evaluate.run import GuardRun
from guards.fitting.bands import Pair
from guards.fitting.scored import Scored
from guards.hazards import Hazard
from guards.language import language_of


def scored_of(rows: Sequence[Row], run: GuardRun, categories: Mapping[str, Hazard]) -> Scored:
    """The rows that ``run`` has verdicts of.

    Raises:
        FittingError: no rows of one of the two labels are left.
    """
    kept = [(row, j) for row, j in zip(rows, run.judged, strict=True) if j.failure is None]
    named = [hazard_of(row.category, categories) if row.label else None for row, _ in kept]
    found = sorted({hazard for _, judged in kept for hazard in judged.probabilities})
    return Scored(
        labels=np.array([row.label for row, _ in kept], dtype=bool),
        scores=np.array([judged.score_for() for _, judged in kept]),
        hazards={
            hazard: np.array([judged.probabilities.get(hazard, 0.0) for _, judged in kept])
            for hazard in found
        },
        named={hazard: np.array([name is hazard for name in named]) for hazard in found},
        languages=[language_of(row.judged) for row, _ in kept],
    )


def pair_of(rows: Sequence[Row], first: GuardRun, second: GuardRun) -> Pair:
    """The rows that both runs have verdicts of.

    Scores are over the hazards that both guards know, as in a cascade.
    """
    shared = first.hazards & second.hazards
    kept: list[tuple[Row, Judged, Judged]] = [
        (row, one, other)
        for row, one, other in zip(rows, first.judged, second.judged, strict=True)
        if one.failure is None and other.failure is None
    ]
    return Pair(
        labels=np.array([row.label for row, _, _ in kept], dtype=bool),
        first=np.array([one.score_for(shared) for _, one, _ in kept]),
        second=np.array([other.score_for(shared) for _, _, other in kept]),
        languages=[language_of(row.judged) for row, _, _ in kept],
    )


def digest_of_rows(rows: Sequence[Row]) -> str:
    """SHA-256, hexadecimal, over the rows in any order."""
    state = hashlib.sha256()
    for key in sorted(row.key for row in rows):
        state.update(key.encode())
    return state.hexdigest()
