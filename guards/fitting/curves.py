"""Fitting a guard's calibration to labelled rows."""

from collections.abc import Mapping

import numpy as np

from guards.calibration import Calibration, Curve
from guards.fitting.scored import Bools, Floats, Scored, log_odds, threshold_flagging
from guards.hazards import Hazard
from guards.language import UNKNOWN

LEAST_NAMED = 40
"""Harmful rows of a hazard that a curve of its own needs."""

LEAST_HARMLESS = 150
"""Harmless rows of a language that a shift of its own needs."""

_SHRINKAGE = 100
"""Harmless rows that count for no shift at all: few rows of a language move it little."""

_STEPS = 100
_CLOSE = 1e-9


def fit_calibration(
    scored: Scored, *, guard: str, revision: str, data: str, flagged: float
) -> Calibration:
    """Curves for the guard and its hazards, shifts for languages, and the threshold.

    ``flagged`` is the share of harmless rows, in every language with enough rows, that may lie
    above the threshold; ``data`` identifies the rows.
    """
    harmless = ~scored.labels
    curve = fit_curve(log_odds(scored.scores), scored.labels)
    hazards = {}
    for hazard, named in scored.named.items():
        if int(named.sum()) >= LEAST_NAMED and hazard in scored.hazards:
            # Rows of other hazards are no counter-examples: many show several at once.
            rows = named | harmless
            hazards[hazard] = fit_curve(log_odds(scored.hazards[hazard][rows]), named[rows])
    odds = calibrated_odds(scored, curve, hazards)
    limit = threshold_flagging(odds[harmless], flagged)
    spoken = np.array(scored.languages)
    shifts = {}
    for language in sorted(set(scored.languages) - {UNKNOWN}):
        rows = harmless & (spoken == language)
        count = int(rows.sum())
        if count >= LEAST_HARMLESS:
            shift = limit - threshold_flagging(odds[rows], flagged)
            shifts[language] = round(shift * count / (count + _SHRINKAGE), 4)
    moved = odds + np.array([shifts.get(language, 0.0) for language in scored.languages])
    limit = threshold_flagging(moved[harmless], flagged)
    return Calibration(
        guard=guard,
        guard_revision=revision,
        rows=len(scored.labels),
        data=data,
        curve=curve,
        hazards=hazards,
        languages=shifts,
        threshold=float(np.clip(1.0 / (1.0 + np.exp(-limit)), 1e-4, 1.0 - 1e-4)),
    )


def calibrated_odds(scored: Scored, curve: Curve, hazards: Mapping[Hazard, Curve]) -> Floats:
    """The highest log-odds of any hazard of each row, before shifts for languages.

    A guard's own score counts by ``curve`` where it is above every hazard's probability.
    """
    highest = np.max([*scored.hazards.values(), np.zeros_like(scored.scores)], axis=0)
    odds = np.where(scored.scores > highest, _moved(curve, scored.scores), -np.inf)
    for hazard, raw in scored.hazards.items():
        odds = np.maximum(odds, _moved(hazards.get(hazard, curve), raw))
    # A row without any finding is still as harmless as the curve says of nothing found.
    return np.maximum(odds, _moved(curve, np.zeros_like(odds)))


def _moved(curve: Curve, raw: Floats) -> Floats:
    return curve.slope * log_odds(raw) + curve.offset


def fit_curve(odds: Floats, labels: Bools) -> Curve:
    """Logistic regression of ``labels`` on ``odds`` by Newton's method.

    Targets are drawn in from 0 and 1 as Platt proposes, so that rows which separate perfectly
    still give finite numbers. A guard whose score says nothing, or the contrary, gets slope 0.
    """
    harmful = int(labels.sum())
    harmless = len(labels) - harmful
    target = np.where(labels, (harmful + 1) / (harmful + 2), 1 / (harmless + 2))
    columns = np.stack([odds, np.ones_like(odds)], axis=1)
    weights = np.array([1.0, 0.0])
    loss = _loss(columns, weights, target)
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(columns @ weights, -500, 500)))
        gradient = columns.T @ (chance - target)
        curvature = (columns * (chance * (1.0 - chance))[:, None]).T @ columns
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        scale = 1.0
        while (new := _loss(columns, weights - scale * step, target)) > loss and scale > _CLOSE:
            scale /= 2
        if loss - new < _CLOSE:
            break
        weights, loss = weights - scale * step, new
    if weights[0] <= 0.0:
        mean = float(target.mean())
        return Curve(slope=0.0, offset=float(np.log(mean / (1.0 - mean))))
    return Curve(slope=float(weights[0]), offset=float(weights[1]))


def _loss(columns: Floats, weights: Floats, target: Floats) -> float:
    odds = columns @ weights
    return float((np.logaddexp(0.0, odds) - target * odds).sum())
