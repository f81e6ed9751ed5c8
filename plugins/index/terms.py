"""Text as the terms it is found by, in scripts with and without blanks."""

import re
import unicodedata
from functools import lru_cache

from guards.grounding.terms import STOP

STEM = 5
"""Characters of a word that others must share to count as forms of it."""

MOST_KEYWORDS = 24

_WIDE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Scripts that put no blanks between words."""

_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff"
"""Marks that are part of a word though Python does not call them letters."""

_TERM = re.compile(rf"(?P<wide>[{_WIDE}]+)|(?:[^\W_{_WIDE}]|[{_MARKS}])+")
_ASKING = frozenset(
    """what when where why how who which whose whom do does did is are was were can could should
    would will may must i me my we our you your please tell give show find there any
    wie was wann wo warum wieso wer wen wem welche welcher welches kann muss darf ich wir mein
    quel quelle quels quelles quand comment pourquoi où qui quoi je nous mon ma mes
    qué cuándo dónde cómo quién cuál cuáles yo nosotros mi mis""".split()  # noqa: SIM905 - a list
)
_ASKING_WIDE = re.compile(
    "是什么|什么|怎么|怎样|如何|为什么|多少|哪里|哪个|请问|吗|呢|的|了|ですか|ますか|とは|何|どう|は|を|が|の|に|で"
)


def normal(text: str) -> str:
    """Text in one spelling: compatibility forms and capitals folded."""
    return unicodedata.normalize("NFKC", text).lower()


def tokens(text: str) -> list[str]:
    """The terms of ``text`` in order: words, and of runs without blanks each pair of characters.

    The last character of a run stands alone besides, so that every character begins a term.
    """
    found: list[str] = []
    for match in _TERM.finditer(normal(text)):
        run = match[0]
        if match["wide"] is None:
            found.append(run)
            continue
        found += (run[at : at + 2] for at in range(len(run) - 1))
        found.append(run[-1])
    return found


def is_wide(term: str) -> bool:
    """Whether ``term`` comes from a script without blanks."""
    return re.match(f"[{_WIDE}]", term) is not None


def keywords(question: str) -> tuple[str, ...]:
    """The terms of ``question`` that tell what it is about, each once, at most 24.

    Words of asking and of grammar are left out, unless nothing else is there.
    """
    plain = _ASKING_WIDE.sub(" ", normal(question))
    wide = [term for term in tokens(plain) if is_wide(term)]
    pairs = [term for term in wide if len(term) == 2]
    spaced = [term for term in tokens(question) if not is_wide(term)]
    telling = [
        term
        for term in spaced
        if term not in STOP and term not in _ASKING and (len(term) > 1 or term.isdigit())
    ]
    # A character on its own is the end of a run; it counts only where there was no pair.
    chosen = (*telling, *(pairs or wide)) or tuple(tokens(question))
    return tuple(dict.fromkeys(chosen))[:MOST_KEYWORDS]


@lru_cache(maxsize=65_536)
def stem(term: str) -> str:
    """What all forms of a word share, as far as its beginning tells, without accents."""
    if is_wide(term):
        return term
    plain = unicodedata.normalize("NFKD", term)
    return "".join(c for c in plain if not unicodedata.combining(c))[:STEM]
