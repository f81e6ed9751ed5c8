"""Functions and constants by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from plugins.calculator import arithmetic
from plugins.calculator.arithmetic import Amount, exact, integer, whole
from plugins.errors import ToolError

LARGEST_FACTORIAL = 400
LARGEST_CHOICE = 3000
LARGEST_ANGLE = 1e15

CONSTANTS: dict[str, Amount] = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937511"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369996"),
    "tau": Decimal("6.28318530717958647692528676655900576839433879875021"),
    "phi": Decimal("1.61803398874989484820458683436563811772030917980576"),
    "dozen": 12,
}


@dataclass(frozen=True, slots=True)
class Function:
    """``angle`` says that it takes an angle: plain numbers are radians."""

    run: Callable[..., Amount]
    fewest: int = 1
    most: int = 1
    angle: bool = False


def factorial(value: Amount) -> Amount:
    n = integer(value, "a factorial")
    if not 0 <= n <= LARGEST_FACTORIAL:
        raise ToolError(f"a factorial is of a whole number from 0 to {LARGEST_FACTORIAL}")
    return math.factorial(n)


def _sqrt(value: Amount) -> Amount:
    if isinstance(value, int) and value >= 0:
        root = math.isqrt(value)
        if root * root == value:
            return root
    return exact(value).sqrt()


def _cbrt(value: Amount) -> Amount:
    return _root(value, 3)


def _root(value: Amount, degree: Amount) -> Amount:
    if degree == 0:
        raise ZeroDivisionError
    odd: bool = degree == int(degree) and int(degree) % 2 == 1
    sign = -1 if value < 0 and odd else 1
    root = exact(arithmetic.power(exact(value) * sign, 1 / exact(degree)))
    nearest = root.to_integral_value()
    if abs(root - nearest) < Decimal("1e-40") * abs(nearest):
        root = nearest
    return sign * root


def _log(value: Amount, base: Amount = 10) -> Amount:
    if base == 10:
        return _defined(value).log10()
    scale = _defined(base).ln()
    if scale == 0:
        raise ToolError("a logarithm needs a base other than 1")
    return _defined(value).ln() / scale


def _ln(value: Amount) -> Amount:
    return _defined(value).ln()


def _log2(value: Amount) -> Amount:
    return _log(value, 2)


def _defined(value: Amount) -> Decimal:
    if value <= 0:
        raise ToolError("a logarithm is of a number above 0")
    return exact(value)


def _exp(value: Amount) -> Amount:
    return exact(value).exp()


def _circular(function: Callable[[float], float]) -> Callable[[Amount], Amount]:
    def run(value: Amount) -> Amount:
        if not -LARGEST_ANGLE <= value <= LARGEST_ANGLE:
            raise ToolError("the angle is too large")
        try:
            result = function(float(value))
        except ValueError:
            raise ToolError("asin and acos take numbers from -1 to 1") from None
        return _settled(result)

    return run


def _settled(result: float) -> Decimal:
    """Binary floating point's last digits, such as in sin(pi), taken off."""
    if not math.isfinite(result) or abs(result) > LARGEST_ANGLE:
        raise ToolError("the result is not defined or too large at that angle")
    halves = round(result * 2)
    if math.isclose(result * 2, halves, rel_tol=0, abs_tol=1e-14):
        return Decimal(halves) / 2
    return Decimal(result) + 0


def _round(value: Amount, digits: Amount = 0) -> Amount:
    places = integer(digits, "round")
    if not -40 <= places <= 40:
        raise ToolError("round takes from -40 to 40 digits")
    if isinstance(value, int) and places >= 0:
        return value
    if isinstance(value, Decimal) and places >= -int(value.as_tuple().exponent):
        return value
    rounded = exact(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return whole(int(rounded)) if places <= 0 else rounded


def _floor(value: Amount) -> Amount:
    return whole(int(exact(value).to_integral_value(rounding=ROUND_FLOOR)))


def _ceil(value: Amount) -> Amount:
    return whole(int(exact(value).to_integral_value(rounding=ROUND_CEILING)))


def _sum(*values: Amount) -> Amount:
    total: Amount = 0
    for value in values:
        total = arithmetic.add(total, value)
    return total


def _mean(*values: Amount) -> Amount:
    return arithmetic.divide(_sum(*values), len(values))


def _median(*values: Amount) -> Amount:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return arithmetic.divide(arithmetic.add(ordered[middle - 1], ordered[middle]), 2)


def _gcd(left: Amount, right: Amount) -> Amount:
    return math.gcd(integer(left, "gcd"), integer(right, "gcd"))


def _lcm(left: Amount, right: Amount) -> Amount:
    return whole(math.lcm(integer(left, "lcm"), integer(right, "lcm")))


def _choose(total: Amount, chosen: Amount) -> Amount:
    n, k = _choice(total, chosen)
    return whole(math.comb(n, k))


def _permute(total: Amount, chosen: Amount) -> Amount:
    n, k = _choice(total, chosen)
    if n > LARGEST_FACTORIAL:
        raise ToolError(f"perm takes whole numbers from 0 to {LARGEST_FACTORIAL}")
    return whole(math.perm(n, k))


def _choice(total: Amount, chosen: Amount) -> tuple[int, int]:
    n, k = integer(total, "choosing"), integer(chosen, "choosing")
    if not (0 <= n <= LARGEST_CHOICE and 0 <= k <= LARGEST_CHOICE):
        raise ToolError(f"comb and perm take whole numbers from 0 to {LARGEST_CHOICE}")
    return n, k


_MANY = 100

FUNCTIONS: dict[str, Function] = {
    "sqrt": Function(_sqrt),
    "cbrt": Function(_cbrt),
    "root": Function(_root, 2, 2),
    "abs": Function(abs),
    "exp": Function(_exp),
    "ln": Function(_ln),
    "log": Function(_log, 1, 2),
    "log10": Function(_log),
    "log2": Function(_log2),
    "sin": Function(_circular(math.sin), angle=True),
    "cos": Function(_circular(math.cos), angle=True),
    "tan": Function(_circular(math.tan), angle=True),
    "asin": Function(_circular(math.asin)),
    "acos": Function(_circular(math.acos)),
    "atan": Function(_circular(math.atan)),
    "floor": Function(_floor),
    "ceil": Function(_ceil),
    "round": Function(_round, 1, 2),
    "factorial": Function(factorial),
    "comb": Function(_choose, 2, 2),
    "perm": Function(_permute, 2, 2),
    "gcd": Function(_gcd, 2, 2),
    "lcm": Function(_lcm, 2, 2),
    "min": Function(min, 2, _MANY),
    "max": Function(max, 2, _MANY),
    "sum": Function(_sum, 1, _MANY),
    "mean": Function(_mean, 1, _MANY),
    "avg": Function(_mean, 1, _MANY),
    "median": Function(_median, 1, _MANY),
}
