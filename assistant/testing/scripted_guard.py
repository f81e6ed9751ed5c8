"""An in-process stand-in for a guard model: a function answers instead of a model."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from guards.conversation import Exchange, Subject
from guards.hazards import Hazard
from guards.verdict import Finding, Judgement, Span, Unscanned, Verdict

Answer = tuple[Finding, ...] | Judgement | Exception
"""Findings make a verdict, an exception is raised, a judgement is returned as it is."""


class JudgingState(StrEnum):
    """How one scripted judgement stands."""

    RUNNING = "running"
    ANSWERED = "answered"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(slots=True, kw_only=True)
class Judging:
    """One judgement that was asked for, and how it ended."""

    exchange: Exchange
    state: JudgingState = JudgingState.RUNNING


def allow(_: Exchange) -> Answer:
    """Find nothing."""
    return ()


def flag(words: dict[str, Hazard], *, probability: float = 0.99) -> Callable[[Exchange], Answer]:
    """Find a hazard at the first place each word stands in the judged text."""

    def answer(exchange: Exchange) -> Answer:
        text = exchange.text
        return tuple(
            Finding(
                hazard=hazard,
                probability=probability,
                span=Span(start=text.index(word), end=text.index(word) + len(word)),
            )
            for word, hazard in words.items()
            if word in text
        )

    return answer


@dataclass(slots=True, kw_only=True)
class ScriptedGuard:
    """Answers by function after a delay and remembers every judgement.

    Attributes:
        answer: what to say about an exchange; see :data:`Answer`.
        delay: seconds of the loop's own time before answering, or a function of the exchange;
            ``math.inf`` never answers.
        judgings: every judgement that was started, oldest first.
    """

    answer: Callable[[Exchange], Answer] = allow
    delay: float | Callable[[Exchange], float] = 0.0
    name: str = "scripted"
    revision: str = "scripted-1"
    hazards: frozenset[Hazard] = frozenset(Hazard)
    subjects: frozenset[Subject] = frozenset(Subject)
    judgings: list[Judging] = field(default_factory=list)

    @property
    def running(self) -> int:
        """Judgements neither ended nor aborted."""
        return sum(judging.state is JudgingState.RUNNING for judging in self.judgings)

    async def judge(self, exchange: Exchange) -> Judgement:
        """Answer by script; see :class:`~guards.guard.Guard`."""
        judging = Judging(exchange=exchange)
        self.judgings.append(judging)
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            delay = self.delay(exchange) if callable(self.delay) else self.delay
            if delay == float("inf"):
                await loop.create_future()
            await asyncio.sleep(delay)
            answer = self.answer(exchange)
            if isinstance(answer, Exception):
                judging.state = JudgingState.FAILED
                raise answer
            judging.state = JudgingState.ANSWERED
            if isinstance(answer, Verdict | Unscanned):
                return answer
            return Verdict(
                guard=self.name,
                revision=self.revision,
                findings=answer,
                elapsed=loop.time() - start,
            )
        finally:
            if judging.state is JudgingState.RUNNING:
                judging.state = JudgingState.ABORTED
