"""The figures, held against scikit-learn and against cases one can count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from guards.evaluate import metrics
from guards.evaluate.metrics import Tally, bootstrap, mcnemar, tally

Sample = tuple[np.ndarray, np.ndarray]


def tallied(labels: list[int], scores: list[float]) -> Tally:
    return tally(np.array(labels, bool), np.array(scores))


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Both classes, with many ties."""
    size = draw(st.integers(2, 60))
    labels = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    labels[:2] = [True, False]
    grid = st.integers(0, draw(st.sampled_from([3, 20, 1000]))).map(lambda n: n)
    raw = draw(st.lists(grid, min_size=size, max_size=size))
    return np.array(labels), np.array(raw) / max(1, *raw)


@given(samples())
def test_ranking_figures_are_those_of_scikit_learn(sample: Sample) -> None:
    labels, scores = sample
    t = tally(labels, scores)
    assert float(metrics.auroc(t)) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores))
    assert float(metrics.average_precision(t)) == pytest.approx(
        sklearn_metrics.average_precision_score(labels, scores)
    )


@given(samples(), st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0]))
def test_recall_at_false_positives_is_the_highest_point_of_the_curve(
    sample: Sample, most: float
) -> None:
    labels, scores = sample
    t = tally(labels, scores)
    fpr, tpr, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert float(metrics.recall_at_fpr(t, most)) == pytest.approx(
        max(tpr[fpr <= most + 1e-12], default=0.0)
    )
    threshold = metrics.threshold_at_fpr(t, most)
    assert float(np.mean(scores[~labels] >= threshold)) <= most + 1e-9
    assert float(metrics.recall_at_fpr(t, most)) == pytest.approx(
        np.mean(scores[labels] >= threshold)
    )


@given(samples(), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_figures_at_a_threshold_are_those_of_scikit_learn(sample: Sample, threshold: float) -> None:
    labels, scores = sample
    t = tally(labels, scores)
    flagged = scores >= threshold
    assert float(metrics.recall(t, threshold)) == pytest.approx(
        sklearn_metrics.recall_score(labels, flagged)
    )
    assert float(metrics.flag_rate(t, threshold)) == pytest.approx(np.mean(flagged[~labels]))
    assert float(metrics.f1(t, threshold)) == pytest.approx(
        sklearn_metrics.f1_score(labels, flagged)
    )
    precision = float(metrics.precision(t, threshold))
    if np.any(flagged):
        assert precision == pytest.approx(sklearn_metrics.precision_score(labels, flagged))
    else:
        assert math.isnan(precision)
    assert float(metrics.brier(t)) == pytest.approx(
        sklearn_metrics.brier_score_loss(labels, scores)
    )


@given(samples())
def test_curves_are_those_of_scikit_learn(sample: Sample) -> None:
    labels, scores = sample
    t = tally(labels, scores)
    fpr, tpr = metrics.roc_curve(t)
    wanted = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(fpr, wanted[0])
    np.testing.assert_allclose(tpr, wanted[1])
    recall, precision = metrics.pr_curve(t)
    by_recall = sklearn_metrics.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(precision[::-1], by_recall[0][:-1])
    np.testing.assert_allclose(recall[::-1], by_recall[1][:-1])


def test_calibration_error_of_a_case_one_can_count() -> None:
    t = tallied([1, 0, 1, 1], [0.15, 0.15, 0.95, 1.0])
    # Two rows at .15 of which half are harmful, two at .975 on average of which all are.
    assert float(metrics.calibration_error(t)) == pytest.approx((2 * 0.35 + 2 * 0.025) / 4)
    low, high = metrics.reliability(t)
    assert (low.low, low.high, low.rows, low.harmful) == (0.1, 0.2, 2, 0.5)
    assert (high.rows, high.harmful) == (2, 1.0)
    assert high.score == pytest.approx(0.975)


def test_what_is_undefined_is_left_out() -> None:
    only_harmful = tallied([1, 1], [0.2, 0.8])
    figures = bootstrap(
        only_harmful,
        {
            "auroc": metrics.auroc,
            "flag_rate": lambda t: metrics.flag_rate(t, 0.5),
            "recall": lambda t: metrics.recall(t, 0.5),
        },
        resamples=20,
        rng=np.random.default_rng(0),
    )
    assert set(figures) == {"recall"}
    assert figures["recall"].value == 0.5


def test_no_rows_give_no_figures() -> None:
    none = tallied([], [])
    measures = {"auroc": metrics.auroc, "brier": metrics.brier}
    assert bootstrap(none, measures, resamples=5, rng=np.random.default_rng(0)) == {}
    assert metrics.reliability(none) == ()


@pytest.mark.parametrize("scores", [[-0.1], [1.1], [math.nan]])
def test_scores_that_are_no_probability_are_an_error(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="within"):
        tallied([1], scores)
    with pytest.raises(ValueError, match="same length"):
        tallied([1, 0], scores)


def test_resamples_keep_the_number_of_rows_of_each_class() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(500) < 0.3
    t = tally(labels, np.round(rng.random(500), 2))
    [block] = metrics._resampled(t, 40, rng)
    assert block.harmful.shape == (40, len(t.at))
    np.testing.assert_array_equal(block.harmful.sum(axis=1), np.full(40, labels.sum()))
    np.testing.assert_array_equal(block.harmless.sum(axis=1), np.full(40, (~labels).sum()))


def test_intervals_are_seeded_and_cover_the_truth() -> None:
    """Of 200 samples with a known recall, about 95 % of the intervals hold it."""
    truth, rows, held = 0.7, 150, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        t = tally(np.ones(rows, bool), np.where(rng.random(rows) < truth, 0.9, 0.1))
        measures = {"recall": lambda t: metrics.recall(t, 0.5)}
        figure = bootstrap(t, measures, resamples=200, rng=rng)["recall"]
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= truth <= figure.high
    assert 180 <= held <= 199
    again = [
        bootstrap(t, {"auroc": metrics.auroc}, resamples=50, rng=np.random.default_rng(1))
        for _ in range(2)
    ]
    assert again[0] == again[1]


def test_blocks_do_not_change_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_BLOCK", 64)
    t = tallied([1, 0] * 20, [i / 40 for i in range(40)])
    assert (
        sum(len(block.harmful) for block in metrics._resampled(t, 7, np.random.default_rng(0))) == 7
    )


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (1, 9, 22 / 1024), (10, 2, 158 / 4096)],
)
def test_mcnemar_of_cases_one_can_count(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p)
    assert mcnemar(second, first) == pytest.approx(p)


def test_mcnemar_of_many_rows() -> None:
    assert 0.0 <= mcnemar(30_000, 31_000) < 0.001
