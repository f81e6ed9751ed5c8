"""The accurate tier: a small multilingual transformer, on the CPU by way of ONNX Runtime."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from guards.embedded.heads import Detector, EmbeddedGuardError, Logits
from guards.embedded.tokens import PAD

NETWORK = "encoder.onnx"
WORDS = "encoder_words.npz"
BLOCK = 32
"""Numbers of a word embedding that share one scale."""

BATCH_TOKENS = 512
"""Tokens, padding counted, that go through the network at once: a bound on its memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the network makes of one window.

    Attributes:
        logits: of the detectors, then the log-share of every hazard relative to the largest.
        marks: log-odds, by token, that the token belongs to an injected instruction.
    """

    logits: Logits
    marks: NDArray[np.float32]


class Words:
    """Word embeddings in four bits, unpacked for the tokens at hand."""

    def __init__(self, scales: NDArray[np.float16], nibbles: NDArray[np.uint8]) -> None:
        if scales.ndim != 2 or nibbles.shape != (len(scales), scales.shape[1] * BLOCK // 2):
            raise EmbeddedGuardError(f"{WORDS}: scales and numbers do not fit each other")
        self._scales = scales
        self._nibbles = nibbles
        self.count = len(scales)

    @classmethod
    def read(cls, content: bytes) -> "Words":
        """Raises: EmbeddedGuardError, when the content is not what the training writes."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(arrays["scales"], arrays["nibbles"])
        except (KeyError, ValueError, EOFError, OSError) as error:
            raise EmbeddedGuardError(f"{WORDS} does not hold what the training writes") from error

    def embed(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embeddings of ``tokens``; one more axis at the end."""
        halves = self._nibbles[tokens].reshape(*tokens.shape, -1, BLOCK // 2)
        whole = np.concatenate((halves & 0x0F, halves >> 4), axis=-1).astype(np.float32)
        whole -= 8.0
        whole *= self._scales[tokens].astype(np.float32)[..., None]
        embedded: NDArray[np.float32] = whole.reshape(*tokens.shape, -1)
        return embedded


class Encoder:
    """Safe to use from several threads; computes on the caller's thread alone."""

    def __init__(self, network: bytes, words: Words) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise EmbeddedGuardError(f"{NETWORK} is not a network this runtime can load") from error
        self._words = words

    def see(self, windows: Sequence[Sequence[int]]) -> list[Seen]:
        """What the network makes of every window of framed tokens, in order."""
        order = sorted(range(len(windows)), key=lambda number: len(windows[number]))
        seen: dict[int, Seen] = {}
        batch: list[int] = []
        for number in order:
            if batch and len(windows[number]) * (len(batch) + 1) > BATCH_TOKENS:
                seen.update(zip(batch, self._run([windows[i] for i in batch]), strict=True))
                batch = []
            batch.append(number)
        if batch:
            seen.update(zip(batch, self._run([windows[i] for i in batch]), strict=True))
        return [seen[number] for number in range(len(windows))]

    def _run(self, windows: Sequence[Sequence[int]]) -> list[Seen]:
        longest = max(map(len, windows))
        tokens = np.full((len(windows), longest), PAD, dtype=np.int64)
        mask = np.zeros((len(windows), longest), dtype=np.float32)
        for row, window in enumerate(windows):
            tokens[row, : len(window)] = window
            mask[row, : len(window)] = 1.0
        logits, marks = self._session.run(
            ("logits", "marks"), {"words": self._words.embed(tokens), "mask": mask}
        )
        if not np.isfinite(logits).all():
            raise ArithmeticError("the network's output is not finite")
        shares = logits[:, len(Detector) :]
        shares -= shares.max(axis=1, keepdims=True)
        return [
            Seen(logits=logits[row], marks=marks[row, : len(window)])
            for row, window in enumerate(windows)
        ]
