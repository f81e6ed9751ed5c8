"""From the logits of either tier to the log-odds of every hazard."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guards.hazards import Hazard

_MAX_ODDS = 16.0


class Detector(StrEnum):
    """Binary columns of both tiers; the columns of hazards follow them."""

    REQUEST = "request"
    REPLY = "reply"
    HATE = "hate"
    JAILBREAK = "jailbreak"
    INJECTION_REQUEST = "injection_request"
    INJECTION_DATA = "injection_data"


class Field(StrEnum):
    """Where in an exchange a text stands; each has its own calibration."""

    REQUEST = "request"
    REPLY = "reply"
    DATA = "data"


class EmbeddedGuardError(ValueError):
    """The shipped model cannot be used: a file is missing, changed, or not what it should be."""


Logits = NDArray[np.float32]
"""Of the detectors, then the log-share of every content hazard relative to the largest."""

Odds = dict[Hazard, float]
"""Calibrated log-odds, zero being the recommended operating point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One way to a hazard's probability.

    The calibrated log-odds are ``slope * logit + share_slope * log_share + offset``, ``logit``
    being the detector's and ``log_share`` the logarithm of the hazard's share among the content
    hazards, relative to the largest share. The
    probability given out is shifted in log-odds so that ``threshold``, the recommended operating
    point on the calibrated probability, becomes one half; the order stays.
    """

    field: Field
    hazard: Hazard
    detector: Detector
    slope: float
    share_slope: float
    offset: float
    threshold: float

    def calibrated_odds(self, logit: float, log_share: float) -> float:
        """Log-odds before the shift to the operating point."""
        return self.slope * logit + self.share_slope * log_share + self.offset

    def odds(self, logit: float, log_share: float) -> float:
        """Log-odds after the shift, within bounds."""
        shift = math.log(self.threshold / (1.0 - self.threshold))
        odds = self.calibrated_odds(logit, log_share) - shift
        return min(max(odds, -_MAX_ODDS), _MAX_ODDS)


def probability(odds: float) -> float:
    """Operating-point-scaled probability."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -_MAX_ODDS), _MAX_ODDS)))


class Heads:
    """All heads of one tier.

    Attributes:
        hazards: content hazards in the order of their columns.
        of: the heads by field.

    Raises:
        EmbeddedGuardError: for a head that is not calibrated, or a field without one.
    """

    def __init__(self, hazards: tuple[Hazard, ...], heads: Sequence[Head]) -> None:
        for head in heads:
            numbers = (head.slope, head.share_slope, head.offset)
            if not all(map(math.isfinite, numbers)) or not 0.0 < head.threshold < 1.0:
                raise EmbeddedGuardError(f"heads: {head.field}/{head.hazard} is not calibrated")
            if head.slope <= 0.0 or head.share_slope < 0.0:
                raise EmbeddedGuardError(f"heads: {head.field}/{head.hazard} is not increasing")
        self.hazards = hazards
        self._column = {hazard: len(Detector) + i for i, hazard in enumerate(hazards)}
        self.of = {field: tuple(head for head in heads if head.field is field) for field in Field}
        if not all(self.of.values()):
            raise EmbeddedGuardError("heads: every field needs at least one")

    def odds(self, logits: Logits, field: Field) -> Odds:
        """Log-odds of every hazard that has a head for ``field``."""
        numbers = logits.tolist()
        found: Odds = {}
        for head in self.of[field]:
            logit = numbers[_DETECTORS[head.detector]]
            column = self._column.get(head.hazard)
            odds = head.odds(logit, numbers[column] if column is not None else 0.0)
            found[head.hazard] = max(odds, found.get(head.hazard, odds))
        return found


_DETECTORS = {detector: i for i, detector in enumerate(Detector)}


def parse(entry: dict[str, Any]) -> Head:
    """A head from the manifest.

    Raises:
        KeyError, TypeError, ValueError: when it is not what the training writes.
    """
    return Head(
        field=Field(entry["field"]),
        hazard=Hazard(entry["hazard"]),
        detector=Detector(entry["detector"]),
        slope=float(entry["slope"]),
        share_slope=float(entry["share_slope"]),
        offset=float(entry["offset"]),
        threshold=float(entry["threshold"]),
    )
