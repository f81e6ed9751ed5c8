"""What a decision means for a reply that is on its way."""

from typing import assert_never

from guards.stream import Halt, Redact, Release, Ruling
from policies.bundle import Policy
from policies.decision import (
    Allow,
    Ask,
    Blocking,
    Decision,
    Escalate,
    Refuse,
    Rewrite,
    Steer,
    Support,
)
from policies.placeholders import Placeholders
from policies.texts import REFUSED


def ruling(
    policy: Policy,
    decision: Decision,
    text: str,
    locale: str,
    hold: int | None,
    placeholders: Placeholders,
) -> Ruling[Blocking]:
    """What may be shown of ``text``, the reply so far; ``hold`` as in the panel's verdict."""
    if isinstance(decision, Rewrite):
        return Redact(
            cuts=placeholders.cuts(text, decision),
            otherwise=_refusal(policy, decision, locale),
            upto=hold,
        )
    blocking = blocking_of(policy, decision, locale)
    return Release(upto=hold) if blocking is None else Halt(value=blocking)


def blocking_of(policy: Policy, decision: Decision, locale: str) -> Blocking | None:
    """What stops a reply or a call that nobody will be asked about: both are finished, so they
    cannot be steered or cut."""
    match decision:
        case Allow():
            return None
        case Refuse() | Escalate() | Support():
            return decision
        case Ask() | Steer() | Rewrite():
            return _refusal(policy, decision, locale)
        case _:
            assert_never(decision)


def _refusal(policy: Policy, decision: Ask | Steer | Rewrite, locale: str) -> Refuse:
    return Refuse(basis=decision.basis, text=policy.text(REFUSED, locale))
