"""The guard that needs no model server."""

import asyncio
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from guards.conversation import Exchange, Role, Subject
from guards.embedded.accurate import Accurate
from guards.embedded.heads import Field, Logits, Odds, probability
from guards.embedded.manifest import Shipped
from guards.embedded.model import Model
from guards.embedded.normalise import MAX_CHARS, normalise
from guards.embedded.passages import Passage, merged, passage
from guards.embedded.segments import placed
from guards.hazards import Hazard
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict

INLINE_CHARS = 1_500
"""Longer texts are judged in a worker thread, so that the event loop is not held up. The accurate
tier always is."""

CACHED_WINDOWS = 4_096
TURNS = 3
"""Previous user turns joined with the message, so that splitting a request is no way round."""

JOINED_CHARS = 600

_FIELDS = {
    Subject.USER_INPUT: Field.REQUEST,
    Subject.IMAGE_PROMPT: Field.REQUEST,
    Subject.TOOL_CALL: Field.REQUEST,
    Subject.REPLY: Field.REPLY,
    Subject.REPLY_SO_FAR: Field.REPLY,
    Subject.TOOL_RESULT: Field.DATA,
    Subject.DOCUMENT: Field.DATA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A text made ready for both tiers.

    Attributes:
        passage: set for data only, where findings are given a place.
        joined: the turns before and the message as one, where a request may have been split.
        request: what a reply answers.
    """

    field: Field
    text: str
    passage: Passage | None = None
    before: str = ""
    request: str = ""

    @property
    def joined(self) -> str:
        return f"{self.before} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    odds: Odds
    spans: tuple[Span, ...] = ()


class EmbeddedGuard:
    """Two multi-label classifiers on the CPU, the accurate one asked where the fast one leaves
    doubt; see ``CARD.md``.

    Probabilities are scaled so that one half is the recommended operating point of every hazard.
    The text is judged in overlapping windows and the highest probability counts. Windows judged
    before are remembered by a keyed hash, so a reply judged again as it grows costs little more
    than its new end. A prompt injection found in a document or a tool result comes with the span
    of every sentence it is in.
    """

    subjects = frozenset(_FIELDS)

    def __init__(self, shipped: Shipped, *, name: str = "embedded") -> None:
        self.name = name
        self._model = shipped.fast
        self._accurate = shipped.accurate
        self._known = _Windows(shipped.fast)
        tier = "" if shipped.accurate else "-fast"
        self.revision = f"embedded-{shipped.version}{tier}+{shipped.digest[:12]}"
        self.hazards = shipped.hazards

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the text of any subject but images.

        A text longer than ``MAX_CHARS`` comes back as ``Unscanned(TOO_LONG)``.

        Raises:
            ValueError: for a subject that is not in ``subjects``.
        """
        start = time.perf_counter()
        if exchange.subject not in _FIELDS:
            raise ValueError(f"{self.name} does not judge {exchange.subject}")
        if len(exchange.text) > MAX_CHARS:
            return Unscanned(
                guard=self.name,
                revision=self.revision,
                reason=Failure.TOO_LONG,
                detail=f"text is longer than {MAX_CHARS} characters",
                elapsed=time.perf_counter() - start,
            )
        if len(exchange.text) <= INLINE_CHARS:
            case, answer = self._quickly(exchange)
        else:
            case, answer = await asyncio.to_thread(self._quickly, exchange)
        accurate = self._accurate
        growing = exchange.subject is Subject.REPLY_SO_FAR
        if accurate is None:
            pass
        elif accurate.asked(case.text, case.field, answer.odds, growing=growing):
            answer = await asyncio.to_thread(self._closely, accurate, case, answer)
        else:
            odds = accurate.settled(case.text, case.field, answer.odds)
            answer = _Answer(odds=odds, spans=answer.spans)
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=tuple(_findings(answer)),
            elapsed=time.perf_counter() - start,
        )

    def _quickly(self, exchange: Exchange) -> tuple[_Case, _Answer]:
        """The fast tier's answer."""
        case = _case(exchange)
        answer = self._fast(case.text, case.field, case.passage)
        if case.before:
            alone = self._fast(case.before, case.field).odds
            joined = self._fast(case.joined, case.field).odds
            answer = _Answer(odds=_raised(answer.odds, joined, alone))
        return case, answer

    def _fast(self, text: str, field: Field, origin: Passage | None = None) -> _Answer:
        """Highest log-odds over all windows of normalised ``text``."""
        found: Odds = {}
        spans: list[tuple[int, int]] = []
        for start, end in placed(text):
            odds = self._model.odds(self._known.logits(text[start:end]), field)
            for hazard, value in odds.items():
                found[hazard] = max(value, found.get(hazard, value))
            if origin is not None and odds[Hazard.PROMPT_INJECTION] >= 0.0:
                spans.append(origin.origin(start, end))
        return _Answer(odds=found, spans=_spans(spans))

    def _closely(self, accurate: Accurate, case: _Case, fast: _Answer) -> _Answer:
        """Both tiers' answer."""
        opinion = accurate.judge(case.text, case.field, case.request, self._model)
        odds = accurate.blended(case.field, fast.odds, opinion.odds)
        if case.before:
            quick = self._fast(case.joined, case.field).odds
            if max(quick.values()) > max(self._fast(case.text, case.field).odds.values()):
                alone = self._both(accurate, case.before, case.field)
                odds = _raised(odds, self._both(accurate, case.joined, case.field), alone)
        spans = fast.spans
        if case.passage is not None and opinion.marked:
            spans = _spans([case.passage.origin(start, end) for start, end in opinion.marked])
        return _Answer(odds=odds, spans=spans)

    def _both(self, accurate: Accurate, text: str, field: Field) -> Odds:
        fast = self._fast(text, field).odds
        return accurate.blended(field, fast, accurate.judge(text, field, "", self._model).odds)


