"""What a guard said of a row, as it is kept: probabilities and times, never a word of the text."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Self

from guards.hazards import Hazard
from guards.verdict import Failure, Judgement, Span, Unscanned

_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSpan:
    """A finding's place in the judged text."""

    hazard: Hazard
    probability: float
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One guard's judgement of one row.

    Attributes:
        row: the row's key.
        elapsed: seconds, by the guard's own clock.
        failure: why there is no verdict; ``None`` when there is one.
        probabilities: the highest of each hazard found.
        score: the guard's own probability that the text is unsafe at all, if it gives one.
    """

    row: str
    guard: str
    revision: str
    elapsed: float
    failure: Failure | None = None
    probabilities: Mapping[Hazard, float] = field(default_factory=dict)
    spans: tuple[FoundSpan, ...] = ()
    score: float | None = None

    def score_for(self, counted: AbstractSet[Hazard] | None = None) -> float:
        """The row's score: the highest probability, of ``counted`` hazards only if given.

        Without ``counted`` a guard's own score counts where it is larger.

        Raises:
            ValueError: there is no verdict; a failure has no score.
        """
        if self.failure is not None:
            raise ValueError("a judgement that failed has no score")
        if counted is not None:
            return max((p for h, p in self.probabilities.items() if h in counted), default=0.0)
        return max([*self.probabilities.values(), self.score or 0.0])

    @classmethod
    def of(cls, row: str, judgement: Judgement, *, guard: str, revision: str) -> Self:
        """What is kept of ``judgement`` by the guard that was asked.

        A verdict may name a guard further inside, which is not who was evaluated.
        """
        if isinstance(judgement, Unscanned):
            return cls(
                row=row,
                guard=guard,
                revision=revision,
                elapsed=round(judgement.elapsed, _DIGITS),
                failure=judgement.reason,
            )
        highest: dict[Hazard, float] = {}
        for finding in judgement.findings:
            probability = round(finding.probability, _DIGITS)
            highest[finding.hazard] = max(highest.get(finding.hazard, 0.0), probability)
        return cls(
            row=row,
            guard=guard,
            revision=revision,
            elapsed=round(judgement.elapsed, _DIGITS),
            probabilities=highest,
            spans=tuple(
                FoundSpan(hazard=f.hazard, probability=round(f.probability, _DIGITS), span=f.span)
                for f in judgement.findings
                if f.span is not None
            ),
            score=None if judgement.score is None else round(judgement.score, _DIGITS),
        )

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "row": self.row,
            "guard": self.guard,
            "revision": self.revision,
            "elapsed": self.elapsed,
        }
        if self.failure is not None:
            return body | {"failure": self.failure.value}
        body["findings"] = {hazard.value: p for hazard, p in self.probabilities.items()}
        if self.score is not None:
            body["score"] = self.score
        if self.spans:
            body["spans"] = [
                [one.hazard.value, one.probability, one.span.start, one.span.end]
                for one in self.spans
            ]
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_json`.

        Raises:
            KeyError, TypeError, ValueError: it is not what :meth:`as_json` made.
        """
        failure = body.get("failure")
        return cls(
            row=body["row"],
            guard=body["guard"],
            revision=body["revision"],
            elapsed=float(body["elapsed"]),
            failure=None if failure is None else Failure(failure),
            probabilities={Hazard(h): float(p) for h, p in body.get("findings", {}).items()},
            spans=tuple(
                FoundSpan(hazard=Hazard(h), probability=p, span=Span(start=start, end=end))
                for h, p, start, end in body.get("spans", ())
            ),
            score=body.get("score"),
        )
