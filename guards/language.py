"""The language of a text, for thresholds that differ by language."""

from functools import cache
from typing import Any

UNKNOWN = "und"
"""BCP 47's tag for a language nobody could tell."""

LANGUAGES = (
    "ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it",
    "ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "sw", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
_LOOKED_AT = 1_000
_LEAST_LETTERS = 4
_LEAST_LATIN = 20
_SURE = 0.8


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language ``text`` is written in, or ``und``.

    Few letters tell little, and a wrong language is worse than none: a short text in Latin
    script, or one the identifier is not sure of, is ``und``. The identifier is py3langid, loaded
    with the first text.
    """
    piece = text[:_LOOKED_AT]
    letters = sum(map(str.isalpha, piece))
    if letters < (_LEAST_LATIN if piece.isascii() else _LEAST_LETTERS):
        return UNKNOWN
    language, certainty = _identifier().classify(piece.encode("utf-8", "replace").decode())
    return str(language) if certainty >= _SURE else UNKNOWN


@cache
def _identifier() -> Any:
    # Imported here: it takes a second to load, and most deployments never ask.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier
