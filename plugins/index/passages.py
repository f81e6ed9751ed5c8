"""Sources as numbered passages for a model, with the citations that go with them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from guards.sentences import sentences
from plugins.index.terms import stem, tokens
from plugins.result import Citation

_TITLE_CHARS, _ORIGIN_CHARS = 100, 60
_LOOKED_AT = 60_000
"""Characters of a text in which a passage is looked for."""

_LEAST_EACH = 220
"""Characters below which a source is left out rather than cut further."""

_LEAST_MARKED = 10
"""Characters from which there is room for a mark that something was cut."""

_FIRST = 0.1
"""How much it counts that a passage's first sentence is to the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something to quote. ``origin`` is where it is from and how old, for the model."""

    title: str
    url: str
    origin: str
    text: str


def numbered(
    sources: Sequence[Source], terms: Sequence[str], chars: int
) -> tuple[str, tuple[Citation, ...]]:
    """What of ``sources`` answers to ``terms``, as text of at most ``chars``, and the citations.

    Each source begins a paragraph of its own with its number. Blanks and line breaks within a
    source become single blanks, so that no source can begin another's paragraph.
    """
    chosen = sources[: max(1, chars // _LEAST_EACH)]
    paragraphs: list[str] = []
    citations: list[Citation] = []
    left = chars
    for number, source in enumerate(chosen, start=1):
        title = _one_line(source.title)[:_TITLE_CHARS]
        origin = _one_line(source.origin)[:_ORIGIN_CHARS]
        head = f"[{number}] {title}" + (f" — {origin}" if origin else "")
        share = left // (len(chosen) - number + 1)
        text = passage(source.text, terms, max(1, share - len(head) - len("\n\n\n")))
        paragraph = f"{head}\n{text}" if text else head
        left -= len(paragraph) + len("\n\n")
        paragraphs.append(paragraph)
        citations.append(Citation(title=title, url=source.url, text=text))
    return "\n\n".join(paragraphs), tuple(citations)


def passage(text: str, terms: Sequence[str], chars: int) -> str:
    """The sentences in a row that hold most of ``terms``, rare ones above all, in one line.

    Where none does, the beginning. At most ``chars`` characters.
    """
    text = text[:_LOOKED_AT]
    wanted = {stem(term) for term in terms}
    spans = sentences(text)
    held = [wanted & {stem(term) for term in tokens(text[start:end])} for start, end in spans]
    spread = Counter(term for each in held for term in each)
    weights = {term: math.log(1.0 + len(spans) / count) for term, count in spread.items()}
    best, best_score, best_end = 0, -1.0, 0
    covered: Counter[str] = Counter()
    last = -1
    for first, (start, end) in enumerate(spans):
        while last < first or (last + 1 < len(spans) and spans[last + 1][1] - start <= chars):
            last += 1
            covered.update(held[last])
        own = sum(weights[term] for term in held[first])
        score = sum(weights[term] for term, count in covered.items() if count) + _FIRST * own
        if score > best_score + 1e-9:
            best, best_score, best_end = first, score, max(end, spans[last][1])
        covered.subtract(held[first])
    if not spans:
        return ""
    return _cut(text[spans[best][0] : best_end], terms, chars)


def _cut(text: str, terms: Sequence[str], chars: int) -> str:
    line = _one_line(text)
    if len(line) <= chars or chars < _LEAST_MARKED:
        return line[:chars]
    # One sentence that is too long: the part around the first thing that was asked for.
    lower = line.lower()
    places = [at for term in terms if (at := lower.find(term)) >= 0]
    start = max(0, min(min(places, default=0) - chars // 4, len(line) - chars + 1))
    if start:
        blank = line.find(" ", start, start + 20)
        start = blank + 1 if blank >= 0 else start
    before = "…" if start else ""
    room = chars - len(before) - 1
    piece = line[start : start + room]
    return before + piece.rstrip() + ("…" if start + room < len(line) else "")


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())
