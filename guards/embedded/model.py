"""The fast tier: a linear model over hashed n-grams."""

import io
from typing import Self

import numpy as np
from numpy.typing import NDArray

from guards.embedded.features import BUCKETS, extract
from guards.embedded.heads import Detector, EmbeddedGuardError, Field, Heads, Logits, Odds

GROUP_SCALES = (1.0, 0.7, 1.0)
"""Length of a window's vector of words, of word pairs and of character n-grams."""

WEIGHTS = "weights.npz"


class Model:
    """Immutable; safe to use from several threads.

    Raises:
        EmbeddedGuardError: for arrays that do not fit each other.
    """

    def __init__(
        self,
        *,
        weights: NDArray[np.int8],
        scales: NDArray[np.float32],
        biases: NDArray[np.float32],
        heads: Heads,
    ) -> None:
        columns = len(Detector) + len(heads.hazards)
        if weights.shape != (BUCKETS, columns) or weights.dtype != np.int8:
            raise EmbeddedGuardError(f"weights: expected int8 of shape {(BUCKETS, columns)}")
        for name, vector in (("scales", scales), ("biases", biases)):
            if vector.shape != (columns,) or not np.isfinite(vector).all():
                raise EmbeddedGuardError(f"{name}: expected {columns} finite numbers")
        self._weights = weights
        self._scales = scales
        self._biases = biases
        self.heads = heads

    @classmethod
    def read(cls, content: bytes, heads: Heads) -> Self:
        """The model in the bytes of ``weights.npz``.

        Raises:
            EmbeddedGuardError: when they are not what the training writes.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(
                    weights=arrays["weights"],
                    scales=arrays["scales"],
                    biases=arrays["biases"],
                    heads=heads,
                )
        except EmbeddedGuardError:
            raise
        except (KeyError, ValueError, EOFError, OSError) as error:
            raise EmbeddedGuardError(f"{WEIGHTS} does not hold what the training writes") from error

    def logits(self, window: str) -> Logits:
        """Logits of a normalised window, shape (detectors + hazards,)."""
        total = np.zeros(len(self._scales), dtype=np.float32)
        for group, scale in zip(extract(window), GROUP_SCALES, strict=True):
            if len(group):
                total += decode_sum(self._weights[group]) * np.float32(scale / len(group) ** 0.5)
        total *= self._scales
        total += self._biases
        shares = total[len(Detector) :]
        shares -= shares.max()
        return total

    def odds(self, logits: Logits, field: Field) -> Odds:
        """Log-odds of every hazard that has a head for ``field``."""
        return self.heads.odds(logits, field)


def decode_sum(rows: NDArray[np.int8]) -> NDArray[np.float32]:
    """Sum of weights over rows, up to the column's scale.

    An entry stands for its signed square: small weights, which most are, keep their resolution.
    """
    wide = rows.astype(np.int32)
    total: NDArray[np.float32] = (wide * np.abs(wide)).sum(axis=0).astype(np.float32)
    return total
