"""Clauses made ready to decide with."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.verdict import Failure
from policies.audience import Audience
from policies.conditions import Condition
from policies.decision import Approver
from policies.phrases import PhraseList
from policies.schema import ClauseModel, DegradedModel, Kind, Thresholds
from policies.texts import APPROVAL, ESCALATED, REFUSED, Texts

GUARD_UNAVAILABLE = "guard-unavailable"
"""Reserved clause id: a guard that was needed gave no verdict."""
DEFAULT_DENY = "default-deny"
"""Reserved clause id: the policy says nothing about this subject."""
RESERVED_IDS = frozenset({GUARD_UNAVAILABLE, DEFAULT_DENY})

PRIORITIES: dict[Kind, int] = {
    Kind.ESCALATE: 600,
    Kind.REFUSE: 500,
    Kind.SUPPORT: 400,
    Kind.REWRITE: 300,
    Kind.STEER: 200,
    Kind.ASK: 100,
}
"""Which decision wins when several clauses apply and none sets a priority of its own."""

DEFAULT_PAYLOAD: dict[Kind, str] = {
    Kind.ESCALATE: ESCALATED,
    Kind.REFUSE: REFUSED,
    Kind.ASK: APPROVAL,
}
"""Text keys for the decisions that need not name one."""

PAYLOAD_FIELD: dict[Kind, str] = {
    Kind.ESCALATE: "text",
    Kind.REFUSE: "text",
    Kind.SUPPORT: "text",
    Kind.REWRITE: "replacement",
    Kind.STEER: "guidance",
    Kind.ASK: "text",
}
"""The clause's field that names what the decision carries."""

Cutoffs = Mapping[Audience, float]


def cutoffs(thresholds: Thresholds | None) -> Cutoffs:
    """Thresholds for every audience; ``inf``, which no probability reaches, for ``never``."""
    if thresholds is None:
        return MappingProxyType(dict.fromkeys(Audience, inf))
    chosen = {
        Audience.GENERAL: thresholds.general,
        Audience.MINOR: thresholds.minor,
        Audience.ADULT: thresholds.adult,
    }
    return MappingProxyType(
        {
            audience: inf if value == "never" else float(value)
            for audience, given in chosen.items()
            for value in (thresholds.general if given is None else given,)
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One rule, compiled. Fields as in :class:`policies.schema.ClauseModel`, defaults filled in.

    ``order`` is the place in the file; ``payload`` the text key of what the decision carries.
    """

    id: str
    title: Mapping[str, str]
    rule: Mapping[str, str]
    order: int
    kind: Kind
    priority: int
    payload: str
    subjects: frozenset[Subject]
    hazards: frozenset[Hazard]
    custom: frozenset[str]
    labels: frozenset[str]
    cutoffs: Cutoffs
    guards: frozenset[str]
    guard_cutoffs: Mapping[str, Cutoffs]
    condition: Condition | None
    restore: bool
    approver: Approver
    seconds: int
    clean_rest: bool
    tests: tuple[str, ...]

    @property
    def scored(self) -> bool:
        """Whether guards' scores decide if it applies; otherwise its condition alone does."""
        return bool(self.hazards or self.custom)


def compile_clause(model: ClauseModel, order: int, condition: Condition | None) -> Clause:
    """Compile one checked clause."""
    subjects = set(model.subjects)
    if Subject.REPLY in subjects:
        subjects.add(Subject.REPLY_SO_FAR)
    kind = model.decision
    payload: str = getattr(model, PAYLOAD_FIELD[kind]) or DEFAULT_PAYLOAD[kind]
    return Clause(
        id=model.id,
        title=MappingProxyType(model.title),
        rule=MappingProxyType(model.rule),
        order=order,
        kind=kind,
        priority=PRIORITIES[kind] if model.priority is None else model.priority,
        payload=payload,
        subjects=frozenset(subjects),
        hazards=frozenset(model.hazards),
        custom=frozenset(model.custom),
        labels=frozenset(model.labels),
        cutoffs=cutoffs(model.thresholds),
        guards=frozenset(model.guards),
        guard_cutoffs=MappingProxyType(
            {name: cutoffs(given) for name, given in model.guard_thresholds.items()}
        ),
        condition=condition,
        restore=model.restore,
        approver=model.approver,
        seconds=model.seconds,
        clean_rest=model.clean_rest,
        tests=tuple(model.tests),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A compiled ``degraded`` rule."""

    guard: str
    fallback: str
    subjects: frozenset[Subject]
    failures: frozenset[Failure]
    hazards: frozenset[Hazard]
    cutoffs: Cutoffs


def compile_stand_in(model: DegradedModel) -> StandIn:
    """Compile one checked ``degraded`` rule."""
    subjects = set(model.subjects)
    if Subject.REPLY in subjects:
        subjects.add(Subject.REPLY_SO_FAR)
    return StandIn(
        guard=model.guard,
        fallback=model.fallback,
        subjects=frozenset(subjects),
        failures=frozenset(model.failures),
        hazards=frozenset(model.hazards),
        cutoffs=cutoffs(model.thresholds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a subject and an audience have to pass.

    Attributes:
        clauses: those about the subject, in file order.
        floors: for each hazard the lowest threshold of any of them: below it nothing applies.
        conditional: those of them that apply by their condition alone.
        custom: whether any of them names a category of the operator's own.
        named_guards: for each clause that names guards, those guards: one must have judged.
        hazards: every hazard the clauses speak of.
    """

    clauses: tuple[Clause, ...]
    floors: Mapping[Hazard, float]
    conditional: tuple[Clause, ...]
    custom: bool
    named_guards: frozenset[frozenset[str]]
    hazards: frozenset[Hazard]


def tabulate(clauses: tuple[Clause, ...], subject: Subject, audience: Audience) -> Table | None:
    """The table for one subject and audience; ``None`` when no clause speaks of the subject."""
    about = tuple(clause for clause in clauses if subject in clause.subjects)
    if not about:
        return None
    floors: dict[Hazard, float] = {}
    for clause in about:
        ways = (clause.cutoffs, *clause.guard_cutoffs.values())
        lowest = min(way[audience] for way in ways)
        for hazard in clause.hazards:
            floors[hazard] = min(lowest, floors.get(hazard, inf))
    return Table(
        clauses=about,
        floors=MappingProxyType(floors),
        conditional=tuple(clause for clause in about if not clause.scored),
        custom=any(clause.custom for clause in about),
        named_guards=frozenset(clause.guards for clause in about if clause.guards),
        hazards=frozenset(hazard for clause in about for hazard in clause.hazards),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything :func:`policies.decide.decide` needs, worked out at load."""

    label: str
    digest: str
    tables: Mapping[tuple[Subject, Audience], Table]
    stand_ins: tuple[StandIn, ...]
    lists: Mapping[str, PhraseList]
    texts: Texts
