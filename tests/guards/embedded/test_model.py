"""The shipped files, and refusing any others."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

import guards.embedded
from guards.embedded import EmbeddedGuardError, load_embedded_guard
from guards.embedded.model import MANIFEST, WEIGHTS, Detector, Field, Head, Model
from guards.hazards import MLCOMMONS, Hazard

SHIPPED = Path(guards.embedded.__file__).parent


def copy_to(folder: Path, *, manifest: dict | None = None, weights: bytes | None = None) -> None:
    """The shipped files, with changes, and with a digest that fits the changed weights."""
    packed = weights if weights is not None else (SHIPPED / WEIGHTS).read_bytes()
    text = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))
    text["weights_sha256"] = hashlib.sha256(packed).hexdigest()
    text |= manifest or {}
    (folder / WEIGHTS).write_bytes(packed)
    (folder / MANIFEST).write_text(json.dumps(text), encoding="utf-8")


def repacked(**changed: np.ndarray) -> bytes:
    with np.load(SHIPPED / WEIGHTS) as arrays:
        everything = {name: arrays[name] for name in arrays.files} | changed
    packed = io.BytesIO()
    np.savez(packed, **everything)
    return packed.getvalue()


def test_shipped_files_are_small() -> None:
    files = [
        path for path in SHIPPED.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    assert sum(path.stat().st_size for path in files) <= 8 * 1024 * 1024


def test_an_exact_copy_loads(tmp_path: Path) -> None:
    copy_to(tmp_path)
    assert Model.load(tmp_path).hazards == Model.load(SHIPPED).hazards


def test_every_hazard_has_a_head_and_no_other() -> None:
    guard = load_embedded_guard()
    assert guard.hazards == {*MLCOMMONS, Hazard.JAILBREAK, Hazard.PROMPT_INJECTION} - {
        Hazard.SPECIALIZED_ADVICE
    }


def test_revision_names_the_weights_and_the_thresholds(tmp_path: Path) -> None:
    copy_to(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    before = Model.load(tmp_path).digest
    manifest["heads"][0]["threshold"] = 0.123
    (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert Model.load(tmp_path).digest != before


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_missing_file(tmp_path: Path, name: str) -> None:
    copy_to(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(EmbeddedGuardError, match=name):
        Model.load(tmp_path)


def test_changed_weights(tmp_path: Path) -> None:
    copy_to(tmp_path, manifest={"weights_sha256": "0" * 64})
    with pytest.raises(EmbeddedGuardError, match="digest"):
        Model.load(tmp_path)


def test_one_flipped_byte(tmp_path: Path) -> None:
    copy_to(tmp_path)
    packed = bytearray((tmp_path / WEIGHTS).read_bytes())
    packed[len(packed) // 2] ^= 1
    (tmp_path / WEIGHTS).write_bytes(packed)
    with pytest.raises(EmbeddedGuardError, match="digest"):
        Model.load(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["scales", "biases"])
def test_numbers_that_are_none(tmp_path: Path, name: str, bad: float) -> None:
    with np.load(SHIPPED / WEIGHTS) as arrays:
        vector = arrays[name].copy()
    vector[0] = bad
    copy_to(tmp_path, weights=repacked(**{name: vector}))
    with pytest.raises(EmbeddedGuardError, match=name):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    "weights",
    [b"", b"not an archive", repacked(weights=np.zeros((4, 4), dtype=np.int8))],
    ids=["empty", "garbage", "shape"],
)
def test_weights_that_are_none(tmp_path: Path, weights: bytes) -> None:
    copy_to(tmp_path, weights=weights)
    with pytest.raises(EmbeddedGuardError):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    "manifest",
    [
        {"features": 0},
        {"format": 99},
        {"detectors": ["request"]},
        {"hazards": ["unheard_of"]},
        {"hazards": 7},
        {"heads": []},
        {"heads": [{"field": "request"}]},
    ],
    ids=str,
)
def test_manifests_for_something_else(tmp_path: Path, manifest: dict) -> None:
    copy_to(tmp_path, manifest=manifest)
    with pytest.raises(EmbeddedGuardError):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"slope": -1.0},
        {"slope": float("inf")},
        {"offset": float("nan")},
    ],
    ids=str,
)
def test_heads_that_are_not_calibrated(tmp_path: Path, change: dict) -> None:
    heads = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))["heads"]
    copy_to(tmp_path, manifest={"heads": [{**heads[0], **change}, *heads[1:]]})
    with pytest.raises(EmbeddedGuardError, match="heads"):
        Model.load(tmp_path)


def test_scaling_puts_the_operating_point_at_one_half_and_keeps_the_order() -> None:
    head = Head(
        field=Field.REQUEST,
        hazard=Hazard.HATE,
        detector=Detector.HATE,
        slope=1.5,
        share_slope=0.0,
        offset=-0.5,
        threshold=0.8,
    )
    at_threshold = (np.log(0.8 / 0.2) + 0.5) / 1.5
    assert head.probability(float(at_threshold), 0.0) == pytest.approx(0.5)
    given = [head.probability(logit, 0.0) for logit in np.linspace(-5, 5, 50)]
    assert given == sorted(given)
    assert len(set(given)) == len(given)


def test_logits_are_the_sum_training_computes() -> None:
    """The inference path against the sparse product the training scores with."""
    pytest.importorskip("sklearn")
    from guards.embedded.training.examples import Example, featurise
    from guards.embedded.training.taxonomy import BENIGN

    text = "how do I reset the password of my router? 怎么重置路由器密码"
    model = Model.load(SHIPPED)
    with np.load(SHIPPED / WEIGHTS) as arrays:
        roots, scales, biases = (arrays[name] for name in ("weights", "scales", "biases"))
    wide = roots.astype(np.float64)
    example = Example(text=text, source="test", field=Field.REQUEST, label=BENIGN, weight=1.0)
    expected = np.asarray(featurise([example]).matrix @ (wide * np.abs(wide) * scales) + biases)[0]
    count = len(Detector)
    expected[count:] -= expected[count:].max()
    np.testing.assert_allclose(model.logits(text.casefold()), expected, rtol=1e-3, atol=1e-3)
