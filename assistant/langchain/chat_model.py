"""A guarded assistant as a LangChain chat model."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, closing, contextmanager
from functools import partial
from typing import Any, Self

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from assistant import bootstrap
from assistant.bootstrap import Assistant, Progress
from assistant.errors import InvalidTurnError
from assistant.langchain.chunks import ChunkWriter, whole
from assistant.langchain.residence import Residence, lodged
from assistant.langchain.turns import Terms, asked
from assistant.orchestrator import Orchestrator
from assistant.settings import Settings
from assistant.turn import ANONYMOUS, Turn
from policies.audience import Audience

Assemble = Callable[[Settings, Progress], AbstractAsyncContextManager[Assistant]]

_CORRAL = ("session", "audience", "locale")
_REQUEST = ("user", "temperature", "top_p", "max_tokens", "seed")
_WORDS = {"any": "required", "required": "required", "auto": "auto", "none": "none"}


class ChatCorral(BaseChatModel):
    """Answers as Corral does: judged, decided and logged, with the tools that are enabled.

    Make it of an assistant that was opened in the running event loop, :meth:`of`, or let it open
    one in a thread of its own, :meth:`opened`. Synchronous calls then work from every thread but
    the one of the assistant's loop, where they raise ``RuntimeError``; asynchronous ones work
    from every loop.

    ``session``, ``user``, ``audience``, ``locale``, ``own_tools``, ``temperature``, ``top_p``,
    ``max_tokens``, ``seed``, ``stop`` and the other fields of a chat request may also be given by
    call, ``model.invoke(text, session="s1")``. What is not known, or is out of its bounds, is an
    ``InvalidTurnError``; whatever else keeps a turn from its end is a ``CorralError`` too.

    Attributes:
        orchestrator: what runs the turns.
        model_name: what traces and metadata call it.
        residence: the event loop that it lives in; the one that is running unless told.
        tenant, user: whose conversation it is; what one has said another never sees.
        session: remember the conversation under this name: of the messages only the last is taken.
        audience, locale: who reads the reply, and in which language the policy speaks. Without
            ``locale`` it is the one that the message's script tells, else ``default_locale``.
        own_tools: names of Corral's tools that may be called; ``None`` is all that are enabled.
        temperature, top_p, max_tokens, seed, stop: for the engine.
        streaming: whether ``invoke`` streams inside, for callbacks that listen. What was shown of
            a reply that turned bad is then marked in its message, not replaced.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    orchestrator: Orchestrator = Field(repr=False, exclude=True)
    residence: Residence = Field(default_factory=Residence.here, repr=False, exclude=True)
    # A reply out of LangChain's cache would be judged by nobody and stand in no log.
    cache: BaseCache | bool | None = Field(default=False, exclude=True)
    model_name: str = "corral"
    tenant: str = "local"
    user: str = Field(default=ANONYMOUS, repr=False)
    session: str | None = Field(default=None, repr=False)
    audience: Audience = Audience.GENERAL
    locale: str | None = None
    default_locale: str = "en"
    own_tools: tuple[str, ...] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None
    streaming: bool = False

    @classmethod
    def of(cls, assistant: Assistant, **fields: Any) -> Self:
        """A model of an assistant that was opened in the running event loop."""
        known: dict[str, Any] = {
            "orchestrator": assistant.orchestrator,
            # Empty until a server was asked, when the settings name none.
            "model_name": assistant.engine.model or "corral",
            "default_locale": assistant.settings.locale,
        }
        return cls(**(known | fields))

    @classmethod
    @contextmanager
    def opened(
        cls,
        settings: Settings,
        progress: Progress = lambda _: None,
        *,
        assemble: Assemble = bootstrap.assemble,
        **fields: Any,
    ) -> Iterator[Self]:
        """A model of an assistant of its own, which runs in a thread until the block is left.

        Arguments as of :func:`assistant.bootstrap.assemble`.

        Raises:
            CorralError: a part of the assistant could not be started.
        """
        with lodged(partial(assemble, settings, progress)) as (assistant, residence):
            yield cls.of(assistant, residence=residence, **fields)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools of yours: their calls are judged, decided and handed back to you.

        Args:
            tool_choice: ``auto``, ``none``, ``any`` (also ``required`` and ``True``), or a tool:
                its name or OpenAI's object.
        """
        kwargs["tools"] = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        match tool_choice:
            case None | False:
                pass
            case True:
                kwargs["tool_choice"] = "required"
            case str():
                chosen = {"type": "function", "function": {"name": tool_choice}}
                kwargs["tool_choice"] = _WORDS.get(tool_choice, chosen)
            case _:
                kwargs["tool_choice"] = tool_choice
        return self.bind(**kwargs)

    @property
    def _llm_type(self) -> str:
        return "corral"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("model_name", "audience", "temperature", "top_p", "max_tokens", "seed", "stop")
        return {name: getattr(self, name) for name in names}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the overridden name
        **kwargs: Any,
    ) -> ChatResult:
        with closing(self._chunks(self._turn(messages, stop, kwargs))) as chunks:
            return _result(list(chunks))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> ChatResult:
        async with aclosing(self._achunks(self._turn(messages, stop, kwargs))) as chunks:
            return _result([chunk async for chunk in chunks])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with closing(self._chunks(self._turn(messages, stop, kwargs))) as chunks:
            for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._achunks(self._turn(messages, stop, kwargs))) as chunks:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    def _chunks(self, turn: Turn) -> Generator[AIMessageChunk, None, None]:
        writer = ChunkWriter(self.model_name)
        with closing(self.residence.drawn(partial(self.orchestrator.run, turn))) as events:
            for event in events:
                if (chunk := writer.chunk(event)) is not None:
                    yield chunk

    async def _achunks(self, turn: Turn) -> AsyncGenerator[AIMessageChunk, None]:
        writer = ChunkWriter(self.model_name)
        events = self.residence.events(partial(self.orchestrator.run, turn))
        async with aclosing(events):
            async for event in events:
                if (chunk := writer.chunk(event)) is not None:
                    yield chunk

    def _turn(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Turn:
        given = {name: getattr(self, name) for name in (*_CORRAL, *_REQUEST)} | options
        own_tools = given.pop("own_tools", self.own_tools)
        if given.pop("model", self.model_name) != self.model_name:
            raise InvalidTurnError("model cannot be chosen by call; leave it out", field="model")
        corral = {name: given.pop(name) for name in _CORRAL}
        return asked(
            messages,
            Terms(
                tenant=self.tenant,
                locale=self.default_locale,
                own_tools=None if own_tools is None else tuple(own_tools),
                corral=corral,
                request=given | {"stop": list(stop or self.stop or ())},
            ),
        )


def _result(chunks: list[AIMessageChunk]) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=whole(chunks))])
