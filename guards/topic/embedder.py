"""What turns messages into vectors."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Messages that mean the same lie near each other."""

    @property
    def revision(self) -> str:
        """Changes whenever a vector could change."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length about one, shape ``(len(texts), d)``, of normalised ``texts``.

        Safe to call from several threads.
        """
