"""A panel of guards as a LangChain Runnable."""

from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig

from guards.conversation import Exchange, Role, Subject
from guards.exchanges import exchanges_of
from guards.langchain.async_first import AsyncFirst
from guards.langchain.messages import Judgeable, UnjudgeableError, message_of, messages_of
from guards.panel import Panel, PanelVerdict
from guards.verdict import Judgement, Verdict


class GuardRunnable(AsyncFirst[Judgeable, PanelVerdict]):
    """Judges the last message of its input in the context of the others; decides nothing.

    Text is a user's. An ``AIMessage`` is judged as a reply, each of its tool calls as one, a
    ``ToolMessage`` as a tool's result; images are judged along with the text. All judgements
    come as one verdict, whose spans count into the message's own text.

    Args:
        subject: what the last message's text is judged as instead, a ``DOCUMENT`` say.
    """

    def __init__(self, panel: Panel, *, subject: Subject | None = None) -> None:
        self._panel = panel
        self._subject = subject

    async def ainvoke(
        self,
        input: Judgeable,  # noqa: A002 - the overridden name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> PanelVerdict:
        """The panel's verdict; a guard that fails is in it as ``Unscanned``.

        Raises:
            UnjudgeableError: the input holds what no guard can judge.
        """
        return await self._acall_with_config(self._judge, input, config, "guard", **kwargs)

    async def _judge(self, value: Judgeable) -> PanelVerdict:
        verdicts = [await self._panel.judge(exchange) for exchange in self._exchanges(value)]
        first, *others = verdicts
        if not others:
            return first
        judgements = [
            _unlocated(judgement) for verdict in others for judgement in verdict.judgements
        ]
        return PanelVerdict(
            subject=first.subject,
            judgements=(*first.judgements, *judgements),
            elapsed=sum(verdict.elapsed for verdict in verdicts),
        )

    def _exchanges(self, value: Judgeable) -> list[Exchange]:
        *context, message = [
            message_of(message, index) for index, message in enumerate(messages_of(value))
        ]
        if message.role is Role.SYSTEM:
            raise UnjudgeableError("a system message is the operator's own word: it is not judged")
        past = tuple(m for m in context if m.role is not Role.SYSTEM)
        if self._subject is not None:
            return [Exchange(subject=self._subject, message=message, context=past)]
        return exchanges_of(message, past)


def _unlocated(judgement: Judgement) -> Judgement:
    """``judgement`` without spans, which count into another text than the message's."""
    if not isinstance(judgement, Verdict):
        return judgement
    findings = tuple(replace(finding, span=None) for finding in judgement.findings)
    return replace(judgement, findings=findings, hold=None)
