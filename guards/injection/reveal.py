"""Everything there is to read in a text, the hidden with the plain."""

import re
from collections import deque

from guards.injection.encoded import read_encoded
from guards.injection.fields import Piece, read_fields
from guards.injection.invisible import read_invisible
from guards.injection.markup import has_markup, read_markup
from guards.injection.passages import Disguise, Passage
from guards.injection.traced import Traced

DEPTH = 4
"""How often something hidden is looked into for more that is hidden within."""

_MARKDOWN = re.compile(
    r"^[ ]{0,3}\[(?P<label>[^\]\n]{1,200})\]:[ \t]*(?:<[^>\n]{0,500}>|\S{0,2000})"
    r"(?:[ \t]+(?:\"(?P<a>[^\"\n]{1,2000})\"|'(?P<b>[^'\n]{1,2000})'|\((?P<c>[^)\n]{1,2000})\)))?"
    r"|\]\([^()\s]{0,2000}[ \t]+\"(?P<title>[^\"\n]{1,2000})\"[ \t]*\)"
    r"|!\[(?P<alt>[^\]\n]{12,2000})(?=\]\()",
    re.MULTILINE,
)


class TooMuchHiddenError(ValueError):
    """What is hidden in a text is more than anybody would read."""


def reveal(text: str, most: int) -> list[Passage]:
    """What ``text`` says: first what is plain to see, then what was hidden or encoded.

    Every passage traces back to ``text``. What is revealed is looked into again, four deep.

    Raises:
        TooMuchHiddenError: all passages together have more than ``most`` characters.
    """
    found: list[Passage] = []
    size = 0
    waiting = deque([(Passage(traced=Traced.of(text)), 0)])
    seen: set[tuple[str, int, int]] = set()
    while waiting:
        passage, depth = waiting.popleft()
        shown, more = _look(passage)
        if depth < DEPTH:
            waiting += [(inner, depth + 1) for inner in more]
        whole = shown.traced.origin(0, len(shown.text))
        if not shown.text.strip() or (shown.text, *whole) in seen:
            continue
        seen.add((shown.text, *whole))
        size += len(shown.text)
        if size > most:
            raise TooMuchHiddenError
        found.append(shown)
    return found


def _look(passage: Passage) -> tuple[Passage, list[Passage]]:
    """``passage`` as it reads, and what is hidden in it."""
    source, breaks = passage.traced, passage.breaks
    hidden: list[Passage] = []
    fields = read_fields(source)
    if fields is not None:
        shown, hidden = _look_into(fields)
        source, breaks = shown.traced, shown.breaks
    elif has_markup(source.text):
        shown, hidden = read_markup(source)
        source, breaks = shown.traced, shown.breaks
    else:
        hidden += _markdown(source)
    hidden += read_encoded(source)
    plain, unseen = read_invisible(source)
    hidden += unseen
    if plain.text != source.text:
        hidden += read_encoded(plain)
        breaks = ()
    inherited = passage.disguise
    hidden = [
        # What is hidden within something hidden on purpose is no less so.
        Passage(traced=p.traced, disguise=inherited, breaks=p.breaks)
        if inherited.deliberate and not p.disguise.deliberate
        else p
        for p in hidden
    ]
    return Passage(traced=plain, disguise=inherited, breaks=breaks), hidden


def _look_into(fields: list[Piece]) -> tuple[Passage, list[Passage]]:
    """The values of fields, each read as what it is, put together again."""
    pieces: list[Traced] = []
    breaks: list[int] = []
    hidden: list[Passage] = []
    size = 0
    for field in fields:
        piece = field.traced
        if field.value:
            breaks.append(size)
            if has_markup(piece.text):
                shown, more = read_markup(piece)
                breaks += [size + at for at in shown.breaks]
                hidden += more
                piece = shown.traced
            else:
                hidden += _markdown(piece)
        pieces.append(piece)
        size += len(piece.text)
        if field.value:
            breaks.append(size)
    return Passage(traced=Traced.joined(pieces), breaks=tuple(breaks)), hidden


def _markdown(source: Traced) -> list[Passage]:
    """Titles, pictures' descriptions and definitions of references, which rendering hides."""
    found = []
    for match in _MARKDOWN.finditer(source.text):
        for group in ("label", "a", "b", "c", "title", "alt"):
            if match[group] and " " in match[group].strip():
                piece = source.piece(match.start(group), match.end(group))
                found.append(Passage(traced=piece, disguise=Disguise.ATTRIBUTE))
    return found
