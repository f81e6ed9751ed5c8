"""Text that has been changed and still knows where each part of it came from."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """``replacement`` stands for characters ``start`` to ``end`` of a traced text."""

    start: int
    end: int
    replacement: str


class Traced:
    """A text made from an original, and the range of the original behind each character.

    Kept as runs: a run as long as the range behind it is the same characters; any other stands
    for its range as a whole.
    """

    __slots__ = ("_places", "runs", "text")

    def __init__(self, text: str, runs: Iterable[tuple[int, int, int]]) -> None:
        """``runs`` are (place in ``text``, start and end in the original), in order."""
        self.text = text
        self.runs = tuple(runs)
        self._places = [place for place, _, _ in self.runs]

    @classmethod
    def of(cls, text: str) -> "Traced":
        """``text``, unchanged."""
        return cls(text, ((0, 0, len(text)),))

    @classmethod
    def joined(cls, pieces: Iterable["Traced | str"]) -> "Traced":
        """One text of several; a plain string stands for nothing in the original."""
        texts: list[str] = []
        runs: list[tuple[int, int, int]] = []
        size = last = 0
        for piece in pieces:
            if isinstance(piece, str):
                runs.append((size, last, last))
                texts.append(piece)
                size += len(piece)
                continue
            for place, start, end in piece.runs:
                runs.append((size + place, start, end))
                last = end
            texts.append(piece.text)
            size += len(piece.text)
        return cls("".join(texts), runs)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The smallest range of the original behind characters ``start`` to ``end``."""
        if not self.runs:
            return 0, 0
        low, high = self._behind(start)[0], self._behind(max(start, end - 1))[1]
        # Pieces may stand in another order than in the original.
        return min(low, high), max(low, high)

    def piece(self, start: int, end: int) -> "Traced":
        """Characters ``start`` to ``end``."""
        runs: list[tuple[int, int, int]] = []
        self._copy(runs, start, end, 0, max(0, bisect_right(self._places, start) - 1))
        return Traced(self.text[start:end], runs)

    def edited(self, edits: Iterable[Edit]) -> "Traced":
        """The text with ``edits`` made, which are in order and do not overlap."""
        texts: list[str] = []
        runs: list[tuple[int, int, int]] = []
        size = at = number = 0
        for edit in edits:
            start = edit.start
            if start > at:
                number = self._copy(runs, at, start, size, number)
                texts.append(self.text[at:start])
                size += start - at
            if edit.replacement:
                runs.append((size, *self.origin(start, edit.end)))
                texts.append(edit.replacement)
                size += len(edit.replacement)
            at = edit.end
        if at == 0:
            return self
        self._copy(runs, at, len(self.text), size, number)
        texts.append(self.text[at:])
        return Traced("".join(texts), runs)

    def _copy(
        self, runs: list[tuple[int, int, int]], start: int, end: int, size: int, number: int
    ) -> int:
        """Add the runs of ``start`` to ``end``, moved to ``size``; the number of the last one.

        ``number`` is of a run that begins at ``start`` or before.
        """
        while number < len(self.runs):
            place, low, high = self.runs[number]
            if place >= end:
                return max(0, number - 1)
            after = self._end(number)
            if after > start:
                first, last = max(place, start), min(after, end)
                if after - place == high - low:
                    low, high = low + first - place, low + last - place
                runs.append((size + first - start, low, high))
                if after >= end:
                    return number
            number += 1
        return max(0, number - 1)

    def standing_for(self, text: str, start: int, end: int) -> "Traced":
        """``text``, which is what characters ``start`` to ``end`` mean."""
        return Traced(text, ((0, *self.origin(start, end)),))

    def _end(self, number: int) -> int:
        return self._places[number + 1] if number + 1 < len(self._places) else len(self.text)

    def _behind(self, at: int) -> tuple[int, int]:
        number = max(0, bisect_right(self._places, at) - 1)
        place, low, high = self.runs[number]
        if self._end(number) - place == high - low:
            return low + at - place, low + at - place + 1
        return low, high
