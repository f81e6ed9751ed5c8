"""Train the embedded guard: ``python -m guards.embedded.train --data DIR``.

``DIR`` holds ``train/`` and ``dev/`` with one gzipped JSON-lines file per source. Three stages,
in this order unless one is named: ``fast`` fits the linear tier, ``encoder`` cuts, distils, fits
and exports the accurate tier, ``calibrate`` scales both on ``dev/``, puts them together and
writes the manifest. ``fast`` and ``calibrate`` need the dependency group ``train``, ``encoder``
the group ``encoder`` as well, about an hour on two cores, and a download through pip.
"""

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from guards.embedded.accurate import Band, Blend
from guards.embedded.encoder import NETWORK, WORDS, Encoder, Words
from guards.embedded.features import BUCKETS, VERSION
from guards.embedded.heads import Detector, Field, Head, Heads
from guards.embedded.manifest import FILES, FORMAT, MANIFEST
from guards.embedded.model import WEIGHTS, Model
from guards.embedded.tokens import PIECES, read
from guards.embedded.training.archive import archived, quantise
from guards.embedded.training.blend import tier, together
from guards.embedded.training.calibrate import calibrate
from guards.embedded.training.detectors import CONTENT, fit_detector, fit_shares
from guards.embedded.training.examples import featurise, hide_instructions, load_sources
from guards.embedded.training.rows import (
    Example,
    load_own,
    load_phrases,
    load_prevention,
    load_tasks,
)
from guards.embedded.training.scores import DevScores, by_encoder, by_model, score
from guards.hazards import Hazard

RECIPE = "2"
SEED = 20261122
OWN_WEIGHT = 0.3
PHRASE_WEIGHT = 0.5
TASK_WEIGHT = 4.0
PREVENTION_WEIGHT = 2.0
HIDDEN = 2500
STAGES = ("fast", "encoder", "calibrate")

Say = Callable[[str], None]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m guards.embedded.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and dev/")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    parser.add_argument("--stage", choices=STAGES, action="append", help="default: all three")
    parser.add_argument("--wheel", type=Path, help="folder with the pre-trained encoder's wheel")
    arguments = parser.parse_args()
    start = time.monotonic()

    def say(what: str) -> None:
        sys.stderr.write(f"{time.monotonic() - start:7.1f} s  {what}\n")

    stages = arguments.stage or STAGES
    if "fast" in stages:
        train_fast(arguments.data / "train", arguments.out, say)
    if "encoder" in stages:
        # Imported here, because only this stage needs torch.
        from guards.embedded.training.encoder.course import train_encoder

        rng = random.Random(SEED)  # noqa: S311 - sampling, nothing secret
        examples = load_examples(arguments.data / "train", rng)
        train_encoder(examples, arguments.out, arguments.wheel, rng, say)
    if "calibrate" in stages:
        fit_together(arguments.data / "dev", arguments.out, say)


def load_examples(folder: Path, rng: random.Random) -> list[Example]:
    """All sources, own rows and what the generators make of them."""
    examples = load_sources(folder, rng)
    examples += load_own(OWN_WEIGHT)
    examples += load_phrases(PHRASE_WEIGHT, rng) + load_tasks(TASK_WEIGHT, rng)
    examples += load_prevention(PREVENTION_WEIGHT, rng)
    examples += hide_instructions(examples, HIDDEN, rng)
    return examples


def train_fast(folder: Path, out: Path, say: Say) -> None:
    """Fit and write the linear tier."""
    rng = random.Random(SEED)  # noqa: S311 - sampling, nothing secret
    examples = load_examples(folder, rng)
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
    content = archived(weights=quantised, scales=scales, biases=biases.astype(np.float32))
    (out / WEIGHTS).write_bytes(content)


def fit_together(folder: Path, out: Path, say: Say) -> None:
    """Calibrate both tiers and write the manifest."""
    unscaled = Heads(CONTENT, [_unscaled(field) for field in Field])
    model = Model.read((out / WEIGHTS).read_bytes(), unscaled)
    encoder = Encoder((out / NETWORK).read_bytes(), Words.read((out / WORDS).read_bytes()))
    tokens = read((out / PIECES).read_bytes())
    quick = score(folder, by_model(model.logits))
    say("scored by the fast tier")
    close = score(folder, by_encoder(encoder, tokens))
    say("scored by the accurate tier")
    write_manifest(out, quick, close)
    say("calibrated")


def write_manifest(out: Path, quick: DevScores, close: DevScores) -> None:
    """Calibrate and blend what the tiers made of ``dev/``."""
    fast, accurate = (Heads(CONTENT, calibrate(dev, CONTENT)) for dev in (quick, close))
    blends, bands = together(quick, tier(quick, fast), tier(close, accurate))
    manifest = {
        "format": FORMAT,
        "features": VERSION,
        "version": RECIPE,
        "seed": SEED,
        "files": {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in FILES},
        "detectors": list(Detector),
        "hazards": list(CONTENT),
        "fast": {"heads": _heads(fast)},
        "accurate": {
            "heads": _heads(accurate),
            "blends": _blends(blends),
            "bands": _bands(bands),
        },
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _unscaled(field: Field) -> Head:
    return Head(
        field=field,
        hazard=Hazard.HATE,
        detector=Detector.HATE,
        slope=1.0,
        share_slope=0.0,
        offset=0.0,
        threshold=0.5,
    )


def _heads(heads: Heads) -> list[dict[str, object]]:
    return [
        {
            "field": head.field,
            "hazard": head.hazard,
            "detector": head.detector,
            "slope": round(head.slope, 5),
            "share_slope": round(head.share_slope, 5),
            "offset": round(head.offset, 5),
            "threshold": round(head.threshold, 6),
        }
        for field in Field
        for head in heads.of[field]
    ]


def _blends(blends: dict[tuple[Field, Hazard], Blend]) -> list[dict[str, object]]:
    return [
        {
            "field": field,
            "hazard": hazard,
            "weight": blend.weight,
            "shift": round(blend.shift, 5),
        }
        for (field, hazard), blend in blends.items()
    ]


def _bands(bands: dict[tuple[Field, str], Band]) -> list[dict[str, object]]:
    return [
        {
            "field": field,
            "script": name,
            "low": round(band.low, 5),
            "growing": round(band.growing, 5),
            "high": round(band.high, 5),
        }
        for (field, name), band in bands.items()
    ]


if __name__ == "__main__":
    main()
