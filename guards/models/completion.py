"""What a guard model's server completes: a text, and how likely its words were."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from guards.guard import GuardNonsenseError

TOLERANCE = 0.1
"""How much likelier another verdict may be than the one that was written.

The text is the likeliest token, but servers compute the two with different roundings.
"""

Step = tuple[str, dict[str, float]]
"""A generated token, and the probability of each token that was listed for its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole answer; ``steps`` are the server's own entries, empty without logprobs."""

    text: str
    steps: Sequence[Any]

    def weigh(
        self, words: Sequence[str], *, said: str, after: str = "", fold: bool = False
    ) -> dict[str, float] | None:
        """The probability of each verdict where the verdict begins; they sum to one.

        What the alternatives leave unlisted counts for each word that is not among them, so a
        list too short can only make the guard look less sure. ``None`` without logprobs.

        Args:
            words: the verdicts there are, none of them the beginning of another.
            said: the one that was read from the text.
            after: what stands before the verdict, as it was generated; its last occurrence
                counts, because reasoning may have quoted it.
            fold: whether capitals don't matter.

        Raises:
            GuardNonsenseError: the probabilities are not those of the text, contradict it, or
                cannot be read.
        """
        if not self.steps:
            return None
        try:
            skipped, (token, listed) = self._verdict(after)
            if not _begins(said, token[skipped:], fold):
                raise GuardNonsenseError("the guard's probabilities are not those of its text")
            mass = dict.fromkeys(words, 0.0)
            for other, probability in listed.items():
                if other[:skipped] == token[:skipped]:
                    for word in words:
                        if _begins(word, other[skipped:], fold):
                            mass[word] += probability
            rest = max(1.0 - sum(listed.values()), 0.0)
        except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
            if isinstance(error, GuardNonsenseError):
                raise
            raise GuardNonsenseError("the guard's probabilities cannot be read") from None
        mass = {word: probability or rest for word, probability in mass.items()}
        total = sum(mass.values())
        if not 0.0 < total < math.inf:
            raise GuardNonsenseError("the guard's probabilities cannot be read")
        shares = {word: probability / total for word, probability in mass.items()}
        if max(shares.values()) - shares[said] > TOLERANCE + 1e-9:
            raise GuardNonsenseError("the guard's text contradicts its probabilities")
        return shares

    def _verdict(self, after: str) -> tuple[int, Step]:
        """The step where the verdict begins, and how much of its token stands before it."""
        begin = 0
        if after:
            begin = "".join(_token(step) for step in self.steps).rfind(after) + len(after)
            if begin < len(after):
                raise ValueError
        position = 0
        for step in self.steps:
            token = _token(step)
            skipped = max(0, begin - position)
            position += len(token)
            if token[skipped:].strip():
                return skipped, _listed(step)
        raise StopIteration


def read_chat(payload: object) -> Completion:
    """A chat completion that came to its end by itself.

    Reasoning that came beside the text is not looked at.

    Raises:
        GuardNonsenseError: anything else, such as an answer that was cut off or has no text.
    """
    choice = _choice(payload)
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str) or choice.get("finish_reason") != "stop":
        raise GuardNonsenseError("the guard's answer is cut off or has no text")
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else logprobs
    return Completion(text=text, steps=_steps(content))


def read_first_token(payload: object) -> Completion:
    """The first token of a bare completion, which is cut off after it or ends there by itself.

    Raises:
        GuardNonsenseError: anything else.
    """
    choice = _choice(payload)
    text = choice.get("text")
    if not isinstance(text, str) or choice.get("finish_reason") not in {"length", "stop"}:
        raise GuardNonsenseError("the guard's answer has no text")
    logprobs = choice.get("logprobs")
    if logprobs is None:
        return Completion(text=text, steps=())
    try:
        columns = (logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"])
        steps = [
            {
                "token": token,
                "logprob": logprob,
                "top_logprobs": [{"token": t, "logprob": p} for t, p in (top or {}).items()],
            }
            for token, logprob, top in zip(*columns, strict=True)
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GuardNonsenseError("the guard's probabilities cannot be read") from None
    return Completion(text=text, steps=steps)


def _choice(payload: object) -> dict[str, Any]:
    try:
        (choice,) = payload["choices"]  # type: ignore[index] # what is no mapping raises
    except (KeyError, TypeError, ValueError):
        choice = None
    if not isinstance(choice, dict):
        raise GuardNonsenseError("the guard's answer is no completion")
    return choice


def _steps(content: object) -> Sequence[Any]:
    if not content:
        return ()
    if not isinstance(content, list):
        raise GuardNonsenseError("the guard's probabilities cannot be read")
    return content


def _token(step: Any) -> str:
    token = step["token"]
    if not isinstance(token, str):
        raise TypeError("no token")
    return token


def _listed(step: Any) -> Step:
    return _token(step), dict(_alternatives(step))


def _alternatives(step: Any) -> Iterator[tuple[str, float]]:
    yield _token(step), _probability(step["logprob"])
    for alternative in step.get("top_logprobs") or ():
        yield _token(alternative), _probability(alternative["logprob"])


def _probability(logprob: Any) -> float:
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or math.isnan(logprob):
        raise TypeError("not a number")
    return math.exp(min(logprob, 0.0))


def _begins(word: str, token: str, fold: bool) -> bool:
    """Whether ``token`` is the word's beginning: all of it, or the piece a vocabulary has."""
    piece = token.strip()
    if fold:
        word, piece = word.casefold(), piece.casefold()
    return bool(piece) and word.startswith(piece)
