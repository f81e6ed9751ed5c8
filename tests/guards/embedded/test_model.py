"""The shipped files, and refusing any others."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

import guards.embedded
from guards.embedded import EmbeddedGuardError, load_embedded_guard
from guards.embedded.encoder import NETWORK, WORDS
from guards.embedded.heads import Detector, Field, Head, probability
from guards.embedded.manifest import FILES, MANIFEST, bands, load
from guards.embedded.model import WEIGHTS
from guards.embedded.tokens import PIECES
from guards.hazards import MLCOMMONS, Hazard

SHIPPED = Path(guards.embedded.__file__).parent


def copy_to(
    folder: Path, *, manifest: dict | None = None, files: dict[str, bytes] | None = None
) -> None:
    """The shipped files, with changes, and with digests that fit the changed ones."""
    text = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))
    for name in FILES:
        content = (files or {}).get(name)
        if content is None:
            (folder / name).symlink_to(SHIPPED / name)
        else:
            (folder / name).write_bytes(content)
            text["files"][name] = hashlib.sha256(content).hexdigest()
    text |= manifest or {}
    (folder / MANIFEST).write_text(json.dumps(text), encoding="utf-8")


def repacked(**changed: np.ndarray) -> bytes:
    with np.load(SHIPPED / WEIGHTS) as arrays:
        everything = {name: arrays[name] for name in arrays.files} | changed
    packed = io.BytesIO()
    np.savez(packed, **everything)
    return packed.getvalue()


def test_shipped_files_are_small() -> None:
    assert sum((SHIPPED / name).stat().st_size for name in (*FILES, MANIFEST)) <= 30e6


def test_an_exact_copy_loads(tmp_path: Path) -> None:
    copy_to(tmp_path)
    copied, shipped = load(tmp_path, accurate=False), load(SHIPPED, accurate=False)
    assert copied.hazards == shipped.hazards
    assert copied.accurate is None


def test_every_hazard_has_a_head_and_no_other() -> None:
    guard = load_embedded_guard("fast")
    assert guard.hazards == {*MLCOMMONS, Hazard.JAILBREAK, Hazard.PROMPT_INJECTION}


def test_revision_names_the_weights_and_the_thresholds(tmp_path: Path) -> None:
    copy_to(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    before = load(tmp_path, accurate=False).digest
    manifest["fast"]["heads"][0]["threshold"] = 0.123
    (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert load(tmp_path, accurate=False).digest != before


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_missing_file(tmp_path: Path, name: str) -> None:
    copy_to(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(EmbeddedGuardError, match=name):
        load(tmp_path, accurate=True)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte(tmp_path: Path, name: str) -> None:
    copy_to(tmp_path)
    content = bytearray((SHIPPED / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmbeddedGuardError, match=f"{name}: digest"):
        load(tmp_path, accurate=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["scales", "biases"])
def test_numbers_that_are_none(tmp_path: Path, name: str, bad: float) -> None:
    with np.load(SHIPPED / WEIGHTS) as arrays:
        vector = arrays[name].copy()
    vector[0] = bad
    copy_to(tmp_path, files={WEIGHTS: repacked(**{name: vector})})
    with pytest.raises(EmbeddedGuardError, match=name):
        load(tmp_path, accurate=False)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"not what it should be"], ids=["empty", "garbage"])
def test_files_that_are_none(tmp_path: Path, name: str, content: bytes) -> None:
    copy_to(tmp_path, files={name: content})
    with pytest.raises(EmbeddedGuardError, match=name):
        load(tmp_path, accurate=True)


def test_arrays_of_another_shape(tmp_path: Path) -> None:
    copy_to(tmp_path, files={WEIGHTS: repacked(weights=np.zeros((4, 4), dtype=np.int8))})
    with pytest.raises(EmbeddedGuardError, match="shape"):
        load(tmp_path, accurate=False)


@pytest.mark.parametrize(
    "manifest",
    [
        {"features": 0},
        {"format": 99},
        {"detectors": ["request"]},
        {"hazards": ["unheard_of"]},
        {"hazards": 7},
        {"fast": {"heads": []}},
        {"fast": {"heads": [{"field": "request"}]}},
        {"accurate": {}},
        {"files": {}},
    ],
    ids=str,
)
def test_manifests_for_something_else(tmp_path: Path, manifest: dict) -> None:
    copy_to(tmp_path, manifest=manifest)
    with pytest.raises(EmbeddedGuardError):
        load(tmp_path, accurate=False)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("blends", {"weight": 1.5}),
        ("blends", {"weight": float("nan")}),
        ("blends", {"shift": float("inf")}),
        ("blends", {"hazard": "off_topic"}),
        ("bands", {"low": 60.0}),
        ("bands", {"growing": -60.0}),
        ("bands", {"low": float("nan")}),
        ("bands", {"script": "runic"}),
    ],
    ids=str,
)
def test_tiers_that_do_not_fit_together(tmp_path: Path, part: str, change: dict) -> None:
    entry = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))["accurate"]
    entry[part][0] |= change
    copy_to(tmp_path, manifest={"accurate": entry})
    with pytest.raises(EmbeddedGuardError, match=MANIFEST):
        load(tmp_path, accurate=False)


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
@pytest.mark.parametrize("tier", ["fast", "accurate"])
def test_heads_that_are_not_calibrated(tmp_path: Path, tier: str, change: dict) -> None:
    entry = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))[tier]
    entry["heads"][0] |= change
    copy_to(tmp_path, manifest={tier: entry})
    with pytest.raises(EmbeddedGuardError, match="heads"):
        load(tmp_path, accurate=False)


def test_bands_are_read_by_themselves(tmp_path: Path) -> None:
    found = bands(SHIPPED)
    assert {field for field, _ in found} == set(Field)
    copy_to(tmp_path, manifest={"accurate": None})
    with pytest.raises(EmbeddedGuardError, match=MANIFEST):
        bands(tmp_path)


def test_a_network_whose_words_do_not_fit_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    np.savez(packed, scales=np.zeros((9, 12), np.float16), nibbles=np.zeros((9, 7), np.uint8))
    copy_to(tmp_path, files={WORDS: packed.getvalue()})
    with pytest.raises(EmbeddedGuardError, match=WORDS):
        load(tmp_path, accurate=True)
    assert {NETWORK, PIECES} < set(FILES)


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
    assert probability(head.odds(float(at_threshold), 0.0)) == pytest.approx(0.5)
    given = [probability(head.odds(float(logit), 0.0)) for logit in np.linspace(-5, 5, 50)]
    assert given == sorted(given)
    assert len(set(given)) == len(given)


def test_logits_are_the_sum_training_computes() -> None:
    """The inference path against the sparse product the training scores with."""
    pytest.importorskip("sklearn")
    from guards.embedded.training.examples import featurise
    from guards.embedded.training.rows import Example
    from guards.embedded.training.taxonomy import BENIGN

    text = "how do I reset the password of my router? 怎么重置路由器密码"
    model = load(SHIPPED, accurate=False).fast
    with np.load(SHIPPED / WEIGHTS) as arrays:
        roots, scales, biases = (arrays[name] for name in ("weights", "scales", "biases"))
    wide = roots.astype(np.float64)
    example = Example(text=text, source="test", field=Field.REQUEST, label=BENIGN, weight=1.0)
    expected = np.asarray(featurise([example]).matrix @ (wide * np.abs(wide) * scales) + biases)[0]
    count = len(Detector)
    expected[count:] -= expected[count:].max()
    np.testing.assert_allclose(model.logits(text.casefold()), expected, rtol=1e-3, atol=1e-3)
