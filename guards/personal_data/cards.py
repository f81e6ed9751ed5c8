"""Payment cards: Luhn's checksum and the issuers' prefixes."""

import re

_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|(?:6011|65\d{2}|64[4-9]\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
    r"|(?:2200|2201|2202|2203|2204)\d{12}"  # Mir
    r"|(?:60|81|82|508|353|356)\d{13,14}"  # RuPay
)
_GROUPED = re.compile(r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5}")


def card_probability(written: str, digits: str) -> float:
    """How likely a number is a payment card; 0.0 when its checksum or issuer is wrong."""
    if not 12 <= len(digits) <= 19 or not luhn(digits) or not _ISSUERS.fullmatch(digits):
        return 0.0
    return 0.98 if _GROUPED.fullmatch(written) else 0.93


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812 for those before it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0
