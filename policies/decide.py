"""From a verdict to a decision. Pure: the same arguments give the same decision (I10)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from guards.conversation import Exchange
from guards.panel import PanelVerdict
from guards.verdict import Finding, Span, Verdict
from policies.audience import Audience
from policies.call import CallFacts
from policies.clause import DEFAULT_DENY, GUARD_UNAVAILABLE, PRIORITIES, Clause, Rules, Table
from policies.conditions import ConditionFailedError, Facts, called_tool
from policies.decision import (
    NUMBER,
    TEXT,
    Allow,
    Ask,
    Basis,
    Decision,
    Escalate,
    Redaction,
    Refuse,
    Rewrite,
    Steer,
    Support,
)
from policies.relief import Relief, find_gap, find_relief
from policies.schema import Kind
from policies.texts import LABEL, REFUSED, UNAVAILABLE, in_locale

CONDITION_FAILED = "condition failed"
NOT_LOCATED = "a finding to rewrite has no span"
FOUND_ELSEWHERE = "a guard found the same outside of what would be cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A clause that applies, and what it replaces where it rewrites.

    ``reason`` says why it refuses against its own ``kind``.
    """

    clause: Clause
    kind: Kind
    priority: int
    probability: float
    located: tuple[tuple[Span, Finding], ...] = ()
    reason: str | None = None


def decide(
    rules: Rules,
    exchange: Exchange,
    verdict: PanelVerdict,
    audience: Audience,
    locale: str,
    call: CallFacts | None = None,
) -> Decision:
    """What may happen with ``exchange``. Never raises for anything a guard or a person said.

    ``call`` is what is known of a tool call; without it, only what stands in the exchange is.

    In this order: a subject without a clause is refused; clauses that apply are ranked (see
    :func:`_rank`) and the first decides, if it blocks; a missing guard for which no ``degraded``
    rule speaks refuses; else the first clause decides, and where none applies it is allowed.
    """
    table = rules.tables.get((exchange.subject, audience))
    if table is None:
        return _refuse(rules, verdict, DEFAULT_DENY, REFUSED, locale)
    gap = find_gap(table, exchange, verdict)
    relief = None if gap is None else find_relief(rules, table, exchange, verdict, audience)
    candidates = table.clauses if relief is not None else _candidates(table, verdict)
    matches: list[Match] = []
    if candidates:
        facts = Facts(exchange, verdict, audience, locale, rules.lists, call)
        matches = sorted(_matches(candidates, verdict, audience, relief, facts), key=_rank)
    refused = gap is not None and relief is None
    if refused and not (matches and matches[0].kind in _BLOCKING):
        return _refuse(rules, verdict, GUARD_UNAVAILABLE, UNAVAILABLE, locale, gap, matches)
    return _carry_out(rules, exchange, verdict, locale, matches, relief, gap if refused else None)


_BLOCKING = frozenset({Kind.ESCALATE, Kind.REFUSE, Kind.SUPPORT})


def _rank(match: Match) -> tuple[int, float, int]:
    """Highest priority first, then highest probability, then first in the file."""
    return (-match.priority, -match.probability, match.clause.order)


def _candidates(table: Table, verdict: PanelVerdict) -> tuple[Clause, ...]:
    """The clauses that may apply. Most verdicts stay below every threshold, which is found out
    here in a few comparisons: then only bare conditions are left to look at."""
    floors = table.floors
    reached = set()
    custom = False
    for finding in verdict.findings:
        floor = floors.get(finding.hazard)
        if floor is not None and finding.probability >= floor:
            reached.add(finding.hazard)
        custom = custom or finding.custom is not None
    if not reached and not (custom and table.custom):
        return table.conditional
    return tuple(
        clause
        for clause in table.clauses
        if not clause.scored or clause.custom or not reached.isdisjoint(clause.hazards)
    )


