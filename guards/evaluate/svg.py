"""Plots as inline SVG: axes, curves, dots and bars, coloured by the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 290
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 30, 42
COLOURS = 6
"""Series colours of the style sheet; a seventh series starts over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from ``low`` to ``high``. On a ``log`` axis what is below ``low`` is drawn there."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where ``value`` lies between the ends, in ``[0, 1]``."""
        if self.log:
            part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(max(part, 0.0), 1.0)


def share_axis(title: str) -> Axis:
    """From 0 to 1."""
    ticks = tuple((n / 5, f"{n / 5:g}") for n in range(6))
    return Axis(title=title, low=0.0, high=1.0, ticks=ticks)


def log_share_axis(title: str) -> Axis:
    """From a thousandth to 1, by factors."""
    ticks = ((0.001, "0.1 %"), (0.01, "1 %"), (0.05, "5 %"), (0.2, "20 %"), (1.0, "100 %"))
    return Axis(title=title, low=0.001, high=1.0, ticks=ticks, log=True)


def axis_to(title: str, most: float) -> Axis:
    """From 0 to a round number at or above ``most``, which is positive."""
    top = rounded_up(most)
    ticks = tuple((top * n / 4, _short(top * n / 4)) for n in range(5))
    return Axis(title=title, low=0.0, high=top, ticks=ticks)


def time_axis(title: str, low: float, high: float) -> Axis:
    """Milliseconds by factors of ten, from whole factor to whole factor."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    ticks = tuple((10.0**n, _short(10.0**n)) for n in range(first, last + 1))
    return Axis(title=title, low=10.0**first, high=10.0**last, ticks=ticks, log=True)


class Plot:
    """One plot. Layers are drawn in the order they are added.

    Args:
        name: unique on the page; letters, digits and ``-``.
        description: what a reader who does not see the plot should know.
    """

    def __init__(self, name: str, title: str, description: str, x: Axis, y: Axis) -> None:
        self._name = name
        self._title = title
        self._description = description
        self._x = x
        self._y = y
        self._layers: list[str] = []

    def curve(self, xs: Sequence[float], ys: Sequence[float], series: int) -> None:
        points = " ".join(f"{self._at_x(x):.1f},{self._at_y(y):.1f}" for x, y in _pairs(xs, ys))
        self._layers.append(f'<polyline class="curve k{series % COLOURS}" points="{points}"/>')

    def steps(self, xs: Sequence[float], ys: Sequence[float], series: int) -> None:
        """A curve that goes straight up where a diagonal would promise what no threshold gives."""
        stepped = [
            corner
            for (x0, y0), (x1, _) in zip(_pairs(xs, ys), _pairs(xs, ys)[1:], strict=False)
            for corner in ((x0, y0), (x1, y0))
        ]
        stepped += _pairs(xs, ys)[-1:]
        self.curve([x for x, _ in stepped], [y for _, y in stepped], series)

    def dot(self, x: float, y: float, radius: float, series: int, told: str) -> None:
        self._layers.append(
            f'<circle class="f{series % COLOURS}" fill-opacity=".85" cx="{self._at_x(x):.1f}" '
            f'cy="{self._at_y(y):.1f}" r="{radius:.1f}"><title>{escape(told)}</title></circle>'
        )

    def bar(self, low: float, high: float, value: float, style: str, told: str) -> None:
        left, right, top = self._at_x(low), self._at_x(high), self._at_y(value)
        self._layers.append(
            f'<rect class="{style}" fill-opacity=".8" x="{left + 0.4:.1f}" y="{top:.1f}" '
            f'width="{max(right - left - 0.8, 0.5):.1f}" height="{HEIGHT - BOTTOM - top:.1f}">'
            f"<title>{escape(told)}</title></rect>"
        )

    def even(self) -> None:
        """The line on which both axes say the same."""
        steps = [n / 40 for n in range(41)]
        low, high = self._x.low, self._x.high
        xs = [low * (high / low) ** s if self._x.log else low + (high - low) * s for s in steps]
        points = " ".join(f"{self._at_x(x):.1f},{self._at_y(x):.1f}" for x in xs)
        self._layers.append(f'<polyline class="even" points="{points}"/>')

    def mark(self, x: float) -> None:
        """A line straight up."""
        at = f"{self._at_x(x):.1f}"
        self._layers.append(
            f'<line class="mark" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )

    def draw(self) -> str:
        """The ``svg`` element."""
        title, told = f"{self._name}-t", f"{self._name}-d"
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{title} {told}">'
            f'<title id="{title}">{escape(self._title)}</title>'
            f'<desc id="{told}">{escape(self._description)}</desc>'
            f'<text class="title" x="{LEFT}" y="16">{escape(self._title)}</text>'
            f"{self._axes()}{''.join(self._layers)}</svg>"
        )

    def _axes(self) -> str:
        parts = []
        for value, label in self._x.ticks:
            x = self._at_x(value)
            parts.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">'
                f"{escape(label)}</text>"
            )
        for value, label in self._y.ticks:
            y = self._at_y(value)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
            )
        middle = (TOP + HEIGHT - BOTTOM) / 2
        return (
            f"{''.join(parts)}"
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
            f"{escape(self._x.title)}</text>"
            f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">'
            f"{escape(self._y.title)}</text>"
        )

    def _at_x(self, value: float) -> float:
        return LEFT + self._x.place(value) * (WIDTH - LEFT - RIGHT)

    def _at_y(self, value: float) -> float:
        return HEIGHT - BOTTOM - self._y.place(value) * (HEIGHT - TOP - BOTTOM)


def _pairs(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(xs, ys, strict=True))


def rounded_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten; ``value`` is positive."""
    scale = 10.0 ** math.floor(math.log10(value))
    return next(scale * step for step in (1, 2, 4, 8, 10) if scale * step >= value)


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"
