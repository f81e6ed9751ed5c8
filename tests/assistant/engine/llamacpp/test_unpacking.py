from pathlib import Path

import pytest

from assistant.engine.llamacpp import unpacking
from assistant.engine.llamacpp.model import Model
from assistant.engine.llamacpp.unpacking import unpacked


def test_a_small_packed_model_is_unpacked_once(smollm2: Path, tmp_path: Path) -> None:
    packed = tmp_path / "model.gguf"
    packed.symlink_to(smollm2)
    target = unpacked(packed, threads=2)
    assert target == tmp_path / "model.f16.gguf"
    assert target.stat().st_size > 2 * packed.stat().st_size
    made = target.stat().st_mtime_ns
    assert unpacked(packed, threads=2) == target
    assert target.stat().st_mtime_ns == made
    assert unpacked(target, threads=2) == target
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.f16.gguf", "model.gguf"]

    one, other = Model(packed), Model(target)
    messages = [{"role": "user", "content": "Wie geht es dir? 你好 🙂"}]
    assert one.prompt(messages) == other.prompt(messages)


def test_a_large_model_stays_as_it_is(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "model.gguf"
    packed.symlink_to(smollm2)
    monkeypatch.setattr(unpacking, "SMALL", 1000)
    assert unpacked(packed, threads=2) == packed


def test_what_is_no_model_stays_as_it_is(tmp_path: Path) -> None:
    packed = tmp_path / "model.gguf"
    packed.write_bytes(b"GGUF nonsense")
    assert unpacked(packed, threads=2) == packed
    assert [p.name for p in tmp_path.iterdir()] == ["model.gguf"]
