"""The guard that needs no model server."""

import asyncio
import hashlib
import os
import threading
import time
from collections import OrderedDict

from guards.conversation import Exchange, Role, Subject
from guards.embedded.model import Field, Logits, Model
from guards.embedded.normalise import MAX_CHARS, normalise
from guards.embedded.segments import windows
from guards.hazards import Hazard
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

INLINE_CHARS = 1_500
"""Longer texts are judged in a worker thread, so that the event loop is not held up."""

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


class EmbeddedGuard:
    """A linear multi-label classifier over hashed n-grams, on the CPU; see ``CARD.md``.

    Probabilities are scaled so that one half is the recommended operating point of every hazard.
    The text is judged in overlapping windows and the highest probability counts. Windows judged
    before are remembered by a keyed hash, so a reply judged again as it grows costs little more
    than its new end.
    """

    subjects = frozenset(_FIELDS)

    def __init__(self, model: Model, *, name: str = "embedded") -> None:
        self.name = name
        self._model = model
        self._known = _Windows(model)
        self.revision = f"embedded-{model.version}+{model.digest[:12]}"
        self.hazards = frozenset(head.hazard for heads in model.heads.values() for head in heads)

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the text of any subject but images.

        A text longer than ``MAX_CHARS`` comes back as ``Unscanned(TOO_LONG)``.

        Raises:
            ValueError: for a subject that is not in ``subjects``.
        """
        start = time.perf_counter()
        if exchange.subject not in _FIELDS:
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
        if len(text) <= INLINE_CHARS:
            found = self._probabilities(exchange)
        else:
            found = await asyncio.to_thread(self._probabilities, exchange)
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=tuple(
                Finding(hazard=hazard, probability=probability)
                for hazard, probability in found.items()
            ),
            elapsed=time.perf_counter() - start,
        )

    def _probabilities(self, exchange: Exchange) -> dict[Hazard, float]:
        field = _FIELDS[exchange.subject]
        text = normalise(exchange.text)
        found = self._judge(text, field)
        if exchange.subject is Subject.USER_INPUT and len(text) <= JOINED_CHARS:
            before = _previous_turns(exchange)
            if before:
                alone = self._judge(before, field)
                joined = self._judge(f"{before} {text}", field)
                for hazard, probability in joined.items():
                    # What the earlier turns say by themselves was judged in their own time.
                    if probability > alone[hazard]:
                        found[hazard] = max(found[hazard], probability)
        return found

    def _judge(self, text: str, field: Field) -> dict[Hazard, float]:
        """Highest probability over all windows of normalised ``text``."""
        found: dict[Hazard, float] = {}
        for window in windows(text):
            probabilities = self._model.probabilities(self._known.logits(window), field)
            for hazard, probability in probabilities.items():
                if probability > found.get(hazard, -1.0):
                    found[hazard] = probability
        return found


def _previous_turns(exchange: Exchange) -> str:
    texts = [
        message.text[-JOINED_CHARS:] for message in exchange.context if message.role is Role.USER
    ]
    return normalise(" ".join(texts[-TURNS:]))[-JOINED_CHARS:].strip()


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
