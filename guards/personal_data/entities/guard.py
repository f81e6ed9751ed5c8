"""The guard that finds names and addresses by a packaged model."""

import asyncio
import threading
import time

from guards.conversation import Exchange, Subject
from guards.detection import MAX_CHARS, TEXTS, Hit, last_word, settle, words_back
from guards.hazards import Hazard
from guards.personal_data import labels
from guards.personal_data.entities.bearers import AFTER, BARE, NameContext, weigh
from guards.personal_data.entities.finds import finds
from guards.personal_data.entities.model import EntityModel
from guards.personal_data.entities.reader import Reader
from guards.personal_data.guard import RULES, unfinished
from guards.personal_data.guard import find as find_by_rules
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict

READING = "1"
"""Raised with every change of what is made of the model's output."""

_WORDS_HELD = 3
_LONGEST_WORD = 64
_JOINS = 3
"""Characters between words of one name, at most."""


class NamedEntitiesGuard:
    """Finds names, street addresses and what else of persons the model knows, and says where.

    Slower than rules by far: about as many milliseconds as a classifier of its size. Labels are
    those of :mod:`guards.personal_data.labels`.
    """

    hazards = frozenset({Hazard.PERSONAL_DATA})
    subjects = TEXTS

    def __init__(
        self,
        model: EntityModel,
        *,
        context: NameContext = NameContext.CONTACT,
        name: str = "named_entities",
    ) -> None:
        self.name = name
        self.revision = f"rampart-{model.digest}+reading-{READING}+rules-{RULES}+{context}"
        self._reader = Reader(model)
        self._context = context

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the text of any subject but images, in a worker thread.

        Raises:
            ValueError: the subject has no text.
            ArithmeticError: the model's output is not finite.
        """
        start = time.perf_counter()
        if exchange.subject not in TEXTS:
            raise ValueError(f"{self.name} does not judge {exchange.subject}")
        text = exchange.text
        if len(text) > MAX_CHARS:
            return Unscanned(
                guard=self.name,
                revision=self.revision,
                reason=Failure.TOO_LONG,
                detail=f"text is longer than {MAX_CHARS} characters",
                elapsed=time.perf_counter() - start,
            )
        stop = threading.Event()
        try:
            hits = await asyncio.to_thread(self._find, text, stop)
        finally:
            stop.set()  # a judgement that nobody waits for any more ends at its next window
        held = _held(text, hits) if exchange.subject is Subject.REPLY_SO_FAR else len(text)
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=tuple(
                Finding(
                    hazard=Hazard.PERSONAL_DATA,
                    probability=hit.probability,
                    span=Span(start=hit.start, end=hit.end),
                    label=hit.label,
                )
                for hit in hits
            ),
            elapsed=time.perf_counter() - start,
            hold=held if held < len(text) else None,
        )

    def _find(self, text: str, stop: threading.Event) -> list[Hit]:
        hits = settle(finds(text, self._reader.read(text, stop.is_set)))
        if self._context is NameContext.ANY or not hits:
            return hits
        return weigh(text, hits, find_by_rules(text))


def _held(text: str, hits: list[Hit]) -> int:
    """Where the end of ``text`` begins that more text could make a find of.

    That is what rules could make something of, the last words, because the model reads on before
    it decides, and names that what follows directly may turn out to be somebody's.
    """
    offset = last_word(text, _LONGEST_WORD)
    for begin in words_back(text, offset, _WORDS_HELD):
        offset = begin
    offset = min(offset, unfinished(text))
    for hit in reversed(hits):
        undecided = hit.label == labels.PERSON and BARE / 2 <= hit.probability < 0.5
        if hit.end + _JOINS >= offset or (undecided and hit.end + AFTER > len(text)):
            offset = min(offset, hit.start)
    return offset