def _case(exchange: Exchange) -> _Case:
    field = _FIELDS[exchange.subject]
    match field:
        case Field.DATA:
            origin = passage(exchange.text)
            return _Case(field=field, text=origin.text, passage=origin)
        case Field.REPLY:
            asked = [m.text for m in exchange.context if m.role is Role.USER][-1:]
            request = normalise(asked[0][-JOINED_CHARS:]) if asked else ""
            return _Case(field=field, text=normalise(exchange.text), request=request.strip())
        case Field.REQUEST:
            text = normalise(exchange.text)
            splittable = exchange.subject is Subject.USER_INPUT and len(text) <= JOINED_CHARS
            before = _previous_turns(exchange) if splittable else ""
            return _Case(field=field, text=text, before=before)


def _previous_turns(exchange: Exchange) -> str:
    texts = [
        message.text[-JOINED_CHARS:] for message in exchange.context if message.role is Role.USER
    ]
    return normalise(" ".join(texts[-TURNS:]))[-JOINED_CHARS:].strip()


def _raised(odds: Odds, joined: Odds, alone: Odds) -> Odds:
    """What the message adds to the turns before it.

    What the earlier turns say by themselves was judged in their own time.
    """
    return {
        hazard: max(value, joined[hazard]) if joined[hazard] > alone[hazard] else value
        for hazard, value in odds.items()
    }


def _spans(ranges: list[tuple[int, int]]) -> tuple[Span, ...]:
    return tuple(Span(start=start, end=end) for start, end in merged(ranges))


def _findings(answer: _Answer) -> Iterator[Finding]:
    for hazard, odds in answer.odds.items():
        found = probability(odds)
        placed_here = hazard is Hazard.PROMPT_INJECTION and odds >= 0.0 and answer.spans
        for span in answer.spans if placed_here else (None,):
            yield Finding(hazard=hazard, probability=found, span=span)


class _Windows:
    """Logits of the windows judged last, least recently used first out.

    Keys are hashed with a key of this process, so no text is kept and none can be looked up.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._secret = os.urandom(16)
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, Logits] = OrderedDict()

    def logits(self, window: str) -> Logits:
        raw = window.encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(raw, digest_size=16, key=self._secret).digest()
        with self._lock:
            known = self._entries.get(key)
            if known is not None:
                self._entries.move_to_end(key)
                return known
        logits = self._model.logits(window)
        with self._lock:
            self._entries[key] = logits
            if len(self._entries) > CACHED_WINDOWS:
                self._entries.popitem(last=False)
        return logits
