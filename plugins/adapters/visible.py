"""Characters that a person does not see and a model reads."""

import unicodedata

_KEPT = frozenset("\n\r\t\u00ad\u200c\u200d")
"""Line ends, and what joins and parts letters in ordinary writing."""
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})


def is_hidden(character: str) -> bool:
    """Whether it is a control or format character, or none at all: escapes, tags, directions."""
    return character not in _KEPT and unicodedata.category(character) in _HIDDEN


def holds_hidden(text: str) -> bool:
    """Whether any character of ``text`` is hidden."""
    return any(is_hidden(each) for each in text)


def visible(text: str) -> str:
    r"""``text`` with hidden characters written out, as ``\u{200b}``."""
    return "".join(rf"\u{{{ord(each):x}}}" if is_hidden(each) else each for each in text)
