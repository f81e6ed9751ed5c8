"""Arrays as the bytes of a file: the same arrays give the same bytes."""

import io
import zipfile

import numpy as np
from numpy.typing import NDArray


def quantise(
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Eight-bit signed square roots of the weights, and the scale of every column."""
    scales = (np.abs(weights).max(axis=0) / 127.0**2).astype(np.float32)
    scales[scales == 0.0] = 1.0
    roots = np.sign(weights) * np.sqrt(np.abs(weights) / scales)
    return np.rint(roots).astype(np.int8), scales


def archived(**arrays: NDArray[np.generic]) -> bytes:
    """A compressed archive; it carries a fixed date, so equal content is equal."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            plain = io.BytesIO()
            np.save(plain, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), plain.getvalue(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