def _matches(
    clauses: tuple[Clause, ...],
    verdict: PanelVerdict,
    audience: Audience,
    relief: Relief | None,
    facts: Facts,
) -> list[Match]:
    found = []
    for clause in clauses:
        hits = _hits(clause, verdict, audience, relief) if clause.scored else []
        if clause.scored and not hits:
            continue
        probability = max((hit.probability for hit in hits), default=0.0)
        try:
            if clause.condition is not None and not clause.condition.holds(facts):
                continue
        except ConditionFailedError:
            found.append(_as_refusal(clause, probability, CONDITION_FAILED))
            continue
        if clause.kind is not Kind.REWRITE:
            found.append(_as_written(clause, probability, ()))
        elif clause.clean_rest and _elsewhere(clause, verdict, audience, relief, hits):
            found.append(_as_refusal(clause, probability, FOUND_ELSEWHERE))
        elif hits and all(hit.span is not None for hit in hits):
            located = tuple((hit.span, hit) for hit in hits if hit.span is not None)
            found.append(_as_written(clause, probability, located))
        else:
            found.append(_as_refusal(clause, probability, NOT_LOCATED))
    return found


def _as_written(
    clause: Clause, probability: float, located: tuple[tuple[Span, Finding], ...]
) -> Match:
    return Match(
        clause=clause,
        kind=clause.kind,
        priority=clause.priority,
        probability=probability,
        located=located,
    )


def _as_refusal(clause: Clause, probability: float, reason: str) -> Match:
    usual = PRIORITIES[Kind.REFUSE]
    return Match(
        clause=clause,
        kind=Kind.REFUSE,
        # What it would have overruled by cutting, it no longer does: that clause has better words.
        priority=usual if reason == FOUND_ELSEWHERE else max(clause.priority, usual),
        probability=probability,
        reason=reason,
    )


def _hits(
    clause: Clause, verdict: PanelVerdict, audience: Audience, relief: Relief | None
) -> list[Finding]:
    """The findings that bring ``clause`` into force."""
    return [
        finding
        for judgement, finding in _reaching(clause, verdict, audience, relief)
        if _counts(clause, judgement.guard, relief)
        and (not clause.labels or finding.label in clause.labels)
    ]


def _elsewhere(
    clause: Clause,
    verdict: PanelVerdict,
    audience: Audience,
    relief: Relief | None,
    hits: Sequence[Finding],
) -> bool:
    """Whether a guard found what ``clause`` is about outside of the spans that it replaces.

    A guard that marks no place, or more than is replaced, means what is replaced when it was
    asked again about the text without it, by the guard that located it.
    """
    reaching = list(_reaching(clause, verdict, audience, relief))
    spans = [hit.span for hit in hits if hit.span is not None]
    asked_again = {
        name
        for judgement, finding in reaching
        if any(finding is hit for hit in hits)
        for name in judgement.rechecked_by
    }
    return not all(
        _covered(finding.span, spans, asked_again=judgement.guard in asked_again)
        for judgement, finding in reaching
    )


def _covered(span: Span | None, spans: Sequence[Span], *, asked_again: bool) -> bool:
    if span is None:
        return asked_again
    if asked_again:
        return any(span.start < cut.end and cut.start < span.end for cut in spans)
    return any(cut.start <= span.start and span.end <= cut.end for cut in spans)


def _reaching(
    clause: Clause, verdict: PanelVerdict, audience: Audience, relief: Relief | None
) -> Iterator[tuple[Verdict, Finding]]:
    """What any guard found of ``clause``'s hazards and categories, at or above its threshold."""
    for judgement in verdict.judgements:
        if not isinstance(judgement, Verdict):
            continue
        cutoff = clause.guard_cutoffs.get(judgement.guard, clause.cutoffs)[audience]
        for finding in judgement.findings:
            if finding.hazard in clause.hazards or finding.custom in clause.custom:
                ceiling = cutoff
                if relief is not None and cutoff <= 1.0:
                    ceiling = min(cutoff, relief.ceilings.get(finding.hazard, cutoff))
                if finding.probability >= ceiling:
                    yield judgement, finding


def _counts(clause: Clause, guard: str, relief: Relief | None) -> bool:
    """Whether ``guard``'s scores count for ``clause``: all do where it names no guards."""
    if not clause.guards or guard in clause.guards or relief is None:
        return not clause.guards or guard in clause.guards
    return any(guard in relief.fallbacks.get(name, ()) for name in clause.guards)


