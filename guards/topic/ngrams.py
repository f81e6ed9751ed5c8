"""Messages as the rare words and letter sequences they are made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from guards.embedded.features import VERSION, Features, extract

SIZE = 1 << 13
"""Numbers of a vector."""

_SHARES = (1.0, 0.4, 1.0)
"""How much words, word pairs and letter sequences count."""

_SHORT = 2.0
"""Keeps a message of one or two common words from looking as sure as a long one."""


class Ngrams:
    """Hashed n-grams, the rarer in everyday requests the heavier.

    Needs nothing but this package. It knows words and not what they mean: a question in other
    words than the examples, or in a language they are not in, is a stranger to it.

    Args:
        everyday: normalised messages that say which n-grams are common.
    """

    def __init__(self, everyday: Sequence[str]) -> None:
        seen = [np.zeros(1 << 18, dtype=np.float32) for _ in _SHARES]
        for text in everyday:
            for counts, group in zip(seen, extract(text), strict=True):
                counts[group] += 1.0
        rows = np.float32(len(everyday) + 1)
        self._rarity = [np.square(np.log(rows / (counts + 1.0))) for counts in seen]
        self.revision = f"ngrams-1.{VERSION}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :class:`~guards.topic.embedder.Embedder`."""
        vectors = np.zeros((len(texts), SIZE), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            self._fill(vector, extract(text))
        return vectors

    def _fill(self, vector: NDArray[np.float32], features: Features) -> None:
        groups = zip(features, self._rarity, _SHARES, strict=True)
        for place, (group, rarity, share) in enumerate(groups):
            if not len(group):
                continue
            heavy = rarity[group]
            heavy *= share / (float(np.linalg.norm(heavy)) + _SHORT)
            # A sign taken from the hash lets the n-grams that share a place cancel out.
            signs = np.where((group >> 16) & 1, heavy, -heavy)
            np.add.at(vector, (group * 3 + place) & (SIZE - 1), signs)
