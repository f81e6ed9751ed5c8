"""What a command prints: for people in colour where that is wanted, for machines as JSON."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

_KEPT = "\n\t"
_SHOWN: dict[int, str] = {c: chr(0x2400 + c) for c in range(0x20) if chr(c) not in _KEPT}
_SHOWN |= {0x0D: "", 0x7F: "\N{SYMBOL FOR DELETE}"}
_SHOWN |= dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}")
# Direction overrides make a terminal show text in another order than it was judged in.
_SHOWN |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "")

_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _SHOWN if code >= 0x7F}


def printable(text: str) -> str:
    """``text`` without anything a terminal would obey: what a model writes is data.

    Escape and other control characters become their visible symbols; newlines and tabs stay.
    """
    return text.translate(_SHOWN)


def to_json(value: Any) -> str:
    """Compact JSON whose strings hold no control character a terminal would obey."""
    return json.dumps(value, ensure_ascii=False).translate(_JSON_ESCAPES)


class Terminal:
    """Standard output and error of one command.

    In ``json_mode`` everything meant for people stays off standard output, so that it holds
    nothing but JSON. Colour follows the terminal, ``NO_COLOR`` and ``TERM``.
    """

    def __init__(self, *, json_mode: bool = False) -> None:
        self.json_mode = json_mode
        self._out = Console(highlight=False, markup=False, soft_wrap=True)
        self._err = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return not self.json_mode and sys.stdin.isatty() and sys.stdout.isatty()

    def write(self, text: str) -> None:
        """A piece of text without a line's end, as it streams; nothing in JSON mode."""
        if not self.json_mode:
            self._out.out(printable(text), end="", highlight=False)
            self._out.file.flush()

    def line(self, text: str = "", style: str = "") -> None:
        """One line for people; nothing in JSON mode."""
        if not self.json_mode:
            self._out.print(Text(printable(text), style=style))

    def note(self, text: str, style: str = "dim") -> None:
        """One line on standard error: progress, and what went wrong."""
        self._err.print(Text(printable(text), style=style))

    def progress(self, text: str) -> None:
        """What a server has come to: a line on standard error, or ``{"message": ...}``."""
        if self.json_mode:
            self.json({"message": text})
        else:
            self.note(text, "")

    def json(self, value: Any) -> None:
        """One line of JSON on standard output."""
        self._out.file.write(to_json(value) + "\n")
        self._out.file.flush()

    def error_json(self, value: Any) -> None:
        """One line of JSON on standard error."""
        self._err.file.write(to_json(value) + "\n")
        self._err.file.flush()
