"""The shipped files, checked against their manifest, and the two tiers they make."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guards.embedded.accurate import SCRIPTS, Accurate, Band, Blend
from guards.embedded.encoder import NETWORK, WORDS, Encoder, Words
from guards.embedded.features import VERSION
from guards.embedded.heads import Detector, EmbeddedGuardError, Field, Heads, parse
from guards.embedded.model import WEIGHTS, Model
from guards.embedded.tokens import PIECES, read
from guards.hazards import Hazard

MANIFEST = "manifest.json"
FORMAT = 2
FILES = (WEIGHTS, NETWORK, WORDS, PIECES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What the folder holds.

    Attributes:
        accurate: absent when only the fast tier was asked for.
        digest: SHA-256 over the manifest and so over all files, in hex.
        version: of the training recipe.
    """

    fast: Model
    accurate: Accurate | None
    hazards: frozenset[Hazard]
    digest: str
    version: str


def load(folder: Path, *, accurate: bool) -> Shipped:
    """Read and check the manifest and the files of the tiers.

    Raises:
        EmbeddedGuardError: for anything but the files the training wrote together.
    """
    raw = _bytes(folder / MANIFEST)
    try:
        manifest = json.loads(raw)
        if (manifest["format"], manifest["features"]) != (FORMAT, VERSION):
            raise EmbeddedGuardError(f"{MANIFEST}: made for another version of this code")
        if manifest["detectors"] != list(Detector):
            raise EmbeddedGuardError(f"{MANIFEST}: detectors are not those of this code")
        hazards = tuple(Hazard(name) for name in manifest["hazards"])
        fast = Heads(hazards, [parse(entry) for entry in manifest["fast"]["heads"]])
        exact = Heads(hazards, [parse(entry) for entry in manifest["accurate"]["heads"]])
        blends, bands = _blends(manifest["accurate"]), _bands(manifest["accurate"])
        digests = {name: str(manifest["files"][name]) for name in FILES}
        version = str(manifest["version"])
    except EmbeddedGuardError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EmbeddedGuardError(f"{MANIFEST} does not hold what the training writes") from error
    for field in Field:
        known = {head.hazard for head in fast.of[field]}
        if known != {head.hazard for head in exact.of[field]} or any(
            (field, hazard) not in blends for hazard in known
        ):
            raise EmbeddedGuardError(f"{MANIFEST}: the tiers' hazards of {field} differ")
    model = Model.read(_checked(folder, WEIGHTS, digests), fast)
    second = None
    if accurate:
        encoder = Encoder(
            _checked(folder, NETWORK, digests), Words.read(_checked(folder, WORDS, digests))
        )
        tokens = read(_checked(folder, PIECES, digests))
        second = Accurate(encoder=encoder, tokens=tokens, heads=exact, blends=blends, bands=bands)
    return Shipped(
        fast=model,
        accurate=second,
        hazards=frozenset(head.hazard for heads in fast.of.values() for head in heads),
        digest=hashlib.sha256(raw).hexdigest(),
        version=version,
    )


def bands(folder: Path) -> dict[tuple[Field, str], Band]:
    """When the accurate tier is asked.

    Raises:
        EmbeddedGuardError: when the manifest cannot be read or lacks them.
    """
    try:
        return _bands(json.loads(_bytes(folder / MANIFEST))["accurate"])
    except (KeyError, TypeError, ValueError) as error:
        raise EmbeddedGuardError(f"{MANIFEST} does not hold what the training writes") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EmbeddedGuardError(f"cannot read {path.name}") from error


def _checked(folder: Path, name: str, digests: dict[str, str]) -> bytes:
    content = _bytes(folder / name)
    if hashlib.sha256(content).hexdigest() != digests[name]:
        raise EmbeddedGuardError(f"{name}: digest differs from the manifest's")
    return content


def _blends(entry: dict[str, Any]) -> dict[tuple[Field, Hazard], Blend]:
    found = {}
    for row in entry["blends"]:
        weight, shift = float(row["weight"]), float(row["shift"])
        if not 0.0 <= weight <= 1.0 or not -50.0 < shift < 50.0:
            raise EmbeddedGuardError(f"{MANIFEST}: a blend is out of bounds")
        found[Field(row["field"]), Hazard(row["hazard"])] = Blend(weight=weight, shift=shift)
    return found


def _bands(entry: dict[str, Any]) -> dict[tuple[Field, str], Band]:
    found = {
        (Field(row["field"]), str(row["script"])): Band(
            low=float(row["low"]), growing=float(row["growing"]), high=float(row["high"])
        )
        for row in entry["bands"]
    }
    if found.keys() != {(field, script) for field in Field for script in SCRIPTS} or not all(
        band.low <= band.growing <= band.high for band in found.values()
    ):
        raise EmbeddedGuardError(f"{MANIFEST}: bands are missing or the wrong way round")
    return found
