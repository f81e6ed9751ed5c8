"""Lists of words and phrases, and whether a text mentions one."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
# Scripts written without spaces between words: a phrase of theirs is looked for anywhere.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def normalise(text: str) -> str:
    """Lower case, compatibility forms unified, words parted by single spaces, space around."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return f" {' '.join(_WORD.findall(folded))} "


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseList:
    """Phrases ready to be looked for in :func:`normalise`-d text.

    A phrase matches whole words; ``immigra*`` matches every word that begins so; phrases in
    scripts without spaces match anywhere.
    """

    words: frozenset[str]
    runs: tuple[str, ...]

    @classmethod
    def of(cls, phrases: Iterable[str]) -> "PhraseList":
        """Compile ``phrases``.

        Raises:
            ValueError: a phrase holds no letter or digit, or a star elsewhere than at its end.
        """
        words: set[str] = set()
        runs: list[str] = []
        for phrase in phrases:
            stem = phrase.removesuffix("*")
            inner = normalise(stem).strip()
            if not inner:
                raise ValueError(f'"{phrase}" holds no letter or digit')
            if "*" in stem:
                raise ValueError(f'"{phrase}": a star may only stand at the end')
            if _UNSPACED.search(inner):
                runs.append(inner)
            elif stem != phrase:
                runs.append(f" {inner}")
            elif " " in inner:
                runs.append(f" {inner} ")
            else:
                words.add(inner)
        return cls(words=frozenset(words), runs=tuple(runs))

    def found_in(self, normalised: str) -> bool:
        """Whether any phrase stands in text that went through :func:`normalise`."""
        if self.words and not self.words.isdisjoint(normalised.split()):
            return True
        return any(run in normalised for run in self.runs)
