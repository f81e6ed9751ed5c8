"""The guard that finds keys, tokens and passwords by their form."""

from guards.conversation import Exchange
from guards.detection import TEXTS, Detector, Hit, judge_by_rules, last_word, settle
from guards.hazards import Hazard
from guards.secrets.assigned import (
    assigned_keys,
    open_block,
    passwords,
    private_keys,
    seed_phrases,
    url_credentials,
)
from guards.secrets.issuers import issued_tokens
from guards.verdict import Judgement

RULES = "1"
"""Raised with every change of a rule that could change an answer."""

_DETECTORS: tuple[Detector, ...] = (
    issued_tokens,
    passwords,
    assigned_keys,
    url_credentials,
    private_keys,
    seed_phrases,
)
_LONGEST = 4_096
"""Characters of the longest token that is written in one run."""


class SecretsGuard:
    """Finds secrets and says where.

    Labels are those of :mod:`guards.secrets.issuers` and :mod:`guards.secrets.assigned`.
    """

    hazards = frozenset({Hazard.SECRETS})
    subjects = TEXTS

    def __init__(self, *, name: str = "secrets") -> None:
        self.name = name
        self.revision = f"rules-{RULES}"

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the text of any subject but images."""
        return await judge_by_rules(
            exchange,
            guard=self.name,
            revision=self.revision,
            hazard=Hazard.SECRETS,
            detect=find,
            hold=unfinished,
        )


def find(text: str) -> list[Hit]:
    """Everything found in ``text``, in order, none overlapping another."""
    return settle(hit for detector in _DETECTORS for hit in detector(text))


def unfinished(text: str) -> int:
    """Where the end of ``text`` begins that more text could turn into a secret."""
    start = last_word(text, _LONGEST)
    begin = open_block(text)
    return start if begin is None else min(start, begin)
