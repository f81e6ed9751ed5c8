"""How far a turn has come: what its next reply answers, and what was shown and spent so far."""

from dataclasses import dataclass, field, replace

from assistant.events import Usage
from guards.conversation import Message, ToolCall
from policies.admitted import Admitted
from policies.decision import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A turn between two replies of the model.

    Attributes:
        message, history: what came in, as the model reads it.
        guidance: instructions that the policy added.
        decision: what was decided about the input; ``None`` while it is being judged.
        trail: calls of this turn and their results, oldest first.
        shown: text that the user was shown before the reply that comes next.
        usage: tokens so far.
        rounds: how often tools were called.
        cited: how many sources were numbered.
    """

    message: Message
    history: tuple[Message, ...]
    decision: Decision | None = None
    guidance: tuple[str, ...] = ()
    trail: tuple[Message, ...] = ()
    shown: str = ""
    usage: Usage = field(default_factory=Usage)
    rounds: int = 0
    cited: int = 0

    @classmethod
    def after(cls, admitted: Admitted) -> "Progress":
        """A turn whose input was let in."""
        return cls(
            message=admitted.message,
            history=admitted.history,
            decision=admitted.decision,
            guidance=admitted.guidance,
        )

    @property
    def past(self) -> tuple[Message, ...]:
        """All that the next reply answers."""
        return (*self.history, self.message, *self.trail)

    def spent(self, usage: Usage) -> "Progress":
        """With the tokens of one more completion."""
        return replace(
            self,
            usage=Usage(
                prompt_tokens=_sum(self.usage.prompt_tokens, usage.prompt_tokens),
                completion_tokens=_sum(self.usage.completion_tokens, usage.completion_tokens),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Tool calls of one reply, of which the first of ``calls`` waits for a person.

    ``reply`` is the message that asked for them; ``results`` answer those before. ``commanded``
    says that it was a person who called the tool, by its name.
    """

    reply: Message
    calls: tuple[ToolCall, ...]
    results: tuple[Message, ...] = ()
    tally: dict[str, int] = field(default_factory=dict)
    commanded: bool = False


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
