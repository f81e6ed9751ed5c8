"""What a policy answers: a closed union of decisions."""

from dataclasses import dataclass
from enum import StrEnum

from guards.panel import PanelVerdict
from guards.verdict import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Why a decision was taken, enough to replay it (I10).

    Attributes:
        clause: id of the clause that decided; ``None`` only when no clause applied.
        policy: the policy's name and version, ``"acceptable_use@1.0.0"``.
        digest: SHA-256 of the policy bundle, hexadecimal.
        verdict: everything the guards said.
        degraded: whether another guard stood in for one that gave no verdict.
        reason: for operators, why a decision is not what the scores alone would say (a guard
            missing, a condition that failed): a short fixed phrase, never anything judged.
        applied: ids of every clause that applied, highest rank first. With the verdict, this is
            what replaying needs of the conditions, whose text is not kept.
    """

    clause: str | None
    policy: str
    digest: str
    verdict: PanelVerdict
    degraded: bool = False
    reason: str | None = None
    applied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """Go ahead."""

    basis: Basis


NUMBER = "{number}"
"""In a replacement: a number that is the same wherever the same value stands in a session."""

TEXT = "{text}"
"""In a replacement: what the span held, so that it is marked instead of removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A span of the judged text and what stands there instead.

    Attributes:
        replacement: may hold ``{number}`` and ``{text}``, which
            :class:`~policies.placeholders.Placeholders` fills in.
        restore: whether the user may see in the reply what the span held.
    """

    span: Span
    replacement: str
    restore: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """Go ahead with every one of ``redactions``, which do not overlap and stand in order."""

    basis: Basis
    redactions: tuple[Redaction, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """The places that are replaced."""
        return tuple(redaction.span for redaction in self.redactions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """Let the model answer, under ``guidance`` added to its instructions."""

    basis: Basis
    guidance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Answer with ``text``: words of support and crisis resources, instead of the model."""

    basis: Basis
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Do not go ahead; tell the user ``text``."""

    basis: Basis
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """Do not go ahead, tell the user ``text``, and put the turn before a person."""

    basis: Basis
    text: str


class Approver(StrEnum):
    """Whose word a tool call waits for."""

    USER = "user"
    """The person whose turn it is."""
    OPERATOR = "operator"
    """Someone who answers for the assistant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Go ahead only when a person approves exactly these arguments (I4).

    Whoever cannot wait for a person refuses instead: see :func:`policies.rulings.blocking_of`.

    Attributes:
        text: the question for that person; it names the tool, the arguments stand beside it.
        approver: who may say yes.
        seconds: how long the answer may take; after that it is no.
    """

    basis: Basis
    text: str
    approver: Approver
    seconds: float


Decision = Allow | Ask | Rewrite | Steer | Support | Refuse | Escalate
Blocking = Support | Refuse | Escalate


def decision_name(decision: Decision) -> str:
    """``"allow"``, ``"ask"``, ... as logs, metrics and answers spell it."""
    return type(decision).__name__.lower()
