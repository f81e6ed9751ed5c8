"""The words of an expression, as people write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from plugins.errors import ToolError

LONGEST = 500
"""Characters of an expression."""

MOST_TOKENS = 250

_SIGNS = str.maketrans(
    {
        "×": "*",
        "·": "*",
        "⋅": "*",
        "÷": "/",
        "−": "-",
        "–": "-",
        "²": "^2 ",
        "³": "^3 ",
        "√": " sqrt ",
        "π": " pi ",
        "º": "°",
        "→": " to ",
        "\u00a0": " ",
        "\u202f": " ",
    }
)
_PHRASES = {
    "multiplied by": "*",
    "divided by": "/",
    "to the power of": "^",
    "square root of": "sqrt",
    "cube root of": "cbrt",
    "plus": "+",
    "minus": "-",
    "times": "*",
    "x": "*",
    "over": "/",
    "per": "per",
    "mod": "mod",
    "of": "of",
    "off": "off",
    "percent": "%",
    "squared": "^2",
    "cubed": "^3",
    "->": "to",
    "**": "^",
}
_OPERATORS = frozenset({"+", "-", "*", "/", "^", "%", "!", "per", "mod", "of", "off"})

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<phrase>(?:multiplied\s+by|divided\s+by|to\s+the\s+power\s+of|square\s+root\s+of"
    r"|cube\s+root\s+of|plus|minus|times|over|per|mod|off|of|percent|squared|cubed|x)"
    r"(?![^\W\d_]|_)|->|\*\*)"
    r"|(?P<grouped>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>°?[^\W\d_](?:\w)*|°)"
    r"|(?P<money>[$€£¥₹])"
    r"|(?P<sign>[-+*/^%!(),])",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^(?:please\s+)?(?:what\s+is|what's|how\s+much\s+is|calculate|compute|convert)\s+",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """What a token is."""

    NUMBER = "number"
    NAME = "name"
    OPERATOR = "operator"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is a number without grouping, a name as written, or an operator's sign."""

    kind: Kind
    text: str


END = Token(Kind.END, "")


def tidy(expression: str) -> str:
    """The expression without what is only asking.

    Raises:
        ToolError: it is empty or too long.
    """
    text = " ".join(expression.split())
    text = _ASKED.sub("", text).rstrip("?=. ")
    if not text:
        raise ToolError("expression: is empty; write one such as 15% of 80")
    if len(text) > LONGEST:
        raise ToolError(f"expression: has {len(text)} characters, at most {LONGEST} are taken")
    return text


def tokens(text: str) -> tuple[Token, ...]:
    """Split ``text``; :data:`END` is last.

    Raises:
        ToolError: a character has no meaning here, or there are too many tokens.
    """
    found = tuple(_split(text.translate(_SIGNS)))
    if len(found) > MOST_TOKENS:
        raise ToolError(f"expression: has more than {MOST_TOKENS} parts; work it out in steps")
    return (*found, END)


def _split(text: str) -> Iterator[Token]:
    at = 0
    calls: list[bool] = []
    named = False
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ToolError(f"expression: {text[at]!r} has no meaning here")
        kind, word = match.lastgroup, match.group()
        if kind == "grouped" and calls and calls[-1]:
            kind, word = "number", word.partition(",")[0]
        at += len(word)
        if kind == "space":
            continue
        if word == "(":
            calls.append(named)
        elif word == ")" and calls:
            calls.pop()
        named = kind == "name"
        yield from _tokens_of(kind or "", word)


def _tokens_of(kind: str, word: str) -> Iterator[Token]:
    match kind:
        case "number" | "grouped":
            yield Token(Kind.NUMBER, word.replace(",", ""))
        case "name":
            yield Token(Kind.NAME, word)
        case "money":
            raise ToolError("expression: leave out the sign of the money; rates are not known here")
        case "phrase":
            meaning = _PHRASES[" ".join(word.lower().split())]
            if meaning.startswith("^") and len(meaning) > 1:
                yield Token(Kind.OPERATOR, "^")
                yield Token(Kind.NUMBER, meaning[1:])
            else:
                yield Token(
                    Kind.OPERATOR if meaning in _OPERATORS else Kind.NAME,
                    meaning,
                )
        case _:
            yield Token(Kind(word) if word in "()," else Kind.OPERATOR, word)
