"""Amounts with units. The library is loaded when the first unit turns up."""

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from plugins.calculator.arithmetic import Amount, exact, integer
from plugins.calculator.tree import LARGEST_UNIT_POWER, UnitFactor, Units
from plugins.errors import ToolError

if TYPE_CHECKING:
    from pint import Quantity as _Quantity
    from pint import UnitRegistry

    Quantity: TypeAlias = _Quantity[Decimal]

_LONGEST_NAME = 32
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_TEMPERATURES = {
    name: unit
    for unit, names in {
        "degC": ("C", "c", "°C", "°c", "celsius", "Celsius", "centigrade", "degC"),
        "degF": ("F", "f", "°F", "°f", "fahrenheit", "Fahrenheit", "degF"),
        "kelvin": ("K", "k", "°K", "kelvin", "Kelvin"),
    }.items()
    for name in names
}
_ALWAYS_TEMPERATURES = frozenset(_TEMPERATURES) - {"C", "c", "F", "f", "K", "k"}
_LOGARITHMIC = frozenset(
    {
        *("decibel", "decibelwatt", "decibelmilliwatt", "decibelmicrowatt"),
        *("decade", "octave", "neper"),
    }
)
_EVERYDAY: dict[str, tuple[tuple[str, int], ...]] = {
    "b": (("bit", 1),),
    "bps": (("bit", 1), ("s", -1)),
    "Bps": (("byte", 1), ("s", -1)),
    "kmh": (("km", 1), ("hour", -1)),
    "kmph": (("km", 1), ("hour", -1)),
    "mpg": (("mile", 1), ("gallon", -1)),
    "sqft": (("foot", 2),),
    "sqm": (("meter", 2),),
    "sqkm": (("km", 2),),
    "sqmi": (("mile", 2),),
    "fl_oz": (("fluid_ounce", 1),),
    "Cal": (("kcal", 1),),
    "wk": (("week", 1),),
    "wks": (("week", 1),),
    "mo": (("month", 1),),
    "y": (("year", 1),),
    "KB": (("kilobyte", 1),),
    **{
        spelling: ((f"{prefix}{unit}", 1), *over)
        for prefix, signs in {"kilo": "kK", "mega": "mM", "giga": "gG", "tera": "tT"}.items()
        for sign in signs
        for spelling, unit, over in (
            (f"{sign}b", "byte" if sign.islower() and sign != "k" else "bit", ()),
            (f"{sign}bps", "bit", (("s", -1),)),
            (f"{sign}bit", "bit", ()),
            (f"{sign}Bps", "byte", (("s", -1),)),
        )
    },
}


ONE_AT_A_TIME = threading.Lock()
"""Held around all work with units: the registry fills its tables as it goes."""


@cache
def _registry() -> "UnitRegistry[Decimal]":
    import pint

    return pint.UnitRegistry(non_int_type=Decimal, cache_folder=None)


def quantity(amount: Amount, units: Units, *, temperature: bool = False) -> "Quantity":
    """``amount`` of ``units``; ``temperature`` reads C and F as degrees.

    Raises:
        ToolError: a unit is not known.
    """
    made: Quantity = _registry().Quantity(exact(amount), _unit(units, temperature=temperature))
    return made


def in_units(value: "Quantity | Amount", units: Units, *, temperature: bool = False) -> "Quantity":
    """``value`` expressed in ``units``.

    Raises:
        ToolError: a unit is not known, or the two measure different things.
    """
    wanted = _unit(units, temperature=temperature)
    if isinstance(value, int | Decimal):
        value = _registry().Quantity(exact(value), "")
    converted: Quantity = _tried(lambda: value.to(wanted))
    return converted


def radians(value: "Quantity") -> Decimal:
    """An angle as a plain number.

    Raises:
        ToolError: it is none.
    """
    converted: Decimal = _tried(lambda: value.to("radian")).magnitude
    return converted


def names_temperatures(units: Units) -> bool:
    """Whether these are degrees of temperature, or letters that may stand for them."""
    return len(units) == 1 and units[0].power == 1 and units[0].names[0] in _TEMPERATURES


