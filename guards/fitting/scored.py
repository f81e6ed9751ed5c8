"""What a guard said about labelled rows, as arrays to fit on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guards.calibration import EDGE
from guards.hazards import Hazard

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Rows with the raw probabilities one guard gave them.

    Attributes:
        labels: whether each row is harmful, shape ``(N,)``.
        scores: the highest probability of any hazard, or the verdict's own score where that is
            higher, shape ``(N,)``.
        hazards: for each hazard the rows' probabilities of it, shape ``(N,)``.
        named: for each hazard which rows are labelled with it, shape ``(N,)``.
        languages: each row's language as :func:`~guards.language.language_of` tells it.
    """

    labels: Bools
    scores: Floats
    hazards: Mapping[Hazard, Floats]
    named: Mapping[Hazard, Bools]
    languages: Sequence[str]

    def __post_init__(self) -> None:
        if not (self.labels.any() and (~self.labels).any()):
            raise FittingError("rows of both kinds are needed: harmful and harmless ones")


class FittingError(ValueError):
    """The rows do not allow what is asked."""


def log_odds(probabilities: Floats) -> Floats:
    """Log-odds of probabilities kept off 0 and 1, as :func:`guards.calibration.log_odds` does."""
    inside = np.clip(probabilities, EDGE, 1.0 - EDGE)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)


def threshold_flagging(harmless: Floats, share: float) -> float:
    """The least value that at most ``share`` of ``harmless`` lie above; ties are kept below."""
    ordered = np.sort(harmless)
    return float(ordered[max(len(ordered) - 1 - int(share * len(ordered)), 0)])
