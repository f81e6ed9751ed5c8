"""Reading what a Llama Guard says: exactly, or not at all."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guards.guard import GuardNonsenseError

SAFE = "safe"
UNSAFE = "unsafe"

TOLERANCE = 0.05
"""How far the score may lie on the other side of one half than the text.

The text is the likelier token, but servers compute the two with different roundings.
"""

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
    try:
        (choice,) = payload["choices"]  # type: ignore[index] # what is no mapping raises
        text, finish = choice["message"]["content"], choice.get("finish_reason")
        logprobs = choice.get("logprobs")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GuardNonsenseError("the guard's answer is no chat completion") from None
    if not isinstance(text, str) or finish != "stop":
        raise GuardNonsenseError("the guard's answer is cut off or has no text")
    codes = read_text(text)
    score = read_score(logprobs, UNSAFE if codes else SAFE)
    if score is not None and abs(score - bool(codes)) > 0.5 + TOLERANCE:
        raise GuardNonsenseError("the guard's text contradicts its probabilities")
    return Answer(codes=codes, score=score)


def read_text(text: str) -> tuple[str, ...]:
    """Category codes of ``safe`` (none) or ``unsafe`` and a line of codes; nothing else passes.

    Raises:
        GuardNonsenseError: anything else, ``unsafe`` without a category included.
    """
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise GuardNonsenseError("the guard's answer is neither safe nor unsafe with categories")
    return () if match[1] else tuple(dict.fromkeys(match[2].split(",")))


def read_score(logprobs: Any, verdict: str) -> float | None:
    """P(unsafe) / (P(unsafe) + P(safe)) at the token where ``verdict`` begins.

    What the alternatives leave unlisted counts for the word that is not among them, so a list
    too short can only make the guard look less sure. ``None`` if the server sent no logprobs.

    Raises:
        GuardNonsenseError: logprobs that do not belong to the text.
    """
    content = logprobs.get("content") if isinstance(logprobs, dict) else logprobs
    if not content:
        return None
    try:
        entry = next(entry for entry in content if entry["token"].strip())
        if not verdict.startswith(entry["token"].strip()):
            raise GuardNonsenseError("the guard's probabilities are not those of its text")
        mass = {SAFE: 0.0, UNSAFE: 0.0}
        listed = 0.0
        for token, probability in dict(_alternatives(entry)).items():
            listed += probability
            word = _word(token)
            if word is not None:
                mass[word] += probability
    except (AttributeError, KeyError, StopIteration, TypeError):
        raise GuardNonsenseError("the guard's probabilities cannot be read") from None
    rest = max(1.0 - listed, 0.0)
    safe, unsafe = mass[SAFE] or rest, mass[UNSAFE] or rest
    if not safe + unsafe > 0.0:
        raise GuardNonsenseError("the guard's probabilities cannot be read")
    return unsafe / (safe + unsafe)


def _alternatives(entry: dict[str, Any]) -> Iterator[tuple[str, float]]:
    yield entry["token"], _probability(entry["logprob"])
    for alternative in entry.get("top_logprobs") or ():
        yield alternative["token"], _probability(alternative["logprob"])


def _probability(logprob: float) -> float:
    if math.isnan(logprob):
        raise TypeError("not a number")
    return math.exp(min(logprob, 0.0))


def _word(token: str) -> str | None:
    """Which verdict a token begins: whole words in Llama's vocabulary, pieces in others."""
    token = token.strip()
    if not token:
        return None
    if UNSAFE.startswith(token):
        return UNSAFE
    return SAFE if SAFE.startswith(token) else None
