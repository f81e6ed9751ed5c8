"""Train the embedded classifier: ``python -m guards.embedded.train --data DIR``.

``DIR`` holds ``train/`` and ``dev/`` with one gzipped JSON-lines file per source. Weights are
fitted on ``train/`` and Corral's own rows, calibrated and given thresholds on ``dev/``. The same
data, seed and library versions give the same files.
"""

import argparse
import hashlib
import io
import json
import random
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guards.embedded.features import BUCKETS, VERSION
from guards.embedded.model import FORMAT, MANIFEST, WEIGHTS, Detector, Head
from guards.embedded.training.calibrate import calibrate
from guards.embedded.training.detectors import CONTENT, fit_detector, fit_shares
from guards.embedded.training.examples import (
    featurise,
    hide_instructions,
    load_own,
    load_phrases,
    load_sources,
)

RECIPE = "1"
SEED = 20261122
OWN_WEIGHT = 2.0
PHRASE_WEIGHT = 3.0
HIDDEN = 1200


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m guards.embedded.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and dev/")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    arguments = parser.parse_args()
    start = time.monotonic()

    def say(what: str) -> None:
        sys.stderr.write(f"{time.monotonic() - start:7.1f} s  {what}\n")

    rng = random.Random(SEED)  # noqa: S311 - sampling, nothing secret
    examples = load_sources(arguments.data / "train", rng)
    examples += load_own(OWN_WEIGHT) + load_phrases(PHRASE_WEIGHT, rng)
    examples += hide_instructions(examples, HIDDEN, rng)
    windows = featurise(examples, rng)
    say(f"{len(examples)} texts, {windows.matrix.shape[0]} windows")
    columns = len(Detector) + len(CONTENT)
    weights = np.zeros((BUCKETS, columns))
    biases = np.zeros(columns)
    for number, detector in enumerate(Detector):
        weights[:, number], biases[number] = fit_detector(detector, examples, windows)
        say(f"fitted {detector}")
    weights[:, len(Detector) :], biases[len(Detector) :] = fit_shares(examples, windows)
    say("fitted shares")
    quantised, scales = quantise(weights)
    heads = calibrate(arguments.data / "dev", quantised, scales, biases.astype(np.float32), CONTENT)
    say("calibrated")
    write(arguments.out, quantised, scales, biases.astype(np.float32), heads)


def quantise(
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Eight-bit signed square roots of the weights, and the scale of every column."""
    scales = (np.abs(weights).max(axis=0) / 127.0**2).astype(np.float32)
    roots = np.sign(weights) * np.sqrt(np.abs(weights) / scales)
    return np.rint(roots).astype(np.int8), scales


def write(
    folder: Path,
    weights: NDArray[np.int8],
    scales: NDArray[np.float32],
    biases: NDArray[np.float32],
    heads: tuple[Head, ...],
) -> None:
    """Write weights and manifest; the archive carries a fixed date, so equal content is equal."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in (("weights", weights), ("scales", scales), ("biases", biases)):
            plain = io.BytesIO()
            np.save(plain, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), plain.getvalue(), zipfile.ZIP_DEFLATED)
    content = packed.getvalue()
    manifest = {
        "format": FORMAT,
        "features": VERSION,
        "version": RECIPE,
        "seed": SEED,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "detectors": list(Detector),
        "hazards": list(CONTENT),
        "heads": [
            {
                "field": head.field,
                "hazard": head.hazard,
                "detector": head.detector,
                "slope": round(head.slope, 5),
                "share_slope": round(head.share_slope, 5),
                "offset": round(head.offset, 5),
                "threshold": round(head.threshold, 6),
            }
            for head in heads
        ],
    }
    (folder / WEIGHTS).write_bytes(content)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
