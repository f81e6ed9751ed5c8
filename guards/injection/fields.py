"""Tool results in JSON: the text of their values, with the place of every character."""

import re
from dataclasses import dataclass

from guards.injection.traced import Edit, Traced

# A string that is never closed goes on to the end, so that no quote is looked at twice.
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)', re.DOTALL)
_KEY = re.compile(r"\s*:")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)
_MEANT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_LEAST_VALUE = 12
"""Characters of a value that is a field of its own; shorter ones stay with what is around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of some JSON: a long string's value, or what stands between such values."""

    traced: Traced
    value: bool


def read_fields(source: Traced) -> list[Piece] | None:
    """``source`` in pieces where it looks like JSON, whole or in lines; ``None`` where it does not.

    Escapes are undone. JSON that breaks off or is malformed is read as far as it goes.
    """
    text = source.text
    if text.lstrip()[:1] not in ("{", "["):
        return None
    pieces: list[Piece] = []
    at = 0
    for found in _STRING.finditer(text):
        escaped = "\\" in found[1]
        long = len(found[1]) >= _LEAST_VALUE and not _KEY.match(text, found.end())
        if not escaped and not long:
            continue
        start, end = found.span(1)
        value = source.piece(start, end)
        pieces.append(Piece(traced=source.piece(at, start), value=False))
        pieces.append(Piece(traced=_unescaped(value) if escaped else value, value=True))
        at = end
    if at == 0:
        return None
    pieces.append(Piece(traced=source.piece(at, len(text)), value=False))
    return pieces


def _unescaped(value: Traced) -> Traced:
    return value.edited(
        Edit(start=found.start(), end=found.end(), replacement=_meaning(found[0]))
        for found in _ESCAPE.finditer(value.text)
    )


def _meaning(escape: str) -> str:
    if len(escape) == 2:
        return _MEANT.get(escape[1], escape[1])
    units = [int(escape[at + 2 : at + 6], 16) for at in range(0, len(escape), 6)]
    if len(units) == 2:
        return chr(0x10000 + ((units[0] - 0xD800) << 10) + units[1] - 0xDC00)
    return chr(units[0])
