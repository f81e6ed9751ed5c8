"""A question to a person about one tool call, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from assistant.turn import SessionKey
from policies.decision import Approver


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked.

    Attributes:
        id: names the approval; unguessable, starts with ``apr_``.
        key: the session whose turn waits.
        turn: id of that turn.
        call: id of the tool call within it.
        tool, plugin: what would run.
        arguments: canonical JSON of the exact arguments; empty once the turn was finished.
        digest: of tool and arguments, as :func:`plugins.approval.call_digest` gives (I4).
        text: the question in the person's language; empty once the turn was finished, since it
            may repeat arguments.
        approver: whose word counts.
        clause: of the policy, that wants a person's word.
        created, expires: seconds since the epoch.
    """

    id: str
    key: SessionKey
    turn: str
    call: str
    tool: str
    plugin: str
    arguments: str
    digest: str
    text: str
    approver: Approver
    clause: str | None
    created: float
    expires: float

    @property
    def shown(self) -> str:
        """The question and exactly what would run, for a person to read.

        Characters that are not seen, or that change how others are seen, stand as JSON escapes.
        """
        arguments = "".join(c if c.isprintable() else _escaped(c) for c in self.arguments)
        return f"{self.text}\n{self.tool} {arguments}"


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


class Answer(StrEnum):
    """A person's word. That it came too late is told by the clock, see :attr:`Asked.expires`."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question and its answer.

    Attributes:
        answered_at: seconds since the epoch.
        answered_by: ``user`` or ``operator``, or ``word`` for a message that said yes or no.
    """

    asked: Asked
    answer: Answer = Answer.WAITING
    answered_at: float | None = None
    answered_by: str | None = None

    @property
    def waits(self) -> bool:
        """Whether a person's word is still wanted, the clock aside."""
        return self.answer is Answer.WAITING and bool(self.asked.arguments)

    def expired(self, now: float) -> bool:
        """Whether nobody answered in time; ``now`` is in seconds since the epoch."""
        return self.answer is Answer.WAITING and now >= self.asked.expires
