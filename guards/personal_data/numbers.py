"""Numbers that belong to people: cards, phones and ids, by form, checksum and context."""

import re
from collections.abc import Iterator

from guards.detection import Hit
from guards.personal_data import labels
from guards.personal_data.cards import card_probability
from guards.personal_data.context import NOT_PERSONAL, kind_before
from guards.personal_data.ids import numeric_ids
from guards.personal_data.phones import phone_probability

_DIGIT = "0-9\uff10-\uff19"
_GAP = r"[ \u00a0\-./()\u2010-\u2013]"
_RUN = re.compile(
    rf"(?<![A-Za-z{_DIGIT}_$€£¥#/@&%-])(?<![{_DIGIT}][.,])"
    rf"(?:\+|\(\+?)?[{_DIGIT}](?:{_GAP}{{0,3}}[{_DIGIT}])*"
)
_DATE = re.compile(
    r"(?:19|20)\d{2}[-./ ]\d{1,2}[-./ ]\d{1,2}(?:[ -]\d{1,2}(?:[ .-]\d{1,2}){0,2})?"
    r"|\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d{2}"
    r"|(?:19|20)\d{2} ?[-\u2013] ?(?:19|20)\d{2}|(?:19|20)\d{6}|\d{1,3}(?:\.\d{1,3}){3}"
)
_GROUP = re.compile(rf"[{_DIGIT}]+")
_FULL_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")
_LONGEST = 24
"""Digits in the longest number looked for, an account with its separators."""

_MOST_GROUPS = 8
_BITS = frozenset("01")
_COUNTING = frozenset({"1234567", "12345678", "123456789", "1234567890", "0123456789"})
_GOES_ON = re.compile(r"[A-Za-z_]|[.,]\d|%")


def numbers(text: str) -> Iterator[Hit]:
    """Every number in ``text`` that may be a person's."""
    for run in _RUN.finditer(text):
        if sum(map(len, _GROUP.findall(run[0]))) < 7:
            continue
        yield from _of_run(text, run)


def _of_run(text: str, run: re.Match[str]) -> Iterator[Hit]:
    """The likeliest reading of a run of digit groups: it may hold several numbers."""
    groups = [match.span() for match in _GROUP.finditer(text, *run.span())]
    lengths = [end - start for start, end in groups]
    first = 0
    while first < len(groups):
        for last in range(min(first + _MOST_GROUPS, len(groups)), first, -1):
            alone = last - first == len(groups)
            size = sum(lengths[first:last])
            if not (7 if alone else 9) <= size <= _LONGEST:
                continue
            start, end = groups[first][0], groups[last - 1][1]
            while start > run.start() and text[start - 1] in "+(":
                start -= 1
            hit = _of_number(text, start, end, alone=alone)
            if hit is not None:
                yield hit
                first = last
                break
        else:
            first += 1


def _of_number(text: str, start: int, end: int, *, alone: bool) -> Hit | None:
    """What ``text[start:end]`` is as one number; ``alone`` when it is its whole run."""
    written = text[start:end].translate(_FULL_WIDTH)
    digits = "".join(filter(str.isdecimal, written))
    if (
        _GOES_ON.match(text, end)
        or len(set(digits)) == 1
        or set(digits) <= _BITS
        or digits in _COUNTING
    ):
        return None
    kind = kind_before(text, start)
    readings = list(_readings(written, digits, kind, alone=alone))
    if not readings:
        return None
    label, probability = max(readings, key=lambda reading: reading[1])
    return Hit(start=start, end=end, label=label, probability=probability)


def _readings(
    written: str, digits: str, kind: str | None, *, alone: bool
) -> Iterator[tuple[str, float]]:
    card = card_probability(written, digits)
    if card:
        yield labels.CARD, card if kind is not NOT_PERSONAL else card * 0.5
    yield from numeric_ids(written, digits, kind)
    if _DATE.fullmatch(written):
        return
    if kind == labels.US_SSN and len(digits) == 9:
        yield labels.US_SSN, 0.85
    if kind == labels.BANK_ACCOUNT and alone:
        yield labels.BANK_ACCOUNT, 0.8
    if kind in (labels.PASSPORT, labels.DRIVER_LICENCE) and alone and len(digits) <= 12:
        yield kind, 0.85
    if kind == labels.CARD and 13 <= len(digits) <= 19 and alone:
        yield labels.CARD, 0.75
    phone = phone_probability(written, digits, kind)
    if phone:
        yield labels.PHONE, phone
