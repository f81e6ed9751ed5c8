"""Which pieces of the pre-trained vocabulary the shipped encoder keeps."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guards.embedded.tokens import SPACE, SPECIAL, build
from guards.embedded.training.encoder.source import Pretrained

SIZE = 60_000
_LETTERS = (
    "LATIN", "CYRILLIC", "GREEK", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "ARABIC", "HEBREW",
    "DEVANAGARI", "BENGALI", "TAMIL", "TELUGU", "THAI",
)  # fmt: skip


def choose(source: Pretrained, texts: Iterable[str], size: int = SIZE) -> NDArray[np.int64]:
    """Numbers of the pieces to keep, ascending, the special ones first.

    Kept are single characters of scripts in common use, the pieces that occur in ``texts``
    (normalised), and then the most probable ones that a normalised text can contain.
    """
    full = build([(p, float(s)) for p, s in zip(source.pieces, source.scores, strict=True)])
    seen: Counter[int] = Counter()
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == 1024:
            _count(full, batch, seen)
            batch.clear()
    _count(full, batch, seen)
    kept = dict.fromkeys(range(len(SPECIAL)))
    allowed = [
        number
        for number, piece in enumerate(source.pieces)
        if number >= len(SPECIAL) and _possible(piece)
    ]
    kept |= dict.fromkeys(n for n in allowed if len(source.pieces[n].lstrip(SPACE)) <= 1)
    frequent = sorted((n for n in allowed if seen[n] > 1), key=lambda n: (-seen[n], n))
    for number in (*frequent, *sorted(allowed, key=lambda n: -source.scores[n])):
        if len(kept) >= size:
            break
        kept[number] = None
    return np.array(sorted(kept), dtype=np.int64)


def _count(tokenizer: Tokenizer, texts: list[str], seen: Counter[int]) -> None:
    for encoding in tokenizer.encode_batch(texts):
        seen.update(encoding.ids)


def _possible(piece: str) -> bool:
    """Whether a normalised text can contain the piece, in a script the encoder keeps."""
    bare = piece.replace(SPACE, "")
    if bare != unicodedata.normalize("NFKC", bare).casefold():
        return False
    return all(
        not character.isalpha() or unicodedata.name(character, "").startswith(_LETTERS)
        for character in bare
    )