def combine(operator: str, left: "Quantity | Amount", right: "Quantity | Amount") -> Any:
    """The result of an operation where one side has a unit; a plain number where they cancel.

    Raises:
        ToolError: such amounts cannot be combined so.
    """
    first = exact(left) if isinstance(left, int) else left
    second = exact(right) if isinstance(right, int) else right
    match operator:
        case "+":
            return _tried(lambda: first + second)
        case "-":
            return _tried(lambda: first - second)
        case "*":
            return _plain(_tried(lambda: first * second))
        case "/":
            return _plain(_tried(lambda: first / second))
        case "^":
            return _plain(_raised(first, second))
        case _:
            raise ToolError(f"{operator} takes numbers without units")


def _raised(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, int | Decimal):
        raise ToolError("a power is a number without a unit")
    whole = integer(exponent, "a unit's power")
    if abs(whole) > LARGEST_UNIT_POWER:
        raise ToolError(f"a unit's power is at most {LARGEST_UNIT_POWER}")
    return _tried(lambda: base**whole)


def root(value: "Quantity") -> "Quantity":
    """The square root, such as a length of an area."""
    rooted: Quantity = _tried(lambda: value ** Decimal("0.5"))
    return rooted


def _plain(value: Any) -> Any:
    """Without units where they cancel, and as few as will do where they don't."""
    if isinstance(value, Decimal):
        return value
    reduced = _tried(value.to_reduced_units)
    if reduced.dimensionless:
        return _tried(lambda: reduced.to("")).magnitude
    return reduced


def _tried(work: Callable[[], Any]) -> Any:
    from pint import DimensionalityError, OffsetUnitCalculusError

    try:
        return work()
    except OffsetUnitCalculusError:
        raise ToolError(
            "temperatures in C and F can only be converted; calculate in kelvin"
        ) from None
    except DimensionalityError as error:
        raise ToolError(
            f"{_words(error.units1)} and {_words(error.units2)} measure different things"
        ) from None


def _words(units: Any) -> str:
    text = str(units)
    return "a plain number" if text in ("", "dimensionless") else text[:60]


def _unit(units: Units, *, temperature: bool) -> Any:
    made = _registry().Unit("")
    for factor in units:
        made = made * _factor(factor, temperature=temperature)
    return made


def _factor(factor: UnitFactor, *, temperature: bool) -> Any:
    names = list(factor.names)
    made = _registry().Unit("")
    while names:
        power = _POWERS[names.pop(0).lower()] if _says_power(names) else 1
        pair = "_".join(names[:2])
        if len(names) > 1 and (known := _known(pair, temperature)) is not None:
            del names[:2]
        elif (known := _known(names[0], temperature)) is not None:
            del names[0]
        else:
            raise ToolError(
                f"{names[0][:_LONGEST_NAME]!r} is no unit, function or constant known here"
            )
        made = made * known ** (power if names else power * factor.power)
    return made


def _says_power(names: list[str]) -> bool:
    return len(names) > 1 and names[0].lower() in _POWERS


def _known(name: str, temperature: bool) -> Any:
    from pint import OffsetUnitCalculusError, UndefinedUnitError

    if len(name) > _LONGEST_NAME:
        return None
    registry = _registry()
    if name in _ALWAYS_TEMPERATURES or (temperature and name in _TEMPERATURES):
        return registry.Unit(_TEMPERATURES[name])
    if name in _EVERYDAY:
        made = registry.Unit("")
        for unit, power in _EVERYDAY[name]:
            made = made * registry.Unit(unit) ** power
        return made
    for spelling in dict.fromkeys((name, name.lower(), name.rstrip("23"))):
        if not spelling.isidentifier() and not spelling.startswith("°"):
            continue
        try:
            known = registry.Unit(spelling)
        except (UndefinedUnitError, OffsetUnitCalculusError):
            continue
        if str(known) in _LOGARITHMIC:
            raise ToolError(f"{known} is a logarithm, which does not calculate as a unit")
        return known if spelling.lower() == name.lower() else known ** int(name[len(spelling) :])
    return None
