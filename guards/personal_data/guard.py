"""The guard that finds personal data by rules: form, checksum and context."""

import importlib.metadata
import re

from guards.conversation import Exchange
from guards.detection import TEXTS, Detector, Hit, judge_by_rules, last_word, settle, words_back
from guards.hazards import Hazard
from guards.personal_data.addresses import addresses, birth_dates
from guards.personal_data.contacts import crypto_addresses, emails, ibans, network_addresses
from guards.personal_data.ids import lettered_ids
from guards.personal_data.names import names
from guards.personal_data.numbers import numbers
from guards.verdict import Judgement

RULES = "1"
"""Raised with every change of a rule that could change an answer."""

_DIGIT = re.compile(r"\d")
_DETECTORS: tuple[Detector, ...] = (names, emails, crypto_addresses)
_WITH_DIGITS: tuple[Detector, ...] = (
    numbers,
    lettered_ids,
    ibans,
    addresses,
    birth_dates,
    network_addresses,
)


class PersonalDataGuard:
    """Finds personal data and says where: see :mod:`guards.personal_data.labels` for what.

    Probabilities say how likely a find is a living person's own: checksummed ids and addresses
    that reach a person are high, names without anything else about their bearer low.
    """

    hazards = frozenset({Hazard.PERSONAL_DATA})
    subjects = TEXTS

    def __init__(self, *, name: str = "personal_data") -> None:
        self.name = name
        versions = [importlib.metadata.version(p) for p in ("python-stdnum", "phonenumbers")]
        self.revision = f"rules-{RULES}+stdnum-{versions[0]}+phonenumbers-{versions[1]}"

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the text of any subject but images."""
        return await judge_by_rules(
            exchange,
            guard=self.name,
            revision=self.revision,
            hazard=Hazard.PERSONAL_DATA,
            detect=find,
            hold=unfinished,
        )


def find(text: str) -> list[Hit]:
    """Everything found in ``text``, in order, none overlapping another."""
    detectors = _DETECTORS + _WITH_DIGITS if _DIGIT.search(text) else _DETECTORS
    return settle(hit for detector in detectors for hit in detector(text))


_MOST_WORDS = 16
_LONGEST_WORD = 320
_HANGUL = "\uac00-\ud7a3"
_PART = re.compile(
    rf"[^\w]*(?:[^\Wa-zß-öø-ÿа-яё{_HANGUL}]|\d"
    r"|(?:van|von|de|der|den|del|della|di|da|dos|du|des|la|le|les|of|bis|bin|al|el|rue|avenue"
    r"|boulevard|place|chemin|quai|calle|via|box)(?![^\W_])"
    rf"|[{_HANGUL}]{{1,12}}(?:시|도|군|구|로|길|동)(?![{_HANGUL}]))"
)
"""Words that numbers, names and addresses of several words are made of."""

_UNSPACED = re.compile(r"[\u3005\u3040-\u30ff\u3400-\u9fff0-9A-Za-z\uff10-\uff19-]*")
_PLACE = re.compile("[省市州盟区區县縣镇乡路街道巷弄段都府県]")
_LONGEST_PLACE = 80
_BEFORE_PLACE = 8


def unfinished(text: str) -> int:
    """Where the end of ``text`` begins that more text could turn into personal data.

    That is the last word, with the numbers and capitalised words before it. In scripts without
    spaces it is the last few characters, and all of what may be an address.
    """
    start = last_word(text, _LONGEST_WORD)
    for begin in words_back(text, start, _MOST_WORDS):
        if not _PART.match(text, begin):
            break
        start = begin
    return min(start, _unspaced(text))


def _unspaced(text: str) -> int:
    match = _UNSPACED.match(text[-_LONGEST_PLACE:][::-1])
    begin = len(text) - (match.end() if match else 0)
    run = text[begin:]
    if run.isascii():
        return len(text)
    place = _PLACE.search(run)
    return begin + max(0, (place.start() if place else len(run)) - _BEFORE_PLACE)
