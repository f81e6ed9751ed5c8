"""What every guard model behind a server has in common; the adapters add what tells them apart."""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from guards.conversation import Exchange, ImagePart, Subject
from guards.hazards import Hazard
from guards.models.guard_servers import GuardServers
from guards.models.transcript import MAX_SEGMENTS, PROMPT_VERSION, judged_text, segments
from guards.refusal import RejectedError, RejectionKind
from guards.upstream import Upstream
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

T = TypeVar("T")

Category = tuple[Hazard, str | None]
"""What a finding counts as, and what the guard calls it where that is not the same."""

WITHOUT_IMAGES = frozenset(Subject) - {Subject.IMAGE}
LEAST_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a guard model makes of one segment.

    Attributes:
        probabilities: of the categories it names.
        score: probability that it is unsafe at all.
        told: whether the server sent token probabilities.
    """

    probabilities: Mapping[Category, float]
    score: float
    told: bool = True


class ServedGuard(ABC):
    """A :class:`~guards.guard.Guard` that asks a model behind an OpenAI-compatible server.

    A judged text over its share of ``max_bytes`` is judged in overlapping segments, side by
    side; each category keeps its highest probability. One segment that cannot be judged leaves
    all unjudged. Where a server sends no token probabilities, a verdict is 1.0 or 0.0, and its
    revision ends in ``/text-only``.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers and questions.
        max_bytes: UTF-8 bytes shown at most, half of it context.
        family: how the revision begins.
        hazards: what it is able to find.
        subjects: what it is able to judge.
        shape: everything else that shapes what the model is shown and how it is read.
        max_segments: how many segments are judged before a text counts as too long.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        clock: Callable[[], float],
        model: str,
        name: str,
        timeout: float,
        max_bytes: int,
        family: str,
        hazards: frozenset[Hazard],
        subjects: frozenset[Subject],
        shape: object,
        max_segments: int = MAX_SEGMENTS,
    ) -> None:
        if max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes must be at least {LEAST_BYTES}")
        if not timeout > 0:
            raise ValueError("timeout must be a positive number of seconds")
        self._clock = clock
        self._servers = GuardServers(upstreams, clock=clock, model=model)
        self._name = name
        self._timeout = timeout
        self._budget = max_bytes // 2
        self._max_segments = max_segments
        self._family = family
        self._hazards = hazards
        self._subjects = subjects
        self._digest = _digest(PROMPT_VERSION, max_bytes, shape)

    @property
    def name(self) -> str:
        """See :class:`~guards.guard.Guard`."""
        return self._name

    @property
    def revision(self) -> str:
        """Family, served model and a digest of everything that shapes the prompt.

        The model is ``?`` until a server that was to choose it has answered.
        """
        return f"{self._family}/{self._servers.model or '?'}/{self._digest}"

    @property
    def hazards(self) -> frozenset[Hazard]:
        """See :class:`~guards.guard.Guard`."""
        return self._hazards

    @property
    def subjects(self) -> frozenset[Subject]:
        """See :class:`~guards.guard.Guard`."""
        return self._subjects

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`.

        Raises:
            GuardNonsenseError: an answer does not parse.
            UnknownHazardError: it names a category nobody knows.
            UpstreamError: no server answered.
        """
        start = self._clock()
        unable = self._unable(exchange)
        if unable:
            return self._unscanned(Failure.ERROR, unable, start)
        pieces = segments(self._shown(exchange), self._budget)
        if len(pieces) > self._max_segments:
            return self._unscanned(Failure.TOO_LONG, "longer than the segments allowed", start)
        deadline = start + self._timeout
        try:
            opinions = await side_by_side(
                [self._opinion(exchange, piece, deadline) for piece in pieces]
            )
        except RejectedError as error:
            if error.kind is not RejectionKind.CONTEXT_TOO_LONG:
                raise
            return self._unscanned(Failure.TOO_LONG, "longer than the guard's window", start)
        return self._verdict(opinions, start)

    @abstractmethod
    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        """Judge ``judged``, a segment of the exchange's text as it may be shown."""

    def _shown(self, exchange: Exchange) -> str:
        """What is judged, as it may be shown."""
        return judged_text(exchange)

    def _unable(self, exchange: Exchange) -> str:
        """Why this guard cannot judge ``exchange``; empty if it can."""
        if exchange.subject not in self._subjects:
            return f"cannot judge {exchange.subject}"
        return "cannot judge images" if images_of(exchange) else ""

    def _verdict(self, opinions: Sequence[Opinion], start: float) -> Verdict:
        best: dict[Category, float] = {}
        for opinion in opinions:
            for category, probability in opinion.probabilities.items():
                best[category] = max(best.get(category, 0.0), probability)
        told = all(opinion.told for opinion in opinions)
        return Verdict(
            guard=self._name,
            revision=self.revision if told else f"{self.revision}/text-only",
            findings=tuple(
                Finding(hazard=hazard, probability=probability, custom=custom)
                for (hazard, custom), probability in best.items()
            ),
            elapsed=self._clock() - start,
            score=max(opinion.score for opinion in opinions),
        )

    def _unscanned(self, reason: Failure, detail: str, start: float) -> Unscanned:
        return Unscanned(
            guard=self._name,
            revision=self.revision,
            reason=reason,
            detail=detail,
            elapsed=self._clock() - start,
        )


async def side_by_side(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of ``work`` in its order; the first failure ends all of it and is raised."""
    if len(work) == 1:
        return [await work[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def images_of(exchange: Exchange) -> tuple[str, ...]:
    """The addresses of the judged message's images."""
    return tuple(part.url for part in exchange.message.parts if isinstance(part, ImagePart))


def logprobs_wanted(top_logprobs: int) -> dict[str, Any]:
    """The fields of a chat request that ask for so many alternatives; none for 0.

    Raises:
        ValueError: ``top_logprobs`` is not within 0 and 20.
    """
    if not 0 <= top_logprobs <= 20:
        raise ValueError("top_logprobs must be within 0 and 20")
    return {"logprobs": True, "top_logprobs": top_logprobs} if top_logprobs else {}


def _digest(*parts: object) -> str:
    return hashlib.blake2b(
        orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=6
    ).hexdigest()
