"""Reading what a Qwen3Guard says: exactly, or not at all."""

import re
from dataclasses import dataclass

from guards.guard import GuardNonsenseError
from guards.hazards import Hazard, UnknownHazardError
from guards.models.completion import read_chat

SAFE = "Safe"
CONTROVERSIAL = "Controversial"
UNSAFE = "Unsafe"
SEVERITIES = (SAFE, CONTROVERSIAL, UNSAFE)

CATEGORIES: dict[str, tuple[Hazard, str | None]] = {
    "Violent": (Hazard.VIOLENT_CRIMES, None),
    "Non-violent Illegal Acts": (Hazard.NON_VIOLENT_CRIMES, None),
    "Sexual Content or Sexual Acts": (Hazard.SEXUAL_CONTENT, None),
    "PII": (Hazard.PRIVACY, None),
    "Suicide & Self-Harm": (Hazard.SELF_HARM, None),
    "Unethical Acts": (Hazard.HATE, "unethical_acts"),
    "Politically Sensitive Topics": (Hazard.ELECTIONS, "politically_sensitive_topics"),
    "Copyright Violation": (Hazard.INTELLECTUAL_PROPERTY, None),
    "Jailbreak": (Hazard.JAILBREAK, None),
}
"""The model's own names, and the name a finding keeps where the hazard is not quite the same.

The technical report counts discrimination, insults, harassment and extremism as unethical acts,
and false information about governments, history and public figures as politically sensitive.
"""

_NONE = "None"
_ANSWER = re.compile(
    r"\s*Safety: (Safe|Controversial|Unsafe)[ ]*\r?\n"
    r"Categories: ([^\r\n]+?)[ ]*"
    r"(?:\r?\nRefusal: (Yes|No)[ ]*)?\s*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One assessment.

    Attributes:
        severity: one of :data:`SEVERITIES`.
        categories: keys of :data:`CATEGORIES`; none exactly if safe.
        refusal: whether a judged reply refuses; ``None`` where no reply was judged.
        weights: the probability of each severity, if it was told.
    """

    severity: str
    categories: tuple[str, ...]
    refusal: bool | None
    weights: dict[str, float] | None = None


def read_answer(payload: object, *, reply: bool) -> Answer:
    """The assessment in a chat completion.

    Raises:
        GuardNonsenseError: it is not exactly what Qwen3Guard writes of a reply (``reply``) or of
            a prompt, was cut off, or text and probabilities contradict each other.
        UnknownHazardError: it names a category nobody knows.
    """
    completion = read_chat(payload)
    answer = read_text(completion.text)
    if (answer.refusal is not None) != reply:
        raise GuardNonsenseError("the guard judged a prompt for a reply, or a reply for a prompt")
    weights = completion.weigh(SEVERITIES, said=answer.severity, after="Safety:")
    return Answer(
        severity=answer.severity,
        categories=answer.categories,
        refusal=answer.refusal,
        weights=weights,
    )


def read_text(text: str) -> Answer:
    """The lines ``Safety``, ``Categories`` and, for replies, ``Refusal``; nothing else passes.

    Raises:
        GuardNonsenseError: anything else, a severity without a category or a safe text with one
            included.
        UnknownHazardError: a category that is none of the nine.
    """
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise GuardNonsenseError("the guard's answer is not in the form it should have")
    named = tuple(dict.fromkeys(match[2].split(", ")))
    safe = match[1] == SAFE
    if (named == (_NONE,)) != safe or (_NONE in named and not safe):
        raise GuardNonsenseError("the guard's severity contradicts its categories")
    categories = () if named == (_NONE,) else named
    if not CATEGORIES.keys() >= set(categories):
        raise UnknownHazardError("the guard named a category that is none of its nine")
    refusal = None if match[3] is None else match[3] == "Yes"
    return Answer(severity=match[1], categories=categories, refusal=refusal)
