"""Fitted curves against scikit-learn, and what they promise about harmless rows."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from guards.fitting.curves import fit_calibration, fit_curve
from guards.fitting.scored import FittingError, Scored, log_odds, threshold_flagging
from guards.hazards import Hazard


def drawn(count: int = 4000, *, seed: int = 1) -> Scored:
    """Rows in two languages; the guard is overconfident, and more so in German."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.3
    german = rng.random(count) < 0.4
    odds = rng.normal(np.where(labels, 4.0, -6.0) + german * 2.0, 3.0)
    scores = 1 / (1 + np.exp(-odds))
    hate = labels & (rng.random(count) < 0.5)
    return Scored(
        labels=labels,
        scores=scores,
        hazards={Hazard.HATE: np.where(hate, scores, scores * 0.2)},
        named={Hazard.HATE: hate, Hazard.ELECTIONS: np.zeros(count, dtype=bool)},
        languages=["de" if own else "en" for own in german],
    )


def fit(scored: Scored, flagged: float = 0.02):
    return fit_calibration(scored, guard="g", revision="r", data="0" * 64, flagged=flagged)


def test_the_curve_is_logistic_regression() -> None:
    scored = drawn()
    odds = log_odds(scored.scores)
    reference = LogisticRegression(C=1e9).fit(odds[:, None], scored.labels)
    curve = fit_curve(odds, scored.labels)
    assert curve.slope == pytest.approx(reference.coef_[0, 0], rel=0.02)
    assert curve.offset == pytest.approx(reference.intercept_[0], rel=0.02)


@pytest.mark.parametrize("labels", [[False, False, True, True], [True, True, False, False]])
def test_perfect_and_perverse_scores_give_finite_curves(labels: list[bool]) -> None:
    curve = fit_curve(log_odds(np.array([0.0, 0.1, 0.9, 1.0])), np.array(labels))
    assert (curve.slope > 0) == labels[-1]
    assert np.isfinite([curve.slope, curve.offset]).all()


def test_probabilities_come_true() -> None:
    scored = drawn()
    fitted = fit(scored)
    probabilities = np.array([fitted.probability(s, None, None) for s in scored.scores])
    for low in np.arange(0, 1, 0.2):
        rows = (probabilities >= low) & (probabilities < low + 0.2)
        assert scored.labels[rows].mean() == pytest.approx(probabilities[rows].mean(), abs=0.1)


def test_every_language_flags_as_many_harmless_rows() -> None:
    scored = drawn(20_000)
    fitted = fit(scored)
    assert set(fitted.languages) == {"de", "en"}
    fresh = drawn(20_000, seed=2)
    for language in ("de", "en"):
        rows = ~fresh.labels & (np.array(fresh.languages) == language)
        flagged = [
            fitted.probability(score, None, language) > fitted.threshold
            for score in fresh.scores[rows]
        ]
        assert np.mean(flagged) == pytest.approx(0.02, abs=0.01)


def test_only_hazards_with_rows_enough_have_a_curve() -> None:
    assert set(fit(drawn()).hazards) == {Hazard.HATE}


def test_few_rows_of_a_language_move_nothing() -> None:
    assert fit(drawn(300)).languages == {}


def test_rows_of_one_kind_cannot_be_fitted() -> None:
    with pytest.raises(FittingError, match="rows of both kinds"):
        Scored(labels=np.ones(3, dtype=bool), scores=np.ones(3), hazards={}, named={}, languages=[])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_at_most_the_share_lies_above(share: float) -> None:
    values = np.random.default_rng(3).random(997)
    assert (values > threshold_flagging(values, share)).mean() <= share
