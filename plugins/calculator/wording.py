"""Results in few characters that say whether they are rounded."""

from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from plugins.calculator.arithmetic import Amount

if TYPE_CHECKING:
    from plugins.calculator.units import Quantity

ROUNDED_DIGITS = 12
"""Significant digits of a result that does not end."""

LONGEST_EXACT = 20
"""Significant digits of a decimal result that is shown as it is."""

LONGEST_WHOLE = 200
"""Digits of a whole number that is shown as it is."""

_GUARDED = Context(prec=40)
"""Leaves out the last of the 50 digits, which are rounding."""


@dataclass(frozen=True, slots=True)
class Shown:
    """``exact`` is whether the digits are all there are."""

    digits: str
    exact: bool


def digits_of(value: Amount) -> Shown:
    """``value`` in decimal digits."""
    if isinstance(value, int):
        text = str(value)
        if len(text.lstrip("-")) <= LONGEST_WHOLE:
            return Shown(text, True)
        value = Decimal(value)
    guarded = _GUARDED.plus(value)
    size = len(guarded.normalize(_GUARDED).as_tuple().digits)
    if size <= LONGEST_EXACT and guarded == value:
        return Shown(_plainly(guarded), True)
    rounded = Context(prec=ROUNDED_DIGITS).plus(guarded)
    return Shown(_plainly(rounded), guarded == rounded)


def _plainly(value: Decimal) -> str:
    if value == 0:
        return "0"
    value = value.normalize(_GUARDED)
    if -7 <= value.adjusted() < LONGEST_EXACT + 1:
        return f"{value:f}"
    mantissa = value.scaleb(-value.adjusted()).normalize(_GUARDED)
    return f"{mantissa:f}e{value.adjusted()}"


def clock_words(value: "Quantity") -> str:
    """A longer time in hours and minutes, such as ``1 h 30 min``; empty for all else."""
    if not value.check("[time]"):
        return ""
    seconds = value.to("second").magnitude
    if not 120 <= seconds < 8_640_000 or seconds != int(seconds):
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount)
