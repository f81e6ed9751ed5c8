"""Moderation: texts and messages judged by a panel and decided by a policy, without a model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from guards.conversation import Exchange
from guards.hazards import Hazard
from guards.panel import Panel, PanelVerdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.decision import Ask, Decision, Escalate, Refuse, Support, decision_name

SIDE_BY_SIDE = 8
"""Cases of one request that are judged at once."""

SURE = 0.5
"""Probability from which a category counts as met whatever clause decided."""

CATEGORIES: dict[str, frozenset[Hazard]] = {
    "harassment": frozenset({Hazard.DEFAMATION}),
    "harassment/threatening": frozenset(),
    "hate": frozenset({Hazard.HATE}),
    "hate/threatening": frozenset(),
    "illicit": frozenset(
        {
            Hazard.NON_VIOLENT_CRIMES,
            Hazard.SEX_CRIMES,
            Hazard.INTELLECTUAL_PROPERTY,
            Hazard.INDISCRIMINATE_WEAPONS,
            Hazard.CODE_INTERPRETER_ABUSE,
        }
    ),
    "illicit/violent": frozenset({Hazard.VIOLENT_CRIMES, Hazard.INDISCRIMINATE_WEAPONS}),
    "self-harm": frozenset({Hazard.SELF_HARM}),
    "self-harm/instructions": frozenset(),
    "self-harm/intent": frozenset(),
    "sexual": frozenset({Hazard.SEXUAL_CONTENT, Hazard.CHILD_EXPLOITATION}),
    "sexual/minors": frozenset({Hazard.CHILD_EXPLOITATION}),
    "violence": frozenset({Hazard.VIOLENT_CRIMES, Hazard.SEX_CRIMES}),
    "violence/graphic": frozenset(),
}
"""OpenAI's categories and the hazards they stand for. Those without one are always false, and
hazards that OpenAI has no word for appear under ``corral`` only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One exchange to decide about.

    Attributes:
        id: names it in the record.
        tenant: whose it is, for the record.
        locale: language tag of the policy's words.
    """

    id: str
    tenant: str
    exchange: Exchange
    audience: Audience
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A case and what was decided; ``log_id`` names the record's entry where one is kept."""

    case: Case
    decision: Decision
    log_id: str | None


class Recorder(Protocol):
    """Where decisions are written down."""

    def record(self, case: Case, decision: Decision) -> str | None:
        """Record one decision and return its entry's id; what raises here is never told."""

    async def durable(self) -> None:
        """Return once all that was recorded before is safe."""


class Unrecorded:
    """Keeps no record."""

    def record(self, case: Case, decision: Decision) -> None:
        """See :class:`Recorder`."""

    async def durable(self) -> None:
        """See :class:`Recorder`."""


class Moderator:
    """Decides about cases; each decision is recorded before it is told."""

    def __init__(self, *, panel: Panel, policy: Policy, recorder: Recorder) -> None:
        self._panel = panel
        self._policy = policy
        self._recorder = recorder

    async def decide(self, cases: Sequence[Case]) -> list[Decided]:
        """What may happen with each of ``cases``, in their order.

        Raises:
            Exception: what the recorder raised; then nothing is told.
        """
        places = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(case: Case) -> Decided:
            async with places:
                return await self._one(case)

        if len(cases) == 1:
            decided = [await self._one(cases[0])]
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(case)) for case in cases]
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            decided = [task.result() for task in tasks]
        await self._recorder.durable()
        return decided

    async def _one(self, case: Case) -> Decided:
        verdict = await self._panel.judge(case.exchange)
        decision = self._policy.decide(case.exchange, verdict, case.audience, case.locale)
        log_id = self._recorder.record(case, decision)
        return Decided(case=case, decision=decision, log_id=log_id)

    def result(self, decided: Decided) -> dict[str, Any]:
        """A moderation result in OpenAI's shape.

        ``flagged`` is true for every decision that blocks, so also when a guard could not judge:
        what nobody has judged is never reported as fine (I2).
        """
        decision = decided.decision
        basis = decision.basis
        verdict = basis.verdict
        blocked = blocks(decision)
        named = self._named_hazards(decision)
        return {
            "flagged": blocked,
            "categories": {
                category: blocked
                and any(_met(verdict, hazard, hazard in named) for hazard in hazards)
                for category, hazards in CATEGORIES.items()
            },
            "category_scores": {
                category: max((verdict.probability(hazard) for hazard in hazards), default=0.0)
                for category, hazards in CATEGORIES.items()
            },
            "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
            "corral": {
                "decision": decision_name(decision),
                "clause": basis.clause,
                "log_id": decided.log_id,
                "policy": basis.policy,
                "hazards": {
                    hazard.value: probability
                    for hazard in Hazard
                    if (probability := verdict.probability(hazard)) > 0
                },
                "unscanned": [
                    {"guard": failure.guard, "reason": failure.reason.value}
                    for failure in verdict.unscanned
                ],
            },
        }

    def _named_hazards(self, decision: Decision) -> frozenset[Hazard]:
        """The hazards that the deciding clause speaks of; reserved clauses speak of none."""
        clause = decision.basis.clause
        for candidate in self._policy.clauses:
            if candidate.id == clause:
                return frozenset(candidate.hazards)
        return frozenset()


def blocks(decision: Decision) -> bool:
    """Whether nothing goes ahead under ``decision`` as it stands."""
    return isinstance(decision, Ask | Support | Refuse | Escalate)


def _met(verdict: PanelVerdict, hazard: Hazard, named: bool) -> bool:
    probability = verdict.probability(hazard)
    return probability >= SURE or (named and probability > 0)
