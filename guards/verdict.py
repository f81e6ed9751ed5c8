"""What a guard answers: a verdict, or the admission that it could not judge."""

import re
from dataclasses import dataclass
from enum import StrEnum

from guards.hazards import Hazard


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Half-open character range ``[start, end)`` into :attr:`Exchange.text`."""

    start: int
    end: int


_LABEL = re.compile(r"[A-Z][A-Z0-9_-]{0,47}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One hazard with its calibrated probability in ``[0, 1]``.

    Attributes:
        span: where in the judged text, from guards that locate what they find.
        custom: a category of the operator's own that the guard reported under ``hazard``.
        label: what exactly was found within the hazard, as a short code such as ``EMAIL`` or
            ``CWE-89``; never anything that was judged.
    """

    hazard: Hazard
    probability: float
    span: Span | None = None
    custom: str | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        # NaN compares false both ways, so this is also the check that it is a number at all.
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError("probability must be within [0, 1]")
        if self.label is not None and not _LABEL.fullmatch(self.label):
            raise ValueError("label must be a short code in capitals, digits, _ and -")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A guard's answer. Hazards it did not report count as probability zero.

    Attributes:
        guard: the guard's name.
        revision: what exactly judged (model, prompt version, weights digest).
        findings: at most one per hazard and span.
        elapsed: seconds the judgement took.
        score: probability that the exchange is unsafe at all, from guards that say so. A guard
            may name no category when it leans to safe, so this is what is recorded for
            calibration; decisions go by the findings.
        hold: offset into the judged text from which on more text could still turn it into
            something to find (half an e-mail address). While a reply grows, text from there on
            is not shown until it has been judged again; ``None`` holds nothing back.
        rechecked_by: names of the guards that have judged the text without what ``findings``
            locate and found no such harm in the rest.
    """

    guard: str
    revision: str
    findings: tuple[Finding, ...]
    elapsed: float
    score: float | None = None
    hold: int | None = None
    rechecked_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError("score must be within [0, 1]")


class Failure(StrEnum):
    """Why a guard gave no verdict."""

    ERROR = "error"
    TIMEOUT = "timeout"
    NONSENSE = "nonsense"
    UNKNOWN_CATEGORY = "unknown_category"
    MISSING = "missing"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscanned:
    """A guard's failure as a value. It never means "allowed" (I2).

    ``detail`` is for operators: an exception's class name or a short fixed phrase, never
    anything that was judged.
    """

    guard: str
    revision: str
    reason: Failure
    detail: str
    elapsed: float


Judgement = Verdict | Unscanned
