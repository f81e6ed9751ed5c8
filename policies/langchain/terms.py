"""By which guards and which policy LangChain's messages are decided, and what comes of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from guards.conversation import Exchange, Message, Role
from guards.exchanges import exchanges_of
from guards.langchain.messages import UnjudgeableError, message_of
from guards.panel import Panel
from policies.admitted import Admitted, Denied, combine
from policies.audience import Audience
from policies.bundle import Policy
from policies.decision import Blocking, Decision, decision_name
from policies.placeholders import Placeholders
from policies.texts import REFUSED

AT_ONCE = 8
"""Judgements of one conversation side by side."""

Record = Callable[[Exchange, Decision], None]
"""Hears of each decision before it takes effect; what it raises keeps the decision from it."""


class BlockedError(Exception):
    """The policy does not let this go ahead. ``decision`` carries its text, clause and verdicts."""

    def __init__(self, decision: Blocking) -> None:
        basis = decision.basis
        super().__init__(f"{decision_name(decision)} by clause {basis.clause} of {basis.policy}")
        self.decision = decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who judges, what decides, for whom, and who hears of it."""

    panel: Panel
    policy: Policy
    audience: Audience = Audience.GENERAL
    locale: str = "en"
    record: Record | None = None

    async def decide(self, exchange: Exchange) -> Decision:
        """What may happen with ``exchange``."""
        verdict = await self.panel.judge(exchange)
        decision = self.policy.decide(exchange, verdict, self.audience, self.locale)
        if self.record is not None:
            self.record(exchange, decision)
        return decision

    async def decide_all(self, exchanges: Sequence[Exchange]) -> list[Decision]:
        """What may happen with each of ``exchanges``, judged side by side."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(exchange: Exchange) -> Decision:
            async with places:
                return await self.decide(exchange)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(exchange)) for exchange in exchanges]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def admit(
        self, messages: tuple[Message, ...], placeholders: Placeholders
    ) -> Admitted | Denied:
        """Whether a conversation may go on: each message of it is judged after those before."""
        exchanges = [
            (index, exchange)
            for index, message in enumerate(messages)
            for exchange in exchanges_of(message, messages[:index])
        ]
        decisions = await self.decide_all([exchange for _, exchange in exchanges])
        decided = [(i, decision) for (i, _), decision in zip(exchanges, decisions, strict=True)]
        refused = self.policy.text(REFUSED, self.locale)
        return combine(messages, decided, placeholders, refused)


def spoken(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """What is judged of ``messages``: all but the operator's own.

    Raises:
        UnjudgeableError: nothing is, or something cannot be.
    """
    said = (message_of(message, index) for index, message in enumerate(messages))
    found = tuple(message for message in said if message.role is not Role.SYSTEM)
    if not found:
        raise UnjudgeableError("the input holds nothing but system messages")
    return found


def as_read(messages: Sequence[BaseMessage], admitted: Admitted) -> list[BaseMessage]:
    """``messages`` as a model may read them: redacted, with guidance among the instructions."""
    kept = iter((*admitted.history, admitted.message))
    read: list[BaseMessage] = []
    for index, message in enumerate(messages):
        before = message_of(message, index)
        if before.role is not Role.SYSTEM:
            after = next(kept)
            if after.text != before.text:
                message = message.model_copy(update={"content": _content(message, after.text)})  # noqa: PLW2901 - the same message, redacted
        read.append(message)
    if admitted.guidance:
        read.insert(_instructions(read), SystemMessage("\n\n".join(admitted.guidance)))
    return read


def _instructions(messages: Sequence[BaseMessage]) -> int:
    """How many messages at the start are instructions."""
    return next(
        (i for i, message in enumerate(messages) if not isinstance(message, SystemMessage)),
        len(messages),
    )


_NOT_TEXT = frozenset({"image", "image_url", "input_image", "tool_use", "tool_call"})


def _content(message: BaseMessage, text: str) -> str | list[Any]:
    if isinstance(message.content, str):
        return text
    others = [
        block
        for block in message.content
        if isinstance(block, dict) and block.get("type") in _NOT_TEXT
    ]
    return [{"type": "text", "text": text}, *others]


def refusal(decision: Blocking) -> AIMessage:
    """The policy's words instead of a model's."""
    return AIMessage(
        content=decision.text,
        response_metadata={"finish_reason": "content_filter", "corral": account(decision)},
    )


def account(decision: Decision) -> dict[str, Any]:
    """What ``response_metadata["corral"]`` says of ``decision``."""
    basis = decision.basis
    return {
        "decision": decision_name(decision),
        "clause": basis.clause,
        "policy": basis.policy,
        "digest": basis.digest,
    }
