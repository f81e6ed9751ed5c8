"""What is found in a folder, and how two ways of finding are brought together."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

Key = TypeVar("Key", bound=Hashable)

SMOOTHING = 60
"""Of reciprocal rank fusion: how little the first places are ahead (Cormack 2009)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A piece of a document.

    Attributes:
        path: of the document within its folder, with ``/``.
        title: the document's.
        heading: what the piece stands under; empty at the top.
        anchor: the heading as the fragment of a link.
        text: the piece.
        changed: when the document was, with its zone.
        words: how well its words fit, higher is better; ``None`` if none do.
        meaning: cosine to the question; ``None`` if not near.
    """

    path: str
    title: str
    heading: str
    anchor: str
    text: str
    changed: datetime
    words: float | None = None
    meaning: float | None = None

    @property
    def place(self) -> str:
        """Path and heading as a relative link."""
        fragment = f"#{quote(self.anchor, safe='')}" if self.anchor else ""
        return f"{quote(self.path, safe='/')}{fragment}"


def fused(rankings: Iterable[Sequence[Key]]) -> list[tuple[Key, float]]:
    """Keys of several rankings as one, best first, with scores: reciprocal rank fusion."""
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (SMOOTHING + rank)
    # Sorting is stable: of equals the one that came first stays first.
    return sorted(scores.items(), key=lambda item: -item[1])


def ranked(hits: Sequence[Hit]) -> list[Hit]:
    """``hits`` of one or several folders, best first, by words and meaning alike."""
    by_words = [(hit.words, place) for place, hit in enumerate(hits) if hit.words is not None]
    by_meaning = [(hit.meaning, place) for place, hit in enumerate(hits) if hit.meaning is not None]
    rankings = [
        [place for _, place in sorted(scored, key=lambda item: (-item[0], item[1]))]
        for scored in (by_words, by_meaning)
    ]
    return [hits[place] for place, _ in fused(rankings)]
