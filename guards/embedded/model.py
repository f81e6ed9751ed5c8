"""The shipped weights and manifest, and the probabilities they give a window of text."""

import hashlib
import io
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from guards.embedded.features import BUCKETS, VERSION, extract
from guards.hazards import Hazard

GROUP_SCALES = (1.0, 0.7, 1.0)
"""Length of a window's vector of words, of word pairs and of character n-grams."""

WEIGHTS = "weights.npz"
MANIFEST = "manifest.json"
FORMAT = 1
_MAX_ODDS = 16.0


class Detector(StrEnum):
    """Binary columns of the weight matrix; the columns of hazards follow them."""

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

    def probability(self, logit: float, log_share: float) -> float:
        """Operating-point-scaled probability."""
        shift = math.log(self.threshold / (1.0 - self.threshold))
        odds = self.calibrated_odds(logit, log_share) - shift
        return 1.0 / (1.0 + math.exp(-min(max(odds, -_MAX_ODDS), _MAX_ODDS)))


Logits = NDArray[np.float32]


class Model:
    """Immutable; safe to use from several threads.

    Attributes:
        hazards: content hazards in the order of their columns.
        heads: by field.
        digest: SHA-256 over weights and manifest, in hex.
        version: of the training recipe.
    """

    def __init__(
        self,
        *,
        weights: NDArray[np.int8],
        scales: NDArray[np.float32],
        biases: NDArray[np.float32],
        hazards: tuple[Hazard, ...],
        heads: tuple[Head, ...],
        digest: str,
        version: str,
    ) -> None:
        columns = len(Detector) + len(hazards)
        if weights.shape != (BUCKETS, columns) or weights.dtype != np.int8:
            raise EmbeddedGuardError(f"weights: expected int8 of shape {(BUCKETS, columns)}")
        for name, vector in (("scales", scales), ("biases", biases)):
            if vector.shape != (columns,) or not np.isfinite(vector).all():
                raise EmbeddedGuardError(f"{name}: expected {columns} finite numbers")
        for head in heads:
            numbers = (head.slope, head.share_slope, head.offset)
            if not all(map(math.isfinite, numbers)) or not 0.0 < head.threshold < 1.0:
                raise EmbeddedGuardError(f"heads: {head.field}/{head.hazard} is not calibrated")
            if head.slope <= 0.0 or head.share_slope < 0.0:
                raise EmbeddedGuardError(f"heads: {head.field}/{head.hazard} is not increasing")
        self._weights = weights
        self._scales = scales
        self._biases = biases
        self.hazards = hazards
        self._column = {hazard: len(Detector) + i for i, hazard in enumerate(hazards)}
        self.heads = {
            field: tuple(head for head in heads if head.field is field) for field in Field
        }
        if not all(self.heads.values()):
            raise EmbeddedGuardError("heads: every field needs at least one")
        self.digest = digest
        self.version = version

    def logits(self, window: str) -> Logits:
        """Detectors' logits, then every hazard's log-share relative to the largest.

        ``window`` is normalised. Shape (detectors + hazards,).
        """
        total = np.zeros(len(self._scales), dtype=np.float32)
        for group, scale in zip(extract(window), GROUP_SCALES, strict=True):
            if len(group):
                total += decode_sum(self._weights[group]) * np.float32(scale / len(group) ** 0.5)
        total *= self._scales
        total += self._biases
        shares = total[len(Detector) :]
        shares -= shares.max()
        return total

    def probabilities(self, logits: Logits, field: Field) -> dict[Hazard, float]:
        """Operating-point-scaled probability of every hazard that has a head for ``field``."""
        numbers = logits.tolist()
        found: dict[Hazard, float] = {}
        for head in self.heads[field]:
            logit = numbers[_DETECTORS[head.detector]]
            column = self._column.get(head.hazard)
            probability = head.probability(logit, numbers[column] if column is not None else 0.0)
            found[head.hazard] = max(probability, found.get(head.hazard, 0.0))
        return found

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check ``weights.npz`` and ``manifest.json``.

        Raises:
            EmbeddedGuardError: for anything but the files the training wrote together.
        """
        try:
            manifest_bytes = (folder / MANIFEST).read_bytes()
            weight_bytes = (folder / WEIGHTS).read_bytes()
        except OSError as error:
            raise EmbeddedGuardError(f"cannot read {Path(error.filename or '').name}") from error
        digest = hashlib.sha256(weight_bytes).hexdigest()
        try:
            manifest = json.loads(manifest_bytes)
            if digest != manifest["weights_sha256"]:
                raise EmbeddedGuardError(f"{WEIGHTS}: digest differs from the manifest's")
            if (manifest["format"], manifest["features"]) != (FORMAT, VERSION):
                raise EmbeddedGuardError(f"{MANIFEST}: made for another version of this code")
            if manifest["detectors"] != list(Detector):
                raise EmbeddedGuardError(f"{MANIFEST}: detectors are not those of this code")
            with np.load(io.BytesIO(weight_bytes), allow_pickle=False) as arrays:
                return cls(
                    weights=arrays["weights"],
                    scales=arrays["scales"],
                    biases=arrays["biases"],
                    hazards=tuple(Hazard(name) for name in manifest["hazards"]),
                    heads=tuple(_head(entry) for entry in manifest["heads"]),
                    digest=hashlib.sha256(weight_bytes + manifest_bytes).hexdigest(),
                    version=str(manifest["version"]),
                )
        except EmbeddedGuardError:
            raise
        except (KeyError, TypeError, ValueError, EOFError) as error:
            raise EmbeddedGuardError(
                f"{WEIGHTS} or {MANIFEST} does not hold what the training writes"
            ) from error


def decode_sum(rows: NDArray[np.int8]) -> NDArray[np.float32]:
    """Sum of weights over rows, up to the column's scale.

    An entry stands for its signed square: small weights, which most are, keep their resolution.
    """
    wide = rows.astype(np.int32)
    total: NDArray[np.float32] = (wide * np.abs(wide)).sum(axis=0).astype(np.float32)
    return total


_DETECTORS = {detector: i for i, detector in enumerate(Detector)}


def _head(entry: dict[str, Any]) -> Head:
    return Head(
        field=Field(entry["field"]),
        hazard=Hazard(entry["hazard"]),
        detector=Detector(entry["detector"]),
        slope=float(entry["slope"]),
        share_slope=float(entry["share_slope"]),
        offset=float(entry["offset"]),
        threshold=float(entry["threshold"]),
    )
