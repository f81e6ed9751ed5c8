"""What style sheets and attributes hide from the eye."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

Colour = tuple[int, int, int]
Declarations = dict[str, str]

WHITE: Colour = (255, 255, 255)
_NAMED: Mapping[str, Colour] = {
    "white": WHITE,
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "yellow": (255, 255, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
}
_ALIKE = 30
"""Sum of the differences of red, green and blue up to which nobody can read one on the other."""

_TINY_PX = 2.0
_FAR_PX = -400.0
_FAINT = 0.1
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_LAST = re.compile(r"([.#]?[\w-]+)(?:\[[^\]]*\]|:{1,2}[\w-]+)*\s*\Z")
_NUMBER = re.compile(r"(-?\d{0,9}\.?\d{1,9})\s*(px|pt|em|rem|%|vw|vh|in|cm|mm)?")
_HEX = re.compile(r"#([0-9a-f]{3,8})\b")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]{1,8})%?)?")
_ZEROES = re.compile(r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?|inset\(\s*(?:5\d|[6-9]\d|100)%")
_PX = {"px": 1.0, None: 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "%": 10.0, "in": 96.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How text is shown: hidden or not, its colour and what is behind it, where that is known."""

    hidden: bool = False
    colour: Colour | None = None
    behind: Colour = WHITE


def declarations(css: str) -> Declarations:
    """The declarations of a ``style`` attribute or a rule's body, in lower case."""
    found: Declarations = {}
    for declaration in css.lower().split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            found[name.strip()] = value.replace("!important", "").strip()
    return found


def rules(sheet: str) -> dict[str, Declarations]:
    """Declarations by the last simple selector (``.note``, ``#x``, ``span``) of each rule."""
    found: dict[str, Declarations] = {}
    for rule in _COMMENT.sub("", sheet).split("}"):
        before, brace, inside = rule.rpartition("{")
        body = declarations(inside)
        if not brace or not body:
            continue
        # A rule within another, such as a media query, stands after the other's brace.
        for selector in before.rpartition("{")[2].split(","):
            last = _LAST.search(selector.strip()[-200:])
            if last is not None:
                found.setdefault(last[1], {}).update(body)
    return found


def looked(above: Look, attributes: Mapping[str, str], styles: Sequence[Declarations]) -> Look:
    """How an element looks within one that looks like ``above``; later styles win."""
    style: Declarations = {}
    for declared in styles:
        style.update(declared)
    look = above
    behind = colour(style.get("background-color", "")) or colour(style.get("background", ""))
    behind = behind or colour(attributes.get("bgcolor", ""))
    if behind is not None:
        look = replace(look, behind=behind)
    front = style.get("color") or attributes.get("color", "")
    if front:
        look = replace(look, colour=colour(front))
    if (
        above.hidden
        or "hidden" in attributes
        or attributes.get("aria-hidden", "").strip().lower() == "true"
        or _hides(style)
        or _clear(front)
        or (look.colour is not None and _alike(look.colour, look.behind))
    ):
        look = replace(look, hidden=True)
    return look


def colour(value: str) -> Colour | None:
    """The colour that ``value`` begins with, where it is one of those known here."""
    value = value.strip().lower()
    rgb = _RGB.match(value)
    if rgb is not None:
        return int(rgb[1]), int(rgb[2]), int(rgb[3])
    digits = _HEX.match(value)
    if digits is not None:
        code = digits[1]
        if len(code) in (3, 4):
            code = "".join(2 * digit for digit in code)
        return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16) if code[4:6] else 0
    return _NAMED.get(value.split(" ")[0])


def _alike(one: Colour, other: Colour) -> bool:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) <= _ALIKE


def _clear(value: str) -> bool:
    """Whether a colour is transparent."""
    value = value.strip().lower()
    rgb = _RGB.match(value)
    if rgb is not None and rgb[4]:
        return _number(rgb[4], 1.0) <= _FAINT
    digits = _HEX.match(value)
    if digits is not None and len(digits[1]) in (4, 8):
        return int(digits[1][-(len(digits[1]) // 4) :], 16) <= len(digits[1]) * 3
    return value.startswith("transparent")


def _hides(style: Declarations) -> bool:
    """Whether declarations leave nothing to see, whatever stands around."""
    get = style.get
    if get("display") == "none" or get("visibility") in ("hidden", "collapse"):
        return True
    if "opacity" in style and _number(get("opacity", ""), 1.0) <= _FAINT:
        return True
    if "font-size" in style and _pixels(get("font-size", ""), 16.0) <= _TINY_PX:
        return True
    if _pixels(get("text-indent", ""), 0.0) <= _FAR_PX:
        return True
    if get("position") in ("absolute", "fixed") and any(
        _pixels(get(side, ""), 0.0) <= _FAR_PX for side in ("left", "top", "right", "bottom")
    ):
        return True
    if _ZEROES.search(get("clip", "") + get("clip-path", "")):
        return True
    if "scale(0" in get("transform", "") and "scale(0." not in get("transform", ""):
        return True
    clipped = get("overflow", "").startswith("hidden")
    return clipped and any(
        _pixels(get(side, ""), 99.0) <= 1.0 for side in ("width", "height", "max-height")
    )


def _number(value: str, otherwise: float) -> float:
    found = _NUMBER.match(value)
    return float(found[1]) / (100.0 if found[2] == "%" else 1.0) if found else otherwise


def _pixels(value: str, otherwise: float) -> float:
    found = _NUMBER.match(value)
    return float(found[1]) * _PX.get(found[2], 10.0) if found else otherwise
