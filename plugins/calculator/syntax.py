"""The grammar of an expression.

::

    conversion  = sum [("to" | "in" | "into" | "as") units]
    sum         = product {("+" | "-") product}
    product     = signed {("*" | "/" | "mod" | "of" | "off" | nothing) signed}
    signed      = ("-" | "+") signed | power
    power       = postfix ["^" signed]
    postfix     = measured {"!" | "%"}
    measured    = atom [units] {number units}
    units       = name {name} ["^" integer] {("*" | "/" | "per") name ...}

A number's units bind tightest, so that ``3 GB / 10 Mbit/s`` is a time.
"""

from plugins.calculator.functions import CONSTANTS, FUNCTIONS
from plugins.calculator.lexer import END, Kind, Token, tokens
from plugins.calculator.tree import (
    AS_PERCENT,
    LARGEST_UNIT_POWER,
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
    UnitFactor,
    Units,
)
from plugins.errors import ToolError

DEEPEST = 40
"""Parentheses, signs and powers within each other."""

_CONVERSION = frozenset({"to", "in", "into", "as"})
_ALSO_UNITS = frozenset({"min"})
"""Functions whose name stands for a unit behind a number."""


def parse(text: str) -> Sentence:
    """Read an expression.

    Raises:
        ToolError: it has no meaning; says where.
    """
    words = tokens(text)
    for at in range(len(words) - 3, 0, -1):
        word = words[at]
        if word.kind is Kind.NAME and word.text.lower() in _CONVERSION:
            target = _target(words[at + 1 :])
            if target is not None:
                return Sentence(_Parser((*words[:at], END)).whole(), target)
    return Sentence(_Parser(words).whole())


def _target(words: tuple[Token, ...]) -> Units | str | None:
    """What the words after a "to" name, if they are nothing but units."""
    if [word.text for word in words] == ["%", ""]:
        return AS_PERCENT
    if words[0].kind is not Kind.NAME:
        return None
    parser = _Parser(words)
    units = parser.units()
    return units if parser.word is END else None


class _Parser:
    def __init__(self, words: tuple[Token, ...]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0

    @property
    def word(self) -> Token:
        return self._words[self._at]

    @property
    def _next(self) -> Token:
        return self._words[min(self._at + 1, len(self._words) - 1)]

    def _take(self) -> Token:
        word = self.word
        self._at += 1
        return word

    def _is(self, *operators: str) -> bool:
        return self.word.kind is Kind.OPERATOR and self.word.text in operators

    def whole(self) -> Node:
        node = self._sum()
        if self.word is not END:
            raise self._unexpected()
        return node

    def _unexpected(self) -> ToolError:
        word = self.word
        if word is END:
            return ToolError("expression: ends too early; a number or a closing ) is missing")
        if word.kind is Kind.COMMA:
            return ToolError(
                "expression: commas only group thousands (1,000) or part a function's arguments; "
                "write decimals with a point"
            )
        return ToolError(f"expression: {word.text[:32]!r} is not expected there")

    def _sum(self) -> Node:
        node = self._product()
        while self._is("+", "-"):
            operator = self._take().text
            node = Binary(operator, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._signed()
        while True:
            if self._is("*", "/", "mod", "of", "off"):
                operator = self._take().text
                node = Binary(operator, node, self._signed())
            elif self._is("%"):
                self._take()
                node = Binary("mod", node, self._signed())
            elif self.word.kind in (Kind.OPEN, Kind.NAME):
                node = Binary("*", node, self._power())
            else:
                return node

    def _signed(self) -> Node:
        if not self._is("-", "+"):
            return self._power()
        negative = self._take().text == "-"
        self._deeper()
        operand = self._signed()
        self._depth -= 1
        return Negative(operand) if negative else operand

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ToolError(f"expression: is nested more than {DEEPEST} deep")

    def _power(self) -> Node:
        node = self._postfix()
        if not self._is("^"):
            return node
        self._take()
        self._deeper()
        exponent = self._signed()
        self._depth -= 1
        return Binary("^", node, exponent)

    def _postfix(self) -> Node:
        node = self._measured()
        while self._is("!", "%"):
            if self._is("%") and self._starts_operand(self._next):
                break
            node = Factorial(node) if self._take().text == "!" else Percent(node)
        return node

    def _starts_operand(self, word: Token) -> bool:
        if word.kind is Kind.NAME:
            return word.text.lower() not in _CONVERSION
        return word.kind in (Kind.NUMBER, Kind.OPEN)

    def _measured(self) -> Node:
        node = self._atom()
        if not self._at_units():
            return node
        node = Measured(node, self.units())
        while self.word.kind is Kind.NUMBER and self._next.kind is Kind.NAME:
            more = Number(self._take().text)
            if not self._at_units():
                raise self._unexpected()
            node = Binary("+", node, Measured(more, self.units()))
        return node

    def _at_units(self) -> bool:
        """Whether the next word is a unit, being neither function nor constant."""
        return self._is_unit(self._at)

    def _is_unit(self, at: int) -> bool:
        word = self._words[at]
        if word.kind is not Kind.NAME or word.text.lower() in CONSTANTS:
            return False
        if word.text.lower() not in FUNCTIONS:
            return True
        return word.text in _ALSO_UNITS and self._words[at + 1].kind is not Kind.OPEN

    def units(self) -> Units:
        factors = [self._factor(1)]
        while True:
            if self._is("*", "/", "per") and self._is_unit(self._at + 1):
                factors.append(self._factor(1 if self._take().text == "*" else -1))
            else:
                return tuple(factors)

    def _factor(self, sign: int) -> UnitFactor:
        names = [self._take().text]
        while self._at_units() and not self._converts():
            names.append(self._take().text)
        power = 1
        if self._is("^"):
            self._take()
            if self._is("-"):
                self._take()
                sign = -sign
            digits = self._take()
            if not digits.text.isdecimal() or not 1 <= int(digits.text[:9]) <= LARGEST_UNIT_POWER:
                raise ToolError(
                    f"expression: a unit's power is a whole number up to {LARGEST_UNIT_POWER}"
                )
            power = int(digits.text)
        return UnitFactor(tuple(names), sign * power)

    def _converts(self) -> bool:
        return self.word.text in ("to", "into", "as")

    def _atom(self) -> Node:
        word = self.word
        match word.kind:
            case Kind.NUMBER:
                return Number(self._take().text)
            case Kind.OPEN:
                return self._bracketed()[0]
            case Kind.NAME:
                return self._named()
            case _:
                raise self._unexpected()

    def _named(self) -> Node:
        name = self.word.text.lower()
        if name in CONSTANTS:
            self._take()
            return Constant(name)
        if name not in FUNCTIONS:
            return Measured(Number("1"), self.units())
        following = self._next
        if following.kind is Kind.OPEN:
            self._take()
            return Call(name, self._bracketed(many=True))
        if name in _ALSO_UNITS and not self._starts_operand(following):
            return Measured(Number("1"), self.units())
        self._take()
        if self._is("of"):
            self._take()
        self._deeper()
        argument = self._signed()
        self._depth -= 1
        return Call(name, (argument,))

    def _bracketed(self, *, many: bool = False) -> tuple[Node, ...]:
        self._take()
        self._deeper()
        nodes = [self._sum()]
        while many and self.word.kind is Kind.COMMA:
            self._take()
            nodes.append(self._sum())
        if self.word.kind is not Kind.CLOSE:
            raise self._unexpected()
        self._take()
        self._depth -= 1
        return tuple(nodes)
