"""Bands against a cascade carried out row by row."""

import numpy as np
import pytest

from guards.fitting.bands import Pair, Point, choose, fit_bands, frontier
from guards.fitting.scored import FittingError


def drawn(count: int = 3000, *, seed: int = 1) -> Pair:
    """A weak guard and a strong one."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.4

    def scores(power: float):
        odds = rng.normal(np.where(labels, power, -power), 2.0)
        return np.round(1 / (1 + np.exp(-odds)), 3)

    languages = ["en" if n % 2 else "de" for n in range(count)]
    return Pair(labels=labels, first=scores(2.0), second=scores(5.0), languages=languages)


PAIR = drawn()


def carried_out(point: Point, pair: Pair) -> tuple[float, float, float]:
    asked = (point.band.low <= pair.first) & (pair.first < point.band.high)
    flagged = np.where(asked, pair.second, pair.first) >= 0.5
    return (
        float(asked.mean()),
        float(flagged[pair.labels].mean()),
        float(flagged[~pair.labels].mean()),
    )


def test_every_point_is_what_the_cascade_does() -> None:
    points = frontier(PAIR, 0.5)
    assert points[0].asked == 0.0
    for point in points:
        expected = (point.asked, point.recall, point.flagged)
        assert carried_out(point, PAIR) == pytest.approx(expected)


def test_asking_more_is_never_worse() -> None:
    quality = [point.balanced for point in frontier(PAIR, 0.5)]
    assert quality == sorted(quality)
    assert quality[-1] > quality[0] + 0.1


def test_a_share_asked_is_kept_to() -> None:
    bands, points, chosen = fit_bands(PAIR, 0.5, missed=None, asked=0.25)
    assert chosen.asked <= 0.25
    assert chosen.balanced == max(p.balanced for p in points if p.asked <= 0.25)
    assert set(bands.languages) == {"de", "en"}


def test_a_share_missed_is_kept_to_at_the_least_cost() -> None:
    _, points, chosen = fit_bands(PAIR, 0.5, missed=0.02, asked=None)
    best = max(points, key=lambda point: point.balanced)
    assert chosen.recall >= best.recall - 0.02
    assert chosen.asked < best.asked


@pytest.mark.parametrize("targets", [(None, None), (0.1, 0.1)])
def test_there_is_one_target(targets: tuple[float | None, float | None]) -> None:
    with pytest.raises(FittingError, match="one target"):
        choose(frontier(PAIR, 0.5), missed=targets[0], asked=targets[1])


def test_rows_of_one_label_are_refused() -> None:
    with pytest.raises(FittingError, match="both kinds"):
        frontier(PAIR.of(PAIR.labels), 0.5)
