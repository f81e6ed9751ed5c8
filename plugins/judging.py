"""Judges what a tool gave back before anybody reads it (I5)."""

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, assert_never

from guards.conversation import (
    Exchange,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
)
from guards.panel import Panel
from plugins.caller import Caller
from plugins.journal import Journal
from plugins.result import Picture, Result
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
from policies.rulings import blocking_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What of a result may be used. ``guidance`` is the policy's, for the model."""

    message: Message
    result: Result
    guidance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultJudge:
    """Judges results under one policy."""

    panel: Panel
    policy: Policy

    async def judge(
        self,
        message: Message,
        result: Result,
        context: tuple[Message, ...],
        caller: Caller,
        journal: Journal,
        placeholders: Placeholders,
    ) -> Fit | Blocking:
        """What may be used of ``result``, whose content is ``message``.

        The content, which the model reads, the words that go past it to the user (citations,
        artifact), which are judged like a reply, also where they stand in the content, and each
        image are judged side by side. Words that are not allowed as they are are left out; of
        citations, what they are called and where they are may stay. So is every image that is
        not, and where none is left of them, the whole result is withheld.
        """
        beside = _joined(_shown(result))
        # What is shown rests on the content, as a reply does.
        read = (*context, message)
        exchanges = [Exchange(subject=Subject.TOOL_RESULT, message=message, context=context)]
        if beside:
            exchanges.append(shown_exchange(message, beside, read))
        exchanges += [
            Exchange(
                subject=Subject.IMAGE, message=_with(message, _image(picture)), context=context
            )
            for picture in result.images
        ]
        if len(exchanges) == 1:
            decisions = [await self._decided(exchanges[0], caller)]
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._decided(e, caller)) for e in exchanges]
            decisions = [task.result() for task in tasks]
        for exchange, decision in zip(exchanges, decisions, strict=True):
            journal.decided(exchange, decision)
        content, *others = decisions
        if beside and not isinstance(others.pop(0), Allow):
            result = await self._bare(message, result, read, caller, journal)
        shown = zip(result.images, others, strict=True)
        images = tuple(picture for picture, ruled in shown if isinstance(ruled, Allow))
        if others and not images:
            # What the content says of the images would not be true.
            return self._stop(others[0], caller)
        return _fit(message, replace(result, images=images), content, placeholders)

    async def _bare(
        self,
        message: Message,
        result: Result,
        context: tuple[Message, ...],
        caller: Caller,
        journal: Journal,
    ) -> Result:
        """The result without the words beside it, but with its sources if their names may be
        shown."""
        named = tuple(replace(citation, text="") for citation in result.citations)
        bare = replace(
            result,
            artifact=None,
            citations=named,
            images=tuple(replace(picture, alt="") for picture in result.images),
        )
        names = _joined(_shown(bare))
        if not names:
            return bare
        exchange = shown_exchange(message, names, context)
        decision = await self._decided(exchange, caller)
        journal.decided(exchange, decision)
        return bare if isinstance(decision, Allow) else replace(bare, citations=())

    def _stop(self, decision: Decision, caller: Caller) -> Blocking:
        stop = blocking_of(self.policy, decision, caller.locale)
        if stop is None:
            raise AssertionError("only what is not allowed is left out")
        return stop

    async def _decided(self, exchange: Exchange, caller: Caller) -> Decision:
        verdict = await self.panel.judge(exchange)
        return self.policy.decide(exchange, verdict, caller.audience, caller.locale)


def _fit(
    message: Message, result: Result, decision: Decision, placeholders: Placeholders
) -> Fit | Blocking:
    match decision:
        case Allow():
            return Fit(message=message, result=result)
        case Steer(guidance=guidance):
            return Fit(message=message, result=result, guidance=(guidance,))
        case Rewrite():
            text = placeholders.rewritten(message.text, decision)
            # What was cut from the content may stand in a quotation of it as well.
            kept = tuple(
                citation if citation.text in text else replace(citation, text="")
                for citation in result.citations
            )
            return Fit(
                message=_with(message, TextPart(text=text)),
                result=replace(result, content=text, citations=kept, artifact=None),
            )
        case Refuse() | Support() | Escalate():
            return decision
        case Ask():
            return Refuse(basis=decision.basis, text=decision.text)
        case _:
            assert_never(decision)


def shown_exchange(message: Message, text: str, context: tuple[Message, ...]) -> Exchange:
    """A tool's words that go past the model to the user, to be judged as what they are read as."""
    shown = replace(message, role=Role.ASSISTANT, parts=(TextPart(text=text),), tool_call_id=None)
    return Exchange(subject=Subject.REPLY, message=shown, context=context)


def _with(message: Message, part: TextPart | ImagePart) -> Message:
    return replace(message, parts=(part,))


def _image(picture: Picture) -> ImagePart:
    data = base64.b64encode(picture.data).decode()
    return ImagePart(url=f"data:{picture.media_type};base64,{data}")


def _shown(result: Result) -> Iterator[str]:
    """The words of a result that go past the model to the user."""
    for citation in result.citations:
        yield from (citation.title, citation.url, citation.text)
    for picture in result.images:
        yield picture.alt
    yield from _leaves(result.artifact)


def _joined(texts: Iterator[str]) -> str:
    """Each text once, on a line of its own."""
    return "\n".join(text for text in dict.fromkeys(texts) if text)


def _leaves(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names of fields included; without recursion, which is the
    caller's to bound and a tool's to abuse."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case dict() as fields:
                pending += [*fields.keys(), *fields.values()]
            case list() | tuple() as items:
                pending += items
            case _:
                pass
