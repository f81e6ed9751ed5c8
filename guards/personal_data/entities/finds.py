"""From words to finds: names and addresses of several words, and numbers."""

import re
from collections.abc import Iterator, Sequence

from guards.detection import Hit
from guards.personal_data import labels
from guards.personal_data.entities.model import Part, Word

_ADDRESS = frozenset({Part.BUILDING, Part.STREET, Part.PLACE})
_NUMBERS = {
    Part.PHONE: labels.PHONE,
    Part.BANK_ACCOUNT: labels.BANK_ACCOUNT,
    Part.PASSPORT: labels.PASSPORT,
    Part.DRIVER_LICENCE: labels.DRIVER_LICENCE,
}
_LEAST_DIGITS = 5
_LEAST_STREET = 0.3

_IN_NAME = re.compile(r"[ \t]?[.'\u2019\u00b7-]?[ \t]?")
_IN_ADDRESS = re.compile(r"[\s,.;:#/()'\u2019-]{0,6}")
_IN_NUMBER = re.compile(r"[ \t+()./@_-]{0,4}")
_EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_LONGEST_EMAIL = 64
_DIGIT = re.compile(r"\d")

LOWER_CASE = 0.6
"""What the probability of a name in small letters is multiplied by: most are other words."""


def finds(text: str, words: Sequence[Word]) -> Iterator[Hit]:
    """Everything that ``words`` of ``text`` make up, in order; what overlaps is not settled yet."""
    for run in _runs(text, words):
        part = run[0].part
        if part is Part.NAME:
            yield _name(text, run)
        elif part in _ADDRESS:
            yield from _address(text, run)
        elif part is Part.EMAIL:
            yield from _email(text, run)
        elif part in _NUMBERS and _digits(text, run) >= _LEAST_DIGITS:
            yield _hit(run, _NUMBERS[part], _mean(run, part))


def _runs(text: str, words: Sequence[Word]) -> Iterator[list[Word]]:
    """Words of one kind with nothing between them that would part them."""
    run: list[Word] = []
    for word in words:
        if run and not _joined(text, run[-1], word):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _joined(text: str, one: Word, other: Word) -> bool:
    gap = text[one.end : other.start]
    first, second = one.part, other.part
    if first in _ADDRESS and second in _ADDRESS:
        return _IN_ADDRESS.fullmatch(gap) is not None
    if first is not second:
        return False
    return (_IN_NAME if first is Part.NAME else _IN_NUMBER).fullmatch(gap) is not None


def _name(text: str, run: list[Word]) -> Hit:
    probability = max(word.shares[Part.NAME] for word in run)
    if text[run[0].start : run[-1].end].islower():
        probability *= LOWER_CASE
    return _hit(run, labels.PERSON, probability)


def _address(text: str, run: list[Word]) -> Iterator[Hit]:
    """An address names a street and a number; places alone are nobody's."""
    places = [sum(word.shares[part] for part in _ADDRESS) for word in run]
    street = max(word.shares[Part.STREET] for word in run)
    numbered = _digits(text, run) > 0
    kinds = {word.part for word in run}
    if numbered and (street >= _LEAST_STREET or len(kinds) > 1):
        yield _hit(run, labels.ADDRESS, sum(places) / len(places))


def _email(text: str, run: list[Word]) -> Iterator[Hit]:
    """The whole of an e-mail address, of which the model may see a part."""
    first, last = run[0].start, run[-1].end
    for match in _EMAIL.finditer(text, max(0, first - _LONGEST_EMAIL), last + _LONGEST_EMAIL):
        if match.start() < last and first < match.end():
            probability = min(1.0, _mean(run, Part.EMAIL))
            yield Hit(
                start=match.start(), end=match.end(), label=labels.EMAIL, probability=probability
            )


def _mean(run: list[Word], part: Part) -> float:
    return sum(word.shares[part] for word in run) / len(run)


def _digits(text: str, run: list[Word]) -> int:
    return len(_DIGIT.findall(text, run[0].start, run[-1].end))


def _hit(run: list[Word], label: str, probability: float) -> Hit:
    # A sum of shares in single precision can pass one by a hair.
    return Hit(start=run[0].start, end=run[-1].end, label=label, probability=min(1.0, probability))
