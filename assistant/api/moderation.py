"""A text judged by the panel and decided by the policy, in OpenAI's words and our own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.api.chat_turn import ANONYMOUS
from assistant.api.failures import invalid
from assistant.audit.record import DECISION
from assistant.bootstrap import Assistant
from assistant.errors import LogUnavailableError
from assistant.events import Judged
from assistant.locale import locale_of
from assistant.turn import SessionKey, Turn
from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from policies.audience import Audience
from policies.decision import Decision, Escalate, Refuse, Support, decision_name

SIDE_BY_SIDE = 8
"""Texts of one request that are judged at once."""

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
class Asked:
    """Texts to moderate, and for whom. ``id`` is the request's own."""

    id: str
    tenant: str
    texts: tuple[str, ...]
    audience: Audience
    locale: str | None
    default_locale: str

    def turn(self, index: int) -> Turn:
        """The turn that one text would be, were it to be answered."""
        id = f"{self.id}#{index}"  # noqa: A001 - the field's own name
        return Turn(
            id=id,
            key=SessionKey(tenant=self.tenant, user=ANONYMOUS, session=""),
            message=text_message(self.texts[index], id=id),
            audience=self.audience,
            locale=self.locale or locale_of(self.texts[index], self.default_locale),
        )


class Moderator:
    """Judges texts as if a user had said them; each decision is in the decision log."""

    def __init__(self, assistant: Assistant, observe: Callable[[Judged], None]) -> None:
        self._panel = assistant.panel
        self._policy = assistant.policy
        self._log = assistant.log
        self._entries = assistant.entries
        self._observe = observe

    async def moderate(self, asked: Asked) -> list[dict[str, Any]]:
        """One result of OpenAI's shape per text, in their order.

        Raises:
            LogUnavailableError: a decision could not be recorded, so none is told.
        """
        places = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(index: int) -> dict[str, Any]:
            async with places:
                return await self._judge(asked.turn(index))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(index)) for index in range(len(asked.texts))]
        except* LogUnavailableError as errors:
            raise LogUnavailableError from errors
        await self._log.durable()
        return [task.result() for task in tasks]

    async def _judge(self, turn: Turn) -> dict[str, Any]:
        exchange = Exchange(subject=Subject.USER_INPUT, message=turn.message)
        verdict = await self._panel.judge(exchange)
        decision = self._policy.decide(exchange, verdict, turn.audience, turn.locale)
        at = verdict.elapsed
        log_id = self._log.append(DECISION, self._entries.decision(turn, exchange, decision, at))
        self._observe(Judged(subject=exchange.subject, decision=decision, at=at))
        return result(decision, self._named_hazards(decision), log_id)

    def _named_hazards(self, decision: Decision) -> frozenset[Hazard]:
        """The hazards that the deciding clause speaks of; reserved clauses speak of none."""
        clause = decision.basis.clause
        for candidate in self._policy.clauses:
            if candidate.id == clause:
                return frozenset(candidate.hazards)
        return frozenset()


def result(decision: Decision, named: frozenset[Hazard], log_id: str) -> dict[str, Any]:
    """A moderation result.

    ``flagged`` is true for every decision that blocks, so also when a guard could not judge:
    what nobody has judged is never reported as fine (I2).
    """
    basis = decision.basis
    verdict = basis.verdict
    blocked = isinstance(decision, Support | Refuse | Escalate)
    return {
        "flagged": blocked,
        "categories": {
            category: blocked and any(_met(verdict, hazard, hazard in named) for hazard in hazards)
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
            "log_id": log_id,
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


def _met(verdict: PanelVerdict, hazard: Hazard, named: bool) -> bool:
    probability = verdict.probability(hazard)
    return probability >= SURE or (named and probability > 0)


def check_lengths(texts: Sequence[str], limit: int) -> None:
    """Refuse a text of more than ``limit`` characters.

    Raises:
        ApiError: 400 naming it.
    """
    for index, text in enumerate(texts):
        if len(text) > limit:
            param = "input" if len(texts) == 1 else f"input[{index}]"
            raise invalid(param, f"must have at most {limit} characters")
