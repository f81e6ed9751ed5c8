"""The seam every guard model plugs into."""

from typing import Protocol

from guards.conversation import Exchange, Subject
from guards.hazards import Hazard, UnknownHazardError
from guards.verdict import Failure, Judgement


class Guard(Protocol):
    """Judges one exchange. Implementations are safe to call concurrently.

    ``judge`` may return :class:`~guards.verdict.Unscanned`, raise, or hang: the panel turns
    each of these into an ``Unscanned`` judgement, so a guard never needs to fail safely itself.
    """

    @property
    def name(self) -> str:
        """Short and stable: it appears in the decision log and in policies."""

    @property
    def revision(self) -> str:
        """Identifies weights, prompt and thresholds; changes whenever an answer could change."""

    @property
    def hazards(self) -> frozenset[Hazard]:
        """What this guard is able to find."""

    @property
    def subjects(self) -> frozenset[Subject]:
        """What this guard is able to judge."""

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge ``exchange.message`` in its context."""


class GuardNonsenseError(ValueError):
    """A guard model's output that does not parse. The message never quotes the output."""


def failure_of(error: BaseException) -> Failure:
    """Classify what a guard raised."""
    match error:
        case TimeoutError():
            return Failure.TIMEOUT
        case UnknownHazardError():
            return Failure.UNKNOWN_CATEGORY
        case GuardNonsenseError():
            return Failure.NONSENSE
        case _:
            return Failure.ERROR
