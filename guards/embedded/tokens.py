"""Texts as the encoder's token numbers, framed by what they are."""

import gzip
import json
from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers

from guards.embedded.heads import EmbeddedGuardError, Field

PIECES = "encoder_pieces.json.gz"
WINDOW_TOKENS = 124
"""Tokens of a window, without what frames it."""

STRIDE_TOKENS = 92
CONTEXT_TOKENS = 40
"""Of the request that a reply answers, its last ones."""

SLICE_CHARS = 4_096
SPACE = "\u2581"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
START, PAD, END, UNKNOWN = range(4)
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def build(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """A tokenizer of the unigram model, for texts that are normalised already."""
    model = models.Unigram(list(pieces), unk_id=UNKNOWN)
    # The library would remember words it has seen; nothing of a user's text may stay behind.
    model._resize_cache(0)  # noqa: SLF001 - the only way the library offers
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement=SPACE, prepend_scheme="always", split=True
    )
    return tokenizer


def read(content: bytes) -> "Tokens":
    """The vocabulary in the bytes of ``encoder_pieces.json.gz``.

    Raises:
        EmbeddedGuardError: when they are not what the training wrote.
    """
    try:
        pieces = json.loads(gzip.decompress(content))
        return Tokens(build([(str(piece), float(score)) for piece, score in pieces]))
    except (EOFError, OSError, TypeError, ValueError) as error:
        raise EmbeddedGuardError(f"{PIECES} does not hold what the training writes") from error


class Tokens:
    """Safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._query = self.numbers("query:")
        self._passage = self.numbers("passage:")

    def numbers(self, text: str) -> list[int]:
        """Token numbers of normalised ``text``; lone surrogates are unknown characters."""
        found: list[int] = self._tokenizer.encode(text.translate(_SURROGATES)).ids
        return found

    def placed(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token numbers and the character range of each in ``text``.

        A long text is taken piece by piece, so that other threads get their turn.
        """
        numbers: list[int] = []
        places: list[tuple[int, int]] = []
        start = 0
        while start < len(text):
            end = len(text)
            if end - start > SLICE_CHARS:
                space = text.rfind(" ", start + 1, start + SLICE_CHARS)
                end = space if space > 0 else start + SLICE_CHARS
            found = self._tokenizer.encode(text[start:end].translate(_SURROGATES))
            numbers += found.ids
            places += [(start + first, start + last) for first, last in found.offsets]
            start = end
        return numbers, places

    def framed(self, window: Sequence[int], field: Field, context: Sequence[int] = ()) -> list[int]:
        """A window as the encoder is given it; before a reply stands the end of its request."""
        if field is Field.REQUEST:
            return [START, *self._query, *window, END]
        if not context:
            return [START, *self._passage, *window, END]
        return [START, *self._query, *context, END, *self._passage, *window, END]

    def before(self, field: Field, context: Sequence[int] = ()) -> int:
        """How many tokens :meth:`framed` puts before the window."""
        return len(self.framed((), field, context)) - 1


def cut(count: int) -> list[tuple[int, int]]:
    """Ranges of the overlapping windows over ``count`` tokens; at least one.

    All but the last stay what they are when a text grows.
    """
    ends = range(0, max(1, count - WINDOW_TOKENS + STRIDE_TOKENS), STRIDE_TOKENS)
    return [(start, min(start + WINDOW_TOKENS, count)) for start in ends]
