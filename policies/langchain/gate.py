"""A policy as a gate in a LangChain chain."""

from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import RunnableConfig

from guards.langchain.async_first import AsyncFirst
from guards.langchain.messages import Judgeable, messages_of
from guards.panel import Panel
from policies.admitted import Denied
from policies.audience import Audience
from policies.bundle import Policy
from policies.langchain.terms import BlockedError, Record, Terms, as_read, refusal, spoken
from policies.placeholders import Placeholders


class PolicyGate(AsyncFirst[Judgeable, Any]):
    """Passes its input on, as the policy has it, or stops it: ``gate | model``, ``model | gate``.

    Every message of the input is judged after those before it. What goes on is of the input's
    own kind; where guidance for the model is added it becomes messages, of which the first are
    the instructions.

    Args:
        blocked: ``"raise"`` a :class:`BlockedError`, or ``"answer"`` with the policy's words as an
            ``AIMessage`` whose ``response_metadata["corral"]`` says why. An answer goes to
            whatever comes next in the chain.
        record: hears of each decision before it takes effect.
    """

    def __init__(
        self,
        panel: Panel,
        policy: Policy,
        *,
        blocked: Literal["raise", "answer"] = "raise",
        audience: Audience = Audience.GENERAL,
        locale: str = "en",
        record: Record | None = None,
    ) -> None:
        self._terms = Terms(
            panel=panel, policy=policy, audience=audience, locale=locale, record=record
        )
        self._blocked = blocked

    async def ainvoke(
        self,
        input: Judgeable,  # noqa: A002 - the overridden name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        """The input, or what the policy makes of it.

        Raises:
            BlockedError: it must not go on, and that is to be raised.
            UnjudgeableError: it holds what no guard can judge.
        """
        return await self._acall_with_config(self._pass, input, config, "guard", **kwargs)

    async def _pass(self, value: Judgeable) -> Any:
        messages = messages_of(value)
        admission = await self._terms.admit(spoken(messages), Placeholders())
        if isinstance(admission, Denied):
            if self._blocked == "raise":
                raise BlockedError(admission.decision)
            return refusal(admission.decision)
        if not admission.changed:
            return value
        read = as_read(messages, admission)
        if isinstance(value, PromptValue):
            return ChatPromptValue(messages=read)
        if len(read) == 1 and isinstance(value, str):
            return admission.message.text
        return read[0] if len(read) == 1 and isinstance(value, BaseMessage) else read
