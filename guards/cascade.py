"""A cheap guard first, a stronger one only where the cheap one is unsure."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from guards.calibration import load_fitted
from guards.conversation import Exchange, Subject
from guards.hazards import Hazard
from guards.language import language_of
from guards.panel import Seat, judge_within
from guards.verdict import Finding, Judgement, Unscanned, Verdict

Probability = Annotated[float, Field(ge=0, le=1)]


class Band(BaseModel):
    """The uncertain probabilities, ``low`` up to but without ``high``.

    Below ``low`` the first guard is believed that a text is harmless, from ``high`` on that it
    is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    low: Probability
    high: Probability

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class Bands(BaseModel):
    """The bands of a pair of guards, by the language of the text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    band: Band = Field(description="For every language without one of its own.")
    languages: dict[str, Band] = Field(default={}, description="By ISO 639-1 code.")

    def of(self, text: str) -> Band:
        """The band for ``text``."""
        return self.languages.get(language_of(text), self.band) if self.languages else self.band

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with anything in it."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=4).hexdigest()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``corral guard calibrate --then`` wrote.

        Raises:
            CalibrationError: naming the file and what is wrong with it.
        """
        return load_fitted(cls, path)


class Cascade:
    """One guard made of two.

    The first guard's highest probability, over the hazards that the second can judge as well,
    decides: within the band the second is asked, and for the hazards it knows its word replaces
    the first's. Findings of other hazards stay as they are. Where the first gives no verdict, the
    second must; where the second is needed and gives none, there is none (I2).

    Args:
        name: as in policies and the decision log.
        first: cheap; judges everything.
        second: judges what the first is unsure of.
        bands: what unsure means, on the first guard's probabilities.
        clock: seconds, monotonic.

    Raises:
        ValueError: the second can find nothing that the first finds.
    """

    def __init__(
        self,
        name: str,
        first: Seat,
        second: Seat,
        bands: Bands,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._name = name
        self._first = first
        self._second = second
        self._bands = bands
        self._clock = clock
        self._shared = first.guard.hazards & second.guard.hazards
        if not self._shared:
            raise ValueError(
                f"cascade {name!r}: {second.guard.name!r} judges no hazard that "
                f"{first.guard.name!r} finds"
            )

    @property
    def name(self) -> str:
        """See :class:`~guards.guard.Guard`."""
        return self._name

    @property
    def revision(self) -> str:
        """Both guards' revisions and the bands' digest."""
        guards = f"{self._first.guard.revision}; {self._second.guard.revision}"
        return f"cascade-{self._bands.digest}({guards})"

    @property
    def hazards(self) -> frozenset[Hazard]:
        """What the first finds: what only the second knows is not looked for every time."""
        return self._first.guard.hazards

    @property
    def subjects(self) -> frozenset[Subject]:
        """What both can judge."""
        return self._first.subjects & self._second.subjects

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`."""
        start = self._clock()
        judgement, first = await self._judged(exchange)
        elapsed = self._clock() - start
        name, revision = self._name, self.revision
        if isinstance(judgement, Unscanned):
            return replace(judgement, guard=name, revision=revision, elapsed=elapsed)
        return replace(
            judgement,
            guard=name,
            revision=revision,
            elapsed=elapsed,
            findings=(*judgement.findings, *self._kept(first)),
            hold=judgement.hold if first is None else _earlier(judgement.hold, first.hold),
        )

    async def _judged(self, exchange: Exchange) -> tuple[Judgement, Verdict | None]:
        """The judgement that counts, and the first guard's verdict where it stands beside it."""
        first = await judge_within(self._first, exchange)
        if isinstance(first, Unscanned):
            if self._first.guard.hazards <= self._second.guard.hazards:
                return await judge_within(self._second, exchange), None
            return first, None
        highest = max(
            (f.probability for f in first.findings if f.hazard in self._shared), default=0.0
        )
        band = self._bands.of(exchange.text)
        if not band.low <= highest < band.high:
            return first, None
        return await judge_within(self._second, exchange), first

    def _kept(self, first: Verdict | None) -> tuple[Finding, ...]:
        """What the second guard could not have found."""
        findings = () if first is None else first.findings
        return tuple(f for f in findings if f.hazard not in self._shared)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((hold for hold in (one, other) if hold is not None), default=None)
