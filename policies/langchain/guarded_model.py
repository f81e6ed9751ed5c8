"""Any chat model of LangChain's, with guards and a policy before and behind it."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.runnables import Runnable, RunnableConfig

from guards.conversation import BY_MODEL, Exchange, Message, Role, Subject, ToolCall, text_message
from guards.exchanges import call_exchange
from guards.langchain.async_first import AsyncFirst
from guards.langchain.messages import calls_of, messages_of
from guards.panel import Panel
from guards.stream import Halt, Pace, Ruling, released
from policies.admitted import Admitted, Denied
from policies.audience import Audience
from policies.bundle import Policy
from policies.decision import Blocking, Decision, Escalate, Refuse, Support
from policies.langchain.draft import Draft
from policies.langchain.terms import Record, Terms, account, as_read, refusal, spoken
from policies.placeholders import Placeholders
from policies.rulings import blocking_of, ruling
from policies.schema import Drafting

_KEPT = ("finish_reason", "stop_reason", "model_name", "model", "model_provider", "id")
"""What is passed on of a model's own metadata: nothing in it may hold unjudged text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """The end of a reply: what it came down to, and the model's own message when it stands."""

    decision: Decision
    message: AIMessage | None = None
    calls: tuple[ToolCall, ...] = ()


class GuardedModel(AsyncFirst[LanguageModelInput, AIMessage]):
    """Answers as ``model`` does, as far as the policy allows.

    The input is judged side by side with the draft of the reply, unless the policy has it wait;
    nothing is given out before it is allowed. The reply is judged as it grows, and comes in
    judged pieces; tool calls are judged in the finished message. A refusal is an ``AIMessage``
    with the policy's words. ``response_metadata["corral"]`` says what was decided, by which
    clause of which policy. A guard that fails refuses.

    Args:
        model: a chat model, or anything that gives an ``AIMessage`` or text for messages.
        record: hears of each decision before it takes effect.
        pace: how often a growing reply is judged.
    """

    def __init__(
        self,
        model: Runnable[Any, Any],
        panel: Panel,
        policy: Policy,
        *,
        audience: Audience = Audience.GENERAL,
        locale: str = "en",
        record: Record | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._model = model
        self._pace = pace or Pace()
        self._terms = Terms(
            panel=panel, policy=policy, audience=audience, locale=locale, record=record
        )

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> "GuardedModel":
        """The same around ``model.bind_tools(tools)``."""
        bind: Any = getattr(self._model, "bind_tools", None)
        if bind is None:
            raise TypeError("the model takes no tools: it has no bind_tools")
        terms = self._terms
        return GuardedModel(
            bind(tools, **kwargs),
            terms.panel,
            terms.policy,
            audience=terms.audience,
            locale=terms.locale,
            record=terms.record,
            pace=self._pace,
        )

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - the overridden name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The whole reply, judged once.

        Raises:
            UnjudgeableError: the input holds what no guard can judge.
            Exception: whatever the model raised.
        """
        work: Any = self._whole  # LangChain's types know no function of value and config alone
        reply: AIMessage = await self._acall_with_config(work, input, config, **kwargs)
        return reply

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - the overridden name
        config: RunnableConfig | None = None,
        **kwargs: Any | None,
    ) -> AsyncIterator[AIMessage]:
        """The reply in judged pieces; the last chunk has the metadata and the tool calls.

        Where a piece turns out bad, nothing of it is given, and the last chunk's
        ``response_metadata["corral"]`` has ``retracted`` and ``text``, which should replace what
        was shown before.
        """

        async def once() -> AsyncIterator[LanguageModelInput]:
            yield input

        work: Any = self._chunks  # see above
        pieces: Any = self._atransform_stream_with_config(once(), work, config, **kwargs)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _whole(
        self, value: LanguageModelInput, config: RunnableConfig, **kwargs: Any
    ) -> AIMessage:
        shown: list[str] = []
        async with aclosing(self._events(value, config, kwargs, streaming=False)) as events:
            async for event in events:
                if isinstance(event, str):
                    shown.append(event)
                    continue
                if isinstance(event.decision, Support | Refuse | Escalate):
                    return refusal(event.decision)
                message = event.message
                return AIMessage(
                    content="".join(shown),
                    tool_calls=[
                        tool_call(name=c.name, args=json.loads(c.arguments), id=c.id)
                        for c in event.calls
                    ],
                    usage_metadata=message.usage_metadata if message else None,
                    response_metadata=_metadata(event),
                    id=message.id if message else None,
                )
        raise AssertionError("a reply always ends")

    async def _chunks(
        self, inputs: AsyncIterator[LanguageModelInput], config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        shown = False
        async for value in inputs:
            async with aclosing(self._events(value, config, kwargs, streaming=True)) as events:
                async for event in events:
                    if isinstance(event, str):
                        shown = True
                        yield AIMessageChunk(content=event)
                    else:
                        yield _last(event, shown=shown)

    async def _events(
        self,
        value: LanguageModelInput,
        config: RunnableConfig,
        kwargs: dict[str, Any],
        *,
        streaming: bool,
    ) -> AsyncGenerator[str | _Ended, None]:
        """Released text, then the end. No task group may stay open over a ``yield``: LangChain
        takes each step of a stream in a task of its own."""
        messages = messages_of(value)
        past, placeholders = spoken(messages), Placeholders()
        admission: Admitted | Denied | None = None
        if self._terms.policy.drafting is Drafting.SPECULATIVE:
            async with Draft(self._model, value, config, kwargs, streaming=streaming) as draft:
                admission = await self._terms.admit(past, placeholders)
                if isinstance(admission, Admitted) and not admission.changed:
                    async with aclosing(self._reply(draft, past, admission, placeholders)) as reply:
                        async for event in reply:
                            yield event
                    return
        if admission is None:
            admission = await self._terms.admit(past, placeholders)
        if isinstance(admission, Denied):
            yield _Ended(decision=admission.decision)
            return
        read = as_read(messages, admission) if admission.changed else value
        past = (*admission.history, admission.message)
        async with (
            Draft(self._model, read, config, kwargs, streaming=streaming) as draft,
            aclosing(self._reply(draft, past, admission, placeholders)) as reply,
        ):
            async for event in reply:
                yield event

    async def _reply(
        self,
        draft: Draft,
        past: tuple[Message, ...],
        admitted: Admitted,
        placeholders: Placeholders,
    ) -> AsyncGenerator[str | _Ended, None]:
        terms = self._terms

        async def judge(text: str, whole: bool) -> Ruling[Blocking]:
            exchange = Exchange(
                subject=Subject.REPLY if whole else Subject.REPLY_SO_FAR,
                message=text_message(text, id="reply", role=Role.ASSISTANT, provenance=BY_MODEL),
                context=past,
            )
            decision = await terms.decide(exchange)
            hold = None if whole else decision.basis.verdict.hold
            return ruling(terms.policy, decision, text, terms.locale, hold, placeholders)

        async with aclosing(released(draft.buffer, judge, self._pace)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Halt):
                    await draft.abort()
                    yield _Ended(decision=piece.value)
                    return
                yield piece
        message = draft.message
        calls = calls_of(message) if message is not None else ()
        for decision in await terms.decide_all([call_exchange(call, past) for call in calls]):
            blocking = blocking_of(terms.policy, decision, terms.locale)
            if blocking is not None:
                yield _Ended(decision=blocking)
                return
        yield _Ended(decision=admitted.decision, message=message, calls=calls)


def _last(event: _Ended, *, shown: bool) -> AIMessageChunk:
    decision = event.decision
    if isinstance(decision, Support | Refuse | Escalate):
        said = refusal(decision)
        if not shown:
            return AIMessageChunk(
                content=said.content,
                response_metadata=said.response_metadata,
                chunk_position="last",
            )
        metadata = dict(said.response_metadata)
        metadata["corral"] |= {"retracted": True, "text": decision.text}
        return AIMessageChunk(content="", response_metadata=metadata, chunk_position="last")
    message = event.message
    return AIMessageChunk(
        content="",
        tool_call_chunks=[
            tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=index)
            for index, call in enumerate(event.calls)
        ],
        usage_metadata=message.usage_metadata if message else None,
        response_metadata=_metadata(event),
        chunk_position="last",
    )


def _metadata(event: _Ended) -> dict[str, Any]:
    own = event.message.response_metadata if event.message else {}
    kept = {name: own[name] for name in _KEPT if isinstance(own.get(name), str)}
    return kept | {"corral": account(event.decision)}
