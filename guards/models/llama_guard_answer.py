"""Reading what a Llama Guard says: exactly, or not at all."""

import re
from dataclasses import dataclass

from guards.guard import GuardNonsenseError
from guards.models.completion import read_chat

SAFE = "safe"
UNSAFE = "unsafe"

_CODE = "[A-Za-z][A-Za-z0-9_]*"
_ANSWER = re.compile(
    rf"[ \t\r\n]*(?:(safe)|unsafe[ \t]*\r?\n({_CODE}(?:,{_CODE})*))[ \t\r\n]*", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Category codes as the guard wrote them, none if safe; and P(unsafe), if it was told."""

    codes: tuple[str, ...]
    score: float | None


def read_answer(payload: object) -> Answer:
    """The verdict in a chat completion.

    Raises:
        GuardNonsenseError: the completion or its text is not exactly what Llama Guard writes, was
            cut off, or its text and its probabilities contradict each other.
    """
    completion = read_chat(payload)
    codes = read_text(completion.text)
    weights = completion.weigh((SAFE, UNSAFE), said=UNSAFE if codes else SAFE)
    return Answer(codes=codes, score=None if weights is None else weights[UNSAFE])


def read_text(text: str) -> tuple[str, ...]:
    """Category codes of ``safe`` (none) or ``unsafe`` and a line of codes; nothing else passes.

    Raises:
        GuardNonsenseError: anything else, ``unsafe`` without a category included.
    """
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise GuardNonsenseError("the guard's answer is neither safe nor unsafe with categories")
    return () if match[1] else tuple(dict.fromkeys(match[2].split(",")))
