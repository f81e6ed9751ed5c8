"""Probabilities that mean what they say: a guard's raw scores, mapped by a fitted curve."""

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guards.conversation import Exchange, Subject
from guards.guard import Guard
from guards.hazards import Hazard
from guards.language import language_of
from guards.verdict import Judgement, Verdict

EDGE = 1e-4
"""Scores are taken to lie this far within 0 and 1, so that their log-odds are finite."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
HazardName = Annotated[Hazard, Field(strict=False)]


class CalibrationError(ValueError):
    """A calibration that cannot be read or belongs to another guard."""


class Curve(BaseModel):
    """``log-odds = slope * raw log-odds + offset`` (Platt scaling); never decreasing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    slope: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    offset: Finite


class Calibration(BaseModel):
    """What was fitted for one revision of one guard.

    Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    guard: str = Field(description="Name of the guard it was fitted for.")
    guard_revision: str = Field(description="Its revision then; another one needs a new fit.")
    rows: int = Field(ge=1, description="How many labelled rows it was fitted on.")
    data: str = Field(description="SHA-256 over those rows, hexadecimal.")
    curve: Curve = Field(description="For every hazard without one of its own.")
    hazards: dict[HazardName, Curve] = Field(default={}, description="Curves of single hazards.")
    languages: dict[str, Finite] = Field(
        default={},
        description="Log-odds added for a text's language (ISO 639-1), so that one threshold "
        "flags as many harmless texts in each of them.",
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="The probability above which the wanted share of harmless texts is flagged."
    )

    def probability(self, raw: float, hazard: Hazard | None, language: str | None) -> float:
        """The calibrated probability of a raw score; ``None`` is the score of no one hazard."""
        curve = self.curve if hazard is None else self.hazards.get(hazard, self.curve)
        odds = curve.slope * log_odds(raw) + curve.offset
        if language is not None:
            odds += self.languages.get(language, 0.0)
        return 1.0 / (1.0 + math.exp(-max(min(odds, 700.0), -700.0)))

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with anything in it."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``corral guard calibrate`` wrote.

        Raises:
            CalibrationError: naming the file and what is wrong with it.
        """
        return load_fitted(cls, path)


T = TypeVar("T", bound=BaseModel)


def load_fitted(kind: type[T], path: Path) -> T:
    """Read a fitted ``kind`` from a JSON file.

    Raises:
        CalibrationError: naming the file and the field.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CalibrationError(f"{path.name}: cannot be read") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise CalibrationError(f"{path.name}: {field}: {first['msg']}") from None


def log_odds(probability: float) -> float:
    """The logarithm of the odds, of a probability kept off 0 and 1."""
    inside = min(max(probability, EDGE), 1.0 - EDGE)
    return math.log(inside / (1.0 - inside))


class Calibrated:
    """A guard whose probabilities pass through a calibration.

    A calibration of another revision of the guard is refused when it first judges, because
    numbers fitted to one model say nothing about another: the judgement is then a failure.

    Raises:
        CalibrationError: ``calibration`` was fitted for a guard of another name.
    """

    def __init__(self, guard: Guard, calibration: Calibration) -> None:
        if calibration.guard != guard.name:
            raise CalibrationError(
                f"calibration is for guard {calibration.guard!r}, not for {guard.name!r}"
            )
        self._guard = guard
        self._calibration = calibration

    @property
    def name(self) -> str:
        """See :class:`~guards.guard.Guard`."""
        return self._guard.name

    @property
    def revision(self) -> str:
        """The guard's own and the calibration's digest."""
        return f"{self._guard.revision}/calibrated-{self._calibration.digest}"

    @property
    def hazards(self) -> frozenset[Hazard]:
        """See :class:`~guards.guard.Guard`."""
        return self._guard.hazards

    @property
    def subjects(self) -> frozenset[Subject]:
        """See :class:`~guards.guard.Guard`."""
        return self._guard.subjects

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`.

        Raises:
            CalibrationError: the guard is not of the revision that was calibrated.
        """
        judgement = await self._guard.judge(exchange)
        if not isinstance(judgement, Verdict):
            return judgement
        fitted = self._calibration
        if judgement.revision != fitted.guard_revision:
            raise CalibrationError("the guard's revision is not the calibrated one")
        language = language_of(exchange.text) if fitted.languages else None
        return replace(
            judgement,
            revision=f"{judgement.revision}/calibrated-{fitted.digest}",
            findings=tuple(
                replace(f, probability=fitted.probability(f.probability, f.hazard, language))
                for f in judgement.findings
            ),
            score=None
            if judgement.score is None
            else fitted.probability(judgement.score, None, language),
        )
