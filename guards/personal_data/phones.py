"""Phone numbers: international ones by the numbering plans, national ones by how they look."""

import re
from functools import cache
from types import ModuleType

from guards.personal_data import labels
from guards.personal_data.context import NOT_PERSONAL

_NATIONAL: tuple[tuple[str, str, float], ...] = (
    ("US", r"\(\d{3}\)[ -]?\d{3}[-. ]\d{4}", 0.9),
    ("US", r"1?[-. ]?\d{3}([-.])\d{3}\1\d{4}", 0.87),
    ("US", r"1[ -]\(?\d{3}\)?[ -]\d{3}[ -]\d{4}", 0.88),
    ("US", r"\d{3} \d{3} \d{4}", 0.75),
    ("CN", r"1[3-9]\d([ -]?)\d{4}\1\d{4}", 0.87),
    ("CN", r"0\d{2,3}-\d{7,8}", 0.85),
    ("CN", r"400-\d{3}-\d{4}|400-\d{4}-\d{3}", 0.4),
    ("GB", r"07\d{3}[ -]?\d{3}[ -]?\d{3}", 0.85),
    ("GB", r"\(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}", 0.8),
    ("FR", r"0[1-9](?:([ .-])\d{2})(?:\1\d{2}){3}|0[67]\d{8}", 0.85),
    ("DE", r"01[5-7]\d[ /-]?\d{6,8}", 0.85),
    ("DE", r"0\d{2,5}[ /-]{1,3}\d{3,9}(?:[ -]\d{1,5}){0,2}", 0.7),
    ("ES", r"[67]\d{2}([ -])\d{3}\1\d{3}|[67]\d{2}(?: \d{2}){3}", 0.8),
    ("IT", r"3\d{2}[ -]\d{3}[ -]?\d{4}|3\d{2}[ -]\d{6,7}", 0.8),
    ("NL", r"06[ -]?\d{8}|06(?:[ -]\d{2}){4}", 0.82),
    ("BR", r"\(\d{2}\) ?9?\d{4}-\d{4}", 0.9),
    ("IN", r"[6-9]\d{4}[ -]\d{5}", 0.8),
    ("JP", r"0\d{1,4}-\d{1,4}-\d{4}", 0.87),
    ("KR", r"01[016-9]-?\d{3,4}-?\d{4}|0\d{1,2}-\d{3,4}-\d{4}", 0.87),
    ("AU", r"04\d{2} ?\d{3} ?\d{3}|\(0[2378]\) ?\d{4} ?\d{4}", 0.85),
    ("TW", r"09\d{2}-?\d{3}-?\d{3}|\(0\d\) ?\d{4}-\d{4}", 0.85),
    ("RU", r"8[ -]?\(?9\d{2}\)?[ -]?\d{3}[ -]?\d{2}[ -]?\d{2}", 0.87),
    ("PL", r"[5-8]\d{2}[ -]\d{3}[ -]\d{3}", 0.7),
    ("SE", r"07\d[- ]\d{3} ?\d{2} ?\d{2}|07\d-\d{7}", 0.82),
    ("MX", r"\d{2} \d{4} \d{4}", 0.6),
)
_SHAPES = tuple((region, re.compile(shape), base) for region, shape, base in _NATIONAL)


def phone_probability(written: str, digits: str, kind: str | None) -> float:
    """How likely a number is a phone's.

    ``kind`` is what the words before it say (:func:`..context.kind_before`).
    """
    if not 7 <= len(digits) <= 15:
        return 0.0
    asked = kind == labels.PHONE
    refused = kind is not None and not asked
    if written.lstrip("(").startswith("+") or (digits.startswith("00") and len(digits) >= 11):
        number = "+" + (digits if written.lstrip("(").startswith("+") else digits[2:])
        if _is_valid(number, None):
            if _is_free(number, None):
                return 0.3
            return 0.6 if kind is NOT_PERSONAL else 0.97
        return 0.88 if asked else 0.6
    if _FREE.fullmatch(digits):
        return 0.3
    if asked:
        return 0.93
    best = 0.0
    for region, shape, base in _SHAPES:
        if base > best and shape.fullmatch(written):
            # Numbers that nobody can have are examples and codes more often than phones.
            best = base if _is_valid(digits, region) else base * 0.7
    return best * 0.4 if refused else best


_FREE = re.compile(
    r"1?8(?:00|33|44|55|66|77|88)\d{7}|0(?:800|801|805|808|810|820|845|900)\d{4,9}|400\d{7}"
    r"|1[38]00\d{6}|0?120\d{6}|900\d{6}"
)
"""Free and shared-cost numbers, which are of hotlines and companies and of no person: a reply that
tells somebody in need whom to call must say it."""


@cache
def _plans() -> ModuleType:
    # Takes 30 ms, and most texts hold no number.
    import phonenumbers

    return phonenumbers


def _is_free(number: str, region: str | None) -> bool:
    """Whether a valid number is free, of shared or higher cost, or one for a whole company."""
    plans = _plans()
    kind = plans.number_type(plans.parse(number, region))
    types = plans.PhoneNumberType
    return kind in (types.TOLL_FREE, types.SHARED_COST, types.PREMIUM_RATE, types.UAN)


def _is_valid(number: str, region: str | None) -> bool:
    plans = _plans()
    try:
        return bool(plans.is_valid_number(plans.parse(number, region)))
    except plans.NumberParseException:
        return False
