"""Telling two kinds apart by a few examples."""

import numpy as np
import pytest

from guards.topic.classifier import Vectors, fit

RNG = np.random.default_rng(3)


def near(middle: tuple[float, ...], count: int, spread: float = 0.3) -> Vectors:
    rows = np.array(middle) + RNG.normal(0, spread, (count, len(middle)))
    return rows.astype(np.float32)


NONE = np.zeros((0, 3), dtype=np.float32)


def test_both_kinds_are_told_apart_and_the_middle_is_one_half() -> None:
    classifier = fit(near((1, 0, 0), 30), near((-1, 0, 0), 30), NONE)
    first = classifier.probabilities(near((1, 0, 0), 50))
    second = classifier.probabilities(near((-1, 0, 0), 50))
    assert (first > 0.5).mean() > 0.95
    assert (second < 0.5).mean() > 0.95
    assert classifier.probabilities(np.zeros((1, 3), np.float32))[0] == pytest.approx(0.5, abs=0.25)
    assert first.max() < 1.0
    assert second.min() > 0.0


def test_a_small_kind_weighs_as_much_as_a_large_one() -> None:
    classifier = fit(near((1, 0, 0), 6), near((-1, 0, 0), 200), NONE)
    assert (classifier.probabilities(near((1, 0, 0), 50)) > 0.5).mean() > 0.9


def test_probabilities_of_kinds_that_overlap_stay_near_one_half() -> None:
    classifier = fit(near((0.1, 0, 0), 40, 1.0), near((-0.1, 0, 0), 40, 1.0), NONE)
    seen = classifier.probabilities(near((0, 0, 0), 100, 1.0))
    assert np.abs(seen - 0.5).max() < 0.4


def test_an_everyday_row_that_is_on_the_topic_does_not_count_against_it() -> None:
    topic, other = near((1, 0, 0), 20), near((-1, 0, 0), 40)
    on_topic_by_chance = near((1, 0, 0), 8)
    with_chance = fit(topic, NONE, np.concatenate((other, on_topic_by_chance)))
    without = fit(topic, NONE, other)
    unseen = near((1, 0, 0), 50)
    difference = with_chance.probabilities(unseen) - without.probabilities(unseen)
    assert np.abs(difference).max() < 0.15


def test_two_examples_do_not_turn_the_line_round() -> None:
    classifier = fit(near((1, 0, 0), 1, 0), near((-1, 0, 0), 1, 0), NONE)
    high, low = classifier.probabilities(np.array([[1, 0, 0], [-1, 0, 0]], np.float32))
    assert high > low


def test_a_background_that_is_all_on_topic_is_kept() -> None:
    rows = near((1, 0, 0), 10)
    chances = fit(rows, NONE, rows).probabilities(rows)
    assert np.isfinite(chances).all()
