"""What an expression comes to."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from plugins.calculator import units
from plugins.calculator.arithmetic import OPERATIONS, Amount, bounded, multiply, number
from plugins.calculator.functions import CONSTANTS, FUNCTIONS, factorial
from plugins.calculator.tree import (
    AS_PERCENT,
    Binary,
    Call,
    Constant,
    Factorial,
    Measured,
    Negative,
    Node,
    Number,
    Percent,
    Sentence,
)
from plugins.errors import ToolError

if TYPE_CHECKING:
    from plugins.calculator.units import Quantity

_HUNDREDTH = Decimal("0.01")


def evaluate(sentence: Sentence) -> "Amount | Quantity":
    """The result, expressed in what the sentence asks for; a percentage as its number.

    Raises:
        ToolError: it is not defined, too large, or mixes what does not go together.
    """
    with bounded():
        match sentence.target:
            case None:
                value: Amount | Quantity = _value(sentence.node)
                return value
            case str():
                share = _plain(_value(sentence.node), AS_PERCENT)
                return multiply(share, 100)
            case target:
                node = sentence.node
                temperature = (
                    units.names_temperatures(target)
                    and (measured := _measured_part(node)) is not None
                    and units.names_temperatures(measured.units)
                )
                value = _value(node, temperature=temperature)
                return units.in_units(value, target, temperature=temperature)


def needs_units(sentence: Sentence) -> bool:
    """Whether the library of units has to be there."""
    return isinstance(sentence.target, tuple) or _has_units(sentence.node)


def _has_units(node: Node) -> bool:
    match node:
        case Number() | Constant():
            return False
        case Measured():
            return True
        case Percent(amount):
            return _has_units(amount)
        case Factorial(operand) | Negative(operand):
            return _has_units(operand)
        case Binary(_, left, right):
            return _has_units(left) or _has_units(right)
        case Call(_, arguments):
            return any(_has_units(argument) for argument in arguments)


def _measured_part(node: Node) -> Measured | None:
    """The one amount that the whole is, its sign aside."""
    match node:
        case Measured():
            return node
        case Negative(operand):
            return _measured_part(operand)
        case _:
            return None


def _value(node: Node, *, temperature: bool = False) -> Any:
    match node:
        case Number(digits):
            return number(digits)
        case Constant(name):
            return CONSTANTS[name]
        case Measured(amount, of):
            inner = _plain(_value(amount), "a unit")
            return units.quantity(inner, of, temperature=temperature)
        case Percent(amount):
            return multiply(_plain(_value(amount), "a percentage"), _HUNDREDTH)
        case Factorial(operand):
            return factorial(_plain(_value(operand), "a factorial"))
        case Negative(operand):
            if temperature and isinstance(operand, Measured):
                return _value(Measured(Negative(operand.amount), operand.units), temperature=True)
            return -_value(operand)
        case Binary(operator, left, right):
            return _binary(operator, left, right)
        case Call(name, arguments):
            return _call(name, arguments)


def _binary(operator: str, left: Node, right: Node) -> Any:
    first, second = _value(left), _value(right)
    if operator in "+-" and isinstance(right, Percent) and not isinstance(left, Percent):
        return _combined(operator, first, _combined("*", first, second))
    if operator == "off":
        return _combined("-", second, _combined("*", first, second))
    return _combined("*" if operator == "of" else operator, first, second)


def _combined(operator: str, first: Any, second: Any) -> Any:
    if isinstance(first, int | Decimal) and isinstance(second, int | Decimal):
        return OPERATIONS[operator](first, second)
    return units.combine(operator, first, second)


def _call(name: str, arguments: tuple[Node, ...]) -> Any:
    function = FUNCTIONS[name]
    if not function.fewest <= len(arguments) <= function.most:
        wanted = (
            str(function.fewest)
            if function.fewest == function.most
            else f"{function.fewest} to {function.most}"
        )
        raise ToolError(f"{name} takes {wanted} arguments, not {len(arguments)}")
    values = [_value(argument) for argument in arguments]
    if not isinstance(values[0], int | Decimal):
        if name == "sqrt":
            return units.root(values[0])
        if name == "abs":
            return abs(values[0])
        if function.angle:
            values[0] = units.radians(values[0])
    return function.run(*(_plain(value, name) for value in values))


def _plain(value: Any, of: str) -> Amount:
    if isinstance(value, int | Decimal):
        return value
    raise ToolError(f"{of} takes numbers without units")
