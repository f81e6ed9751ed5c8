"""Giving the user back, in a reply, what placeholders stand for."""

import re
from collections.abc import Mapping

_TAIL = 2_048
"""Characters of the word before a placeholder that are looked at."""

_LINK = re.compile(r"[/=]|\]\(")


class Restorer:
    """Puts values in the place of their placeholders in a text that comes in pieces.

    A placeholder within a link stays: a document could make the model write an address that
    carries what the user said to somebody else's server as soon as it is shown.

    Args:
        values: what each placeholder stands for.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        longest_first = sorted(values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        self._begun = {text[:end] for text in values for end in range(1, len(text))}
        self._longest = max(map(len, values), default=1) - 1
        self._word = ""
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown of the text so far; the beginning of a placeholder waits."""
        if not self._values:
            return piece
        text = self._held + piece
        end = self._begins(text)
        self._held = text[end:]
        return self._restored(text[:end])

    def end(self) -> str:
        """What is left when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _begins(self, text: str) -> int:
        """Where a placeholder begins that ``text`` may end in the middle of."""
        for length in range(min(len(text), self._longest), 0, -1):
            if text[-length:] in self._begun:
                return len(text) - length
        return len(text)

    def _restored(self, text: str) -> str:
        pieces: list[str] = []
        at = 0
        for match in self._pattern.finditer(text):
            self._follow(text[at : match.start()])
            within = _LINK.search(self._word)
            pieces += (text[at : match.start()], match[0] if within else self._values[match[0]])
            self._follow(match[0])
            at = match.end()
        self._follow(text[at:])
        pieces.append(text[at:])
        return "".join(pieces)

    def _follow(self, text: str) -> None:
        """Keep the unbroken word that the text ends in, as the model wrote it."""
        word = (self._word + text)[-_TAIL:]
        last = re.search(r"\S*\Z", word)
        self._word = last[0] if last else ""
