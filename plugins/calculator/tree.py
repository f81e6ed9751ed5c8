"""What an expression is made of."""

from dataclasses import dataclass

LARGEST_UNIT_POWER = 12


@dataclass(frozen=True, slots=True)
class UnitFactor:
    """Names as written, ``("square", "feet")``, and their power."""

    names: tuple[str, ...]
    power: int


Units = tuple[UnitFactor, ...]


@dataclass(frozen=True, slots=True)
class Number:
    digits: str


@dataclass(frozen=True, slots=True)
class Constant:
    name: str


@dataclass(frozen=True, slots=True)
class Measured:
    """An amount of something; a unit alone is one of it."""

    amount: "Node"
    units: Units


@dataclass(frozen=True, slots=True)
class Percent:
    amount: "Node"


@dataclass(frozen=True, slots=True)
class Factorial:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Negative:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """``operator`` is one of ``+ - * / ^ mod of off``."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Node", ...]


Node = Number | Constant | Measured | Percent | Factorial | Negative | Binary | Call

AS_PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A whole expression; ``target`` is what to express it in."""

    node: Node
    target: Units | str | None = None
