"""Guards that gave no verdict: what is missing, and what may stand in for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from guards.conversation import Exchange
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Unscanned, Verdict
from policies.audience import Audience
from policies.clause import Rules, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What the ``degraded`` rules allow while guards are missing.

    Attributes:
        ceilings: for each hazard the threshold that may not be exceeded meanwhile.
        fallbacks: for each guard that is missing those that stand in for it.
        reason: who stands in for whom, and why.
    """

    ceilings: Mapping[Hazard, float]
    fallbacks: Mapping[str, frozenset[str]]
    reason: str


def find_gap(table: Table, exchange: Exchange, verdict: PanelVerdict) -> str | None:
    """Why the verdict is not enough to allow anything; ``None`` when it is."""
    if verdict.subject is not exchange.subject:
        return "the verdict is about another subject"
    if not verdict.judgements:
        return "no guard judged"
    if verdict.unscanned:
        return "; ".join(f"{u.guard}: {u.reason.value}" for u in verdict.unscanned)
    return _unseated(table, verdict)


def _unseated(table: Table, verdict: PanelVerdict) -> str | None:
    """A clause names the guards it trusts, and none of them was asked."""
    if table.named_guards:
        seated = {judgement.guard for judgement in verdict.judgements}
        for names in table.named_guards:
            if names.isdisjoint(seated):
                return f"not seated: {', '.join(sorted(names))}"
    return None


def find_relief(
    rules: Rules, table: Table, exchange: Exchange, verdict: PanelVerdict, audience: Audience
) -> Relief | None:
    """The stand-ins for every missing guard, or ``None`` if one of them has none.

    Every hazard the subject's clauses speak of must be covered. Nothing can stand in for a guard
    with categories of the operator's own.
    """
    if verdict.subject is not exchange.subject or not verdict.unscanned:
        return None
    if table.custom or _unseated(table, verdict) is not None:
        return None
    judged = {j.guard for j in verdict.judgements if isinstance(j, Verdict)}
    ceilings: dict[Hazard, float] = {}
    fallbacks: dict[str, frozenset[str]] = {}
    reasons = []
    for missing in verdict.unscanned:
        able = [
            rule
            for rule in rules.stand_ins
            if rule.guard == missing.guard
            and rule.fallback in judged
            and missing.reason in rule.failures
            and exchange.subject in rule.subjects
        ]
        if not able or not table.hazards <= {h for rule in able for h in rule.hazards}:
            return None
        for rule in able:
            for hazard in rule.hazards:
                ceilings[hazard] = min(rule.cutoffs[audience], ceilings.get(hazard, 1.0))
        names = frozenset(rule.fallback for rule in able)
        fallbacks[missing.guard] = names
        reasons.append(_stands_in(missing, names))
    return Relief(ceilings=ceilings, fallbacks=fallbacks, reason="; ".join(reasons))


def _stands_in(missing: Unscanned, names: frozenset[str]) -> str:
    return f"{', '.join(sorted(names))} for {missing.guard}: {missing.reason.value}"
