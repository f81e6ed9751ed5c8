"""The guard that keeps an assistant to its topics."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from guards.conversation import Exchange, Role, Subject
from guards.embedded.normalise import MAX_CHARS, normalise
from guards.embedded.segments import windows
from guards.hazards import Hazard
from guards.topic.background import Background
from guards.topic.classifier import Classifier, fit
from guards.topic.embedder import Embedder
from guards.topic.followups import is_follow_up
from guards.topic.topics import Mode, Topic
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

VERSION = 1
MAX_WINDOWS = 8
"""Of a longer text so many windows are looked at, from its first to its last."""

JOINED_CHARS = 300

Vectors = NDArray[np.float32]


class TopicGuard:
    """Tells from examples whether a message is on an assistant's topics.

    A finding is ``OFF_TOPIC`` with the topic's name as ``custom``. All ``only`` topics give one
    together: how likely the message is on none of them, under the name of the one it comes
    nearest to. Each ``avoid`` topic gives one: how likely the message is on it. One half is where
    both kinds of mistakes are equally frequent among the examples.

    A message that leans on the one before ("and in winter?") is judged together with it.

    Args:
        topics: with a name of their own each.
        embedder: what turns messages into vectors.
        background: everyday messages, which topics are told apart from.
        name: as in policies and the decision log.
        clock: seconds, monotonic.
    """

    hazards = frozenset({Hazard.OFF_TOPIC})
    subjects = frozenset({Subject.USER_INPUT, Subject.IMAGE_PROMPT})

    def __init__(
        self,
        topics: Sequence[Topic],
        embedder: Embedder,
        background: Background,
        *,
        name: str = "topic",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        names = [topic.name for topic in topics]
        if not names:
            raise ValueError("the policy names no topics; write them under `topics`")
        if len(set(names)) != len(names):
            raise ValueError("every topic needs a name of its own")
        self.name = name
        self.revision = f"topic-{VERSION}/{embedder.revision}/{_digest(topics, background)}"
        self._embedder = embedder
        self._clock = clock
        examples = _Examples(embedder, topics, background)
        only = [topic for topic in topics if topic.mode is Mode.ONLY]
        self._nearest = {topic.name: examples.of(topic.allow).mean(axis=0) for topic in only}
        self._only = _fit_only(examples, only, background) if only else None
        self._avoid = {
            topic.name: _fit_avoid(examples, topic, only, background)
            for topic in topics
            if topic.mode is Mode.AVOID
        }

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge what a person asks for.

        A text longer than ``MAX_CHARS`` comes back as ``Unscanned(TOO_LONG)``.

        Raises:
            ValueError: for a subject that is not in ``subjects``.
        """
        start = self._clock()
        if exchange.subject not in self.subjects:
            raise ValueError(f"{self.name} does not judge {exchange.subject}")
        if len(exchange.text) > MAX_CHARS:
            return Unscanned(
                guard=self.name,
                revision=self.revision,
                reason=Failure.TOO_LONG,
                detail=f"text is longer than {MAX_CHARS} characters",
                elapsed=self._clock() - start,
            )
        findings = await asyncio.to_thread(self._findings, exchange)
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=findings,
            elapsed=self._clock() - start,
        )

    def _findings(self, exchange: Exchange) -> tuple[Finding, ...]:
        text = normalise(exchange.text).strip()
        if not text:
            return ()
        seen = self._vectors(_chosen(windows(text)))
        before = _turn_before(exchange) if is_follow_up(text) else ""
        joined = self._vectors([before, f"{before} {text}"]) if before else None
        findings = []
        if self._only is not None:
            whole = seen.mean(axis=0, keepdims=True)
            on = float(self._only.probabilities(whole)[0])
            if joined is not None:
                on = max(on, float(self._only.probabilities(joined)[1]))
                whole = joined[1:]
            name = max(self._nearest, key=lambda n: float(whole[0] @ self._nearest[n]))
            findings.append(_finding(name, 1.0 - on))
        for name, classifier in self._avoid.items():
            probability = float(classifier.probabilities(seen).max())
            if joined is not None:
                alone, together = classifier.probabilities(joined)
                # What the turn before says by itself was judged in its own time.
                if together > alone:
                    probability = max(probability, float(together))
            findings.append(_finding(name, probability))
        return tuple(findings)

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed(texts)


class _Examples:
    """Every example and background message, embedded once."""

    def __init__(self, embedder: Embedder, topics: Sequence[Topic], background: Background) -> None:
        groups = [group for topic in topics for group in (topic.allow, topic.deny)]
        groups += [background.small_talk, background.requests]
        texts = list(dict.fromkeys(text for group in groups for text in group))
        self._vectors = embedder.embed([normalise(text).strip() for text in texts])
        self._places = {text: place for place, text in enumerate(texts)}

    def of(self, texts: Sequence[str]) -> Vectors:
        """Their vectors, shape ``(len(texts), d)``."""
        vectors: Vectors = self._vectors[[self._places[text] for text in texts]]
        return vectors


def _fit_only(examples: _Examples, topics: Sequence[Topic], background: Background) -> Classifier:
    allowed = [text for topic in topics for text in topic.allow]
    denied = [text for topic in topics for text in topic.deny if text not in allowed]
    return fit(
        examples.of([*allowed, *background.small_talk]),
        examples.of(denied),
        examples.of(background.requests),
    )


def _fit_avoid(
    examples: _Examples, topic: Topic, only: Sequence[Topic], background: Background
) -> Classifier:
    fine = dict.fromkeys(text for other in (topic, *only) for text in other.allow)
    return fit(
        examples.of(topic.deny),
        examples.of([text for text in fine if text not in topic.deny]),
        examples.of([*background.small_talk, *background.requests]),
    )


def _finding(name: str, probability: float) -> Finding:
    return Finding(hazard=Hazard.OFF_TOPIC, probability=probability, custom=name)


def _chosen(pieces: Sequence[str]) -> list[str]:
    """All pieces, or so many as are looked at, spread evenly."""
    if len(pieces) <= MAX_WINDOWS:
        return list(pieces)
    last = len(pieces) - 1
    return [pieces[round(place * last / (MAX_WINDOWS - 1))] for place in range(MAX_WINDOWS)]


def _turn_before(exchange: Exchange) -> str:
    """What the person said last, its end if it is long; empty if nothing."""
    for message in reversed(exchange.context):
        if message.role is Role.USER and message.text.strip():
            return normalise(message.text[-2 * JOINED_CHARS :]).strip()[-JOINED_CHARS:]
    return ""


def _digest(topics: Sequence[Topic], background: Background) -> str:
    state = hashlib.sha256()
    for topic in topics:
        for field in (topic.name, topic.mode, *topic.allow, "/", *topic.deny, "/"):
            state.update(f"{field}\0".encode(errors="surrogatepass"))
    for text in (*background.small_talk, *background.requests):
        state.update(f"{text}\0".encode())
    return state.hexdigest()[:12]