def _carry_out(
    rules: Rules,
    exchange: Exchange,
    verdict: PanelVerdict,
    locale: str,
    matches: list[Match],
    relief: Relief | None,
    gap: str | None,
) -> Decision:
    """The decision the first of the ranked ``matches`` asks for; ``Allow`` without any."""
    if not matches and relief is None:
        basis = Basis(clause=None, policy=rules.label, digest=rules.digest, verdict=verdict)
        return Allow(basis=basis)
    first = matches[0] if matches else None
    reasons = [first and first.reason, relief and relief.reason, gap]
    basis = Basis(
        clause=first.clause.id if first else None,
        policy=rules.label,
        digest=rules.digest,
        verdict=verdict,
        degraded=relief is not None,
        reason="; ".join(reason for reason in reasons if reason) or None,
        applied=tuple(match.clause.id for match in matches),
    )
    if first is None:
        return Allow(basis=basis)
    clause = first.clause
    key = clause.payload if first.reason is None else REFUSED
    title = in_locale(clause.title, locale, rules.texts.default)
    text = rules.texts.get(key, locale, title=title, tool=called_tool(exchange))
    match first.kind:
        case Kind.ESCALATE:
            return Escalate(basis=basis, text=text)
        case Kind.REFUSE:
            return Refuse(basis=basis, text=text)
        case Kind.SUPPORT:
            return Support(basis=basis, text=text)
        case Kind.REWRITE:
            return Rewrite(basis=basis, redactions=_redactions(rules, locale, matches))
        case Kind.STEER:
            keys = dict.fromkeys(m.clause.payload for m in matches if m.kind is Kind.STEER)
            guidance = "\n\n".join(rules.texts.get(key, locale) for key in keys)
            return Steer(basis=basis, guidance=guidance)
        case Kind.ASK:
            return Ask(basis=basis, text=text, approver=clause.approver, seconds=clause.seconds)
        case unreachable:
            assert_never(unreachable)


def _redactions(rules: Rules, locale: str, matches: list[Match]) -> tuple[Redaction, ...]:
    """What every rewriting clause replaces, in order. Spans that overlap are made one, and so are
    ones that touch and would be replaced by the same words."""
    pieces = [
        Redaction(
            span=span,
            replacement=_replacement(rules, locale, match.clause, finding),
            restore=match.clause.restore,
        )
        for match in matches
        if match.kind is Kind.REWRITE
        for span, finding in match.located
    ]
    joined: list[Redaction] = []
    for piece in sorted(pieces, key=lambda r: (r.span.start, -r.span.end)):
        last = joined[-1] if joined else None
        if last is None or not _meet(last, piece):
            joined.append(piece)
        else:
            joined[-1] = _as_one(last, piece)
    return tuple(joined)


def _as_one(left: Redaction, right: Redaction) -> Redaction:
    """Both, in the words of the first; but what one of them takes out, no other may show."""
    words = right if TEXT in left.replacement and TEXT not in right.replacement else left
    whole = Span(start=left.span.start, end=max(left.span.end, right.span.end))
    within = right.span.end <= left.span.end and words is left
    return replace(words, span=whole, restore=left.restore and (within or right.restore))


def _meet(left: Redaction, right: Redaction) -> bool:
    if right.span.start < left.span.end:
        return True
    own = any(name in left.replacement for name in (NUMBER, TEXT))
    alike = left.replacement == right.replacement and not own
    return alike and right.span.start == left.span.end


def _replacement(rules: Rules, locale: str, clause: Clause, finding: Finding) -> str:
    title = in_locale(clause.title, locale, rules.texts.default)
    text = rules.texts.get(clause.payload, locale, title=title)
    return text.replace(LABEL, finding.label or finding.hazard.value.upper())


def _refuse(
    rules: Rules,
    verdict: PanelVerdict,
    clause: str,
    key: str,
    locale: str,
    reason: str | None = None,
    matches: Sequence[Match] = (),
) -> Refuse:
    basis = Basis(
        clause=clause,
        policy=rules.label,
        digest=rules.digest,
        verdict=verdict,
        reason=reason,
        applied=tuple(match.clause.id for match in matches),
    )
    return Refuse(basis=basis, text=rules.texts.get(key, locale))
