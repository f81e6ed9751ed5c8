"""Words that stand where a secret would, and how random a value is."""

import math
import re
from collections import Counter

_WORDS = re.compile(
    r"example|your[-_ ]?|my[-_]?(?:api|secret|token|pass|key)|placeholder"
    r"|change[-_]?me|change[-_]?it|redacted|removed|hidden|masked|insert|replace|dummy|sample|fake|todo|fixme|foo|bar(?:baz)?"
    r"|lorem|undefined|null|none|n/?a|xxx"
    r"|\*\*\*|\.\.\.|\u2026|___|---|000000|123456789|abcdef"
    r"|(?:pass(?:word|wd|phrase)?|secret|token|key|user(?:name)?|pwd|login)\d{0,3}$",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"[<{\[$%(]")


def looks_made_up(token: str) -> bool:
    """Whether an issued token is one of documentation: a word, a run, hardly any characters."""
    if re.search(r"example|xxxx|placeholder|your|dummy|fake|\*\*\*", token, re.IGNORECASE):
        return True
    body = token[-24:]
    return len(set(body)) < 6 or "abcdefgh" in token.lower() or "12345678" in token


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret instead of being one."""
    return bool(_TEMPLATE.match(value) or _WORDS.match(value) or len(set(value)) < 4)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())


def classes(value: str) -> int:
    """How many of lower case, upper case, digits and signs a value holds."""
    return (
        any(c.islower() for c in value)
        + any(c.isupper() for c in value)
        + any(c.isdigit() for c in value)
        + any(not c.isalnum() for c in value)
    )
