"""What a reply may rest on: documents and tool results, numbered, and what the user said."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from guards.conversation import Message, Role, Source
from guards.grounding.terms import Terms, terms, united
from guards.sentences import sentences

MAX_CHARS = 1_000_000
_DATA = frozenset({Source.TOOL, Source.DOCUMENT})
_ENTRY = re.compile(r"^[ \t\"{]*(?:\[(\d{1,3})\]|【(\d{1,3})】)", re.MULTILINE)
_COMMON = 400
_NEAREST = 12
_LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A sentence of a source, or two that follow each other."""

    source: int | None
    terms: Terms


class Sources:
    """Everything to check against.

    Attributes:
        numbers: of the sources, as a reply cites them.
        passages: of all sources, and of the user's messages with ``None`` as their number.
        quotable: all of it in lower case, for what is quoted.
        counted: numbers with the things they count, and ``things`` these things.
    """

    def __init__(
        self, numbers: frozenset[int], passages: tuple[Passage, ...], quotable: str
    ) -> None:
        self.numbers = numbers
        self.passages = passages
        self.quotable = quotable
        self.counted = frozenset(pair for passage in passages for pair in passage.terms.counted)
        self.things = frozenset(thing for _, thing in self.counted)
        self._holding: dict[str, list[int]] = {}
        for place, passage in enumerate(passages):
            for word in (*passage.terms.words, *passage.terms.numbers):
                self._holding.setdefault(word, []).append(place)

    def holds(self, word: str) -> bool:
        """Whether any passage has this word or number."""
        return word in self._holding

    def nearest(self, claim: Terms, among: Collection[int] | None) -> list[Passage]:
        """The passages that share most words with ``claim``; ``among`` some of the sources."""
        shared: Counter[int] = Counter()
        for word in (*claim.words, *claim.numbers):
            # What stands everywhere tells nothing apart, and would be slow to count.
            shared.update(self._holding.get(word, ())[:_COMMON])
        found = [
            self.passages[place]
            for place, _ in shared.most_common()
            if among is None or self.passages[place].source in among
        ]
        return found[:_NEAREST]


def is_source(message: Message) -> bool:
    """Whether a message holds what a tool or a document said."""
    return message.role is Role.TOOL or message.provenance.source in _DATA


def read_sources(context: Sequence[Message]) -> Sources:
    """The sources in ``context``.

    Where a message numbers its own entries (``[1]`` at the beginning of a line), these are the
    sources; otherwise each message is one, counted from 1.
    """
    texts: list[tuple[int | None, str]] = []
    count = 0
    for message in context:
        if is_source(message):
            entries = _entries(message.text)
            if entries:
                texts += entries
                count = max([count, *(number for number, _ in entries)])
            else:
                count += 1
                texts.append((count, message.text))
        elif message.role is Role.USER:
            texts.append((None, message.text))
    passages = [passage for number, text in texts for passage in _passages(number, text)]
    return Sources(
        numbers=frozenset(number for number, _ in texts if number is not None),
        passages=tuple(passages),
        quotable=" ".join(" ".join(text.lower().split()) for _, text in texts),
    )


def _entries(text: str) -> list[tuple[int, str]]:
    marks = list(_ENTRY.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    return [
        (int(mark[1] or mark[2]), text[mark.end() : end])
        for mark, end in zip(marks, ends, strict=True)
    ]


def _passages(number: int | None, text: str) -> list[Passage]:
    singles = [
        terms(text[at : min(end, at + _LONGEST)])
        for start, end in sentences(text)
        for at in range(start, end, _LONGEST)
    ]
    pairs = [united(*pair) for pair in pairwise(singles)]
    return [Passage(source=number, terms=found) for found in (*singles, *pairs)]
