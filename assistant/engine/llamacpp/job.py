"""One completion as the batch loop sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from assistant.engine.llamacpp.sampler import Draw


class Ending(StrEnum):
    """Why a completion ended, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One generated token: its bytes, and natural-log probabilities before any constraint."""

    text: bytes
    logprob: float = 0.0
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last item of a completion."""

    ending: Ending
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class DecodeError(RuntimeError):
    """llama.cpp could not go on with a batch."""


Item = Drawn | Ended | DecodeError


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """What the loop works on. ``deliver`` is called from its thread.

    Attributes:
        tokens: the prompt.
        limit: tokens to generate at most.
        alternatives: how many to report with each token; ``None`` reports no probabilities.
        abandoned: set by whoever asked when the answer is no longer wanted.
    """

    tokens: list[int]
    limit: int
    draw: Draw
    alternatives: int | None
    deliver: Callable[[Item], None]
    abandoned: bool = False
    generated: int = 0
    cached: int = 0

    @property
    def cells(self) -> int:
        """Cache cells it can come to need."""
        return len(self.tokens) + self.limit

    def ended(self, ending: Ending) -> Ended:
        return Ended(
            ending=ending,
            prompt_tokens=len(self.tokens),
            cached_tokens=self.cached,
            completion_tokens=self.generated,
        )
