"""The guard that checks a reply, sentence by sentence, against what it rests on."""

import asyncio
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from guards.conversation import Exchange, Message, Subject, text_message
from guards.detection import INLINE_CHARS
from guards.grounding.claims import Claim, claims, unfinished
from guards.grounding.evidence import FEATURES, doubt, evidence
from guards.grounding.sources import MAX_CHARS, Sources, is_source, read_sources
from guards.grounding.terms import terms
from guards.hazards import Hazard
from guards.panel import Seat, judge_within
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict

MAX_REPLY = 200_000
REMEMBERED = 8
"""Contexts whose sources stay taken apart while replies to them grow."""

_BAD_CITATION = 0.97
_NO_SOURCE = 0.9
_WEIGHTS = Path(__file__).parent / "weights.json"
_AT_ONCE = 4


class Fault(StrEnum):
    """What is wrong with a claim. Values are the labels of findings."""

    UNSUPPORTED = "UNSUPPORTED"
    CONTRADICTED = "CONTRADICTED"
    NO_SOURCE = "NO_SOURCE"
    BAD_CITATION = "BAD_CITATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """How probably a claim has a fault, and which."""

    claim: Claim
    probability: float
    fault: Fault


class GroundingGuard:
    """Checks what a reply claims against tool results and documents in its context.

    A sentence is checked where it cites a source or the context holds one; a reply that does
    neither has nothing to be checked against, and nothing is found. Words, numbers, names,
    negations and quotations decide; sentences they leave in doubt are put to ``second``, a guard
    that judges groundedness, when there is one. While a reply grows, only finished sentences are
    checked, and the last one is held.

    Args:
        name: as in policies and the decision log.
        second: asked about one sentence at a time, with the sources as its context.
        band: probabilities from the first up to but without the second leave a sentence in doubt.
        weights: for each of :data:`~guards.grounding.evidence.FEATURES`; the shipped ones if None.
        clock: seconds, monotonic.

    Raises:
        ValueError: ``second`` does not judge whether replies are grounded, or the band or the
            weights are not what they should be.
    """

    hazards = frozenset({Hazard.UNGROUNDED_CLAIM})
    subjects = frozenset({Subject.REPLY, Subject.REPLY_SO_FAR})

    def __init__(
        self,
        *,
        name: str = "grounding",
        second: Seat | None = None,
        band: tuple[float, float] = (0.2, 0.8),
        weights: Sequence[float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if second is not None:
            guard = second.guard
            if Hazard.UNGROUNDED_CLAIM not in guard.hazards or Subject.REPLY not in guard.subjects:
                raise ValueError(
                    f"second: {guard.name!r} does not judge whether a reply is grounded"
                )
        if not 0.0 <= band[0] <= band[1] <= 1.0:
            raise ValueError("band must be two probabilities in order")
        self._weights = tuple(load_weights() if weights is None else weights)
        if len(self._weights) != len(FEATURES):
            raise ValueError(f"weights must be {len(FEATURES)} numbers")
        self.name = name
        self._second = second
        self._band = band
        self._clock = clock
        self._known: OrderedDict[bytes, Sources] = OrderedDict()
        self._secret = os.urandom(16)
        digest = hashlib.blake2b(repr(self._weights).encode(), digest_size=4).hexdigest()
        beside = f"; {second.guard.revision} in {band[0]:g}-{band[1]:g}" if second else ""
        self.revision = f"grounding-1+{digest}{beside}"

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`.

        Raises:
            ValueError: the subject is not a reply.
        """
        start = self._clock()
        if exchange.subject not in self.subjects:
            raise ValueError(f"{self.name} does not judge {exchange.subject}")
        size = sum(len(message.text) for message in exchange.context)
        if len(exchange.text) > MAX_REPLY or size > MAX_CHARS:
            return self._unscanned(
                Failure.TOO_LONG, "too much text to check a reply against", start
            )
        text, hold = exchange.text, None
        if exchange.subject is Subject.REPLY_SO_FAR:
            end = unfinished(text)
            hold = end if end < len(text) else None
            text = text[:end]
        if len(text) + size <= INLINE_CHARS:
            doubts = self._doubts(text, exchange.context)
        else:
            doubts = await asyncio.to_thread(self._doubts, text, exchange.context)
        settled = await self._settled(doubts, exchange)
        if isinstance(settled, Unscanned):
            return self._unscanned(settled.reason, settled.detail, start)
        checkable = bool(doubts) or any(map(is_source, exchange.context))
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=tuple(
                Finding(
                    hazard=Hazard.UNGROUNDED_CLAIM,
                    probability=found.probability,
                    span=Span(start=found.claim.start, end=found.claim.end),
                    label=found.fault.value,
                )
                for found in settled
            ),
            elapsed=self._clock() - start,
            score=max((found.probability for found in settled), default=0.0),
            hold=hold if checkable else None,
        )

    def _doubts(self, reply: str, context: Sequence[Message]) -> list[Doubt]:
        made = claims(reply)
        sources = self._sources(context) if made else None
        if sources is None:
            return []
        return [found for claim in made if (found := self._check(claim, sources)) is not None]

    def _check(self, claim: Claim, sources: Sources) -> Doubt | None:
        if not sources.numbers:
            if not claim.cited and not claim.attributed:
                return None
            return Doubt(claim=claim, probability=_NO_SOURCE, fault=Fault.NO_SOURCE)
        if any(number not in sources.numbers for number in claim.cited):
            return Doubt(claim=claim, probability=_BAD_CITATION, fault=Fault.BAD_CITATION)
        said = terms(claim.text)
        found = evidence(said, sources, claim.cited or None)
        probability = doubt(found, self._weights)
        fault = Fault.CONTRADICTED if found.differs else Fault.UNSUPPORTED
        if claim.cited and probability >= 0.5:
            elsewhere = doubt(evidence(said, sources), self._weights)
            if elsewhere < 0.5:
                fault = Fault.BAD_CITATION
        return Doubt(claim=claim, probability=probability, fault=fault)

    def _sources(self, context: Sequence[Message]) -> Sources:
        hashed = hashlib.blake2b(digest_size=16, key=self._secret)
        for message in context:
            text = message.text.encode("utf-8", "surrogatepass")
            kind = f"{message.role} {message.provenance.source} {len(text)}\n"
            hashed.update(kind.encode() + text)
        key = hashed.digest()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = read_sources(context)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known

    async def _settled(self, doubts: list[Doubt], exchange: Exchange) -> list[Doubt] | Unscanned:
        """``doubts`` with the second guard's word on those that need it."""
        second = self._second
        low, high = self._band
        open_ = [
            place
            for place, found in enumerate(doubts)
            if second is not None
            and found.fault is not Fault.NO_SOURCE
            and low <= found.probability < high
        ]
        if second is None or not open_:
            return doubts
        context = tuple(message for message in exchange.context if is_source(message))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(place: int) -> Judgement:
            async with gate:
                message = text_message(
                    doubts[place].claim.text,
                    id=exchange.message.id,
                    role=exchange.message.role,
                    provenance=exchange.message.provenance,
                )
                asked = Exchange(subject=Subject.REPLY, message=message, context=context)
                return await judge_within(second, asked)

        async with asyncio.TaskGroup() as group:
            tasks = {place: group.create_task(ask(place)) for place in open_}
        settled = list(doubts)
        for place, task in tasks.items():
            judgement = task.result()
            if isinstance(judgement, Unscanned):
                return judgement
            probability = max(
                (
                    finding.probability
                    for finding in judgement.findings
                    if finding.hazard is Hazard.UNGROUNDED_CLAIM
                ),
                default=0.0,
            )
            old = doubts[place]
            settled[place] = Doubt(claim=old.claim, probability=probability, fault=old.fault)
        return settled

    def _unscanned(self, reason: Failure, detail: str, start: float) -> Unscanned:
        return Unscanned(
            guard=self.name,
            revision=self.revision,
            reason=reason,
            detail=detail,
            elapsed=self._clock() - start,
        )


def load_weights() -> tuple[float, ...]:
    """The weights that ship with Corral, in the order of the features."""
    content = orjson.loads(_WEIGHTS.read_bytes())
    return tuple(float(content[feature]) for feature in FEATURES)
