"""Exact and decimal numbers that cannot grow without bound."""

import decimal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from plugins.errors import ToolError

Amount = int | Decimal

LARGEST_POWER_OF_TEN = 1000
"""Results have at most so many digits before the point."""

_MOST_BITS = int(LARGEST_POWER_OF_TEN * 3.3219281)
_CONTEXT = decimal.Context(
    prec=50,
    Emax=LARGEST_POWER_OF_TEN,
    Emin=-LARGEST_POWER_OF_TEN,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero],
)

TOO_LARGE = f"the result has more than {LARGEST_POWER_OF_TEN} digits, which is too large"


@contextmanager
def bounded() -> Iterator[None]:
    """Calculate with 50 digits, within the bounds.

    Raises:
        ToolError: the calculation divides by zero, is not defined, or grows too large.
    """
    with decimal.localcontext(_CONTEXT):
        try:
            yield
        except (decimal.DivisionByZero, ZeroDivisionError):
            raise ToolError("division by zero has no result") from None
        except (decimal.Overflow, OverflowError):
            raise ToolError(TOO_LARGE) from None
        except decimal.InvalidOperation:
            raise ToolError(
                "the result is not a real number, such as the root or logarithm of a negative one"
            ) from None


def number(digits: str) -> Amount:
    """The number that ``digits`` write, whole where they are."""
    if digits.isdecimal():
        return whole(int(digits))
    return _CONTEXT.create_decimal(digits)


def whole(value: int) -> int:
    """``value``, if it is within the bounds."""
    if value.bit_length() > _MOST_BITS:
        raise OverflowError
    return value


def exact(value: Amount) -> Decimal:
    """``value`` as a decimal."""
    return value if isinstance(value, Decimal) else _CONTEXT.create_decimal(value)


def integer(value: Amount, of: str) -> int:
    """``value`` as a whole number; ``of`` says what needs one.

    Raises:
        ToolError: it is not whole.
    """
    if isinstance(value, Decimal):
        if value != value.to_integral_value():
            raise ToolError(f"{of} needs whole numbers")
        return whole(int(value))
    return value


def add(left: Amount, right: Amount) -> Amount:
    if isinstance(left, int) and isinstance(right, int):
        return whole(left + right)
    return exact(left) + exact(right)


def subtract(left: Amount, right: Amount) -> Amount:
    return add(left, -right)


def multiply(left: Amount, right: Amount) -> Amount:
    if isinstance(left, int) and isinstance(right, int):
        return whole(left * right)
    return exact(left) * exact(right)


def divide(left: Amount, right: Amount) -> Amount:
    if right == 0:
        raise ZeroDivisionError
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return exact(left) / exact(right)


def modulo(left: Amount, right: Amount) -> Amount:
    """The remainder, with the sign of the divisor."""
    if right == 0:
        raise ZeroDivisionError
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    rest = exact(left) % exact(right)
    return rest + exact(right) if rest and (rest < 0) != (right < 0) else rest


def power(base: Amount, exponent: Amount) -> Amount:
    if isinstance(exponent, Decimal) and exponent == exponent.to_integral_value():
        exponent = whole(int(exponent))
    if isinstance(base, int) and isinstance(exponent, int):
        if exponent < 0:
            return divide(1, power(base, -exponent))
        if base in (0, 1, -1):
            return base if exponent % 2 or (base == 0 and exponent) else 1
        if base.bit_length() * exponent > 2 * _MOST_BITS:
            raise OverflowError
        return whole(int(base**exponent))
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    return _CONTEXT.power(exact(base), exact(exponent))


OPERATIONS: dict[str, Callable[[Amount, Amount], Amount]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "mod": modulo,
    "^": power,
}
