"""A model behind an OpenAI-compatible server: vLLM, llama.cpp, or a cloud."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import Any

from assistant.engine.protocol import Completed, CompletionRequest, EngineEvent
from assistant.engine.tokens import FIXED, PER_MESSAGE, token_bound
from assistant.engine.wire import (
    ChunkReader,
    StreamedError,
    request_body,
    wire_messages,
    wire_tools,
)
from assistant.errors import (
    ContextTooLongError,
    EngineError,
    EngineOverloadedError,
    EngineRequestError,
    EngineResponseError,
    EngineTimeoutError,
    EngineUnreachableError,
    SettingsError,
)
from guards.conversation import Message
from guards.refusal import (
    BadResponseError,
    OverloadedError,
    RejectedError,
    RejectionKind,
    TimedOutError,
    UnreachableError,
    UpstreamError,
    refusal,
)
from guards.served import ServedModel, served_models
from guards.upstream import Upstream
from plugins.tool import ToolSpec


class Counting(StrEnum):
    """How a server counts tokens."""

    VLLM = "vllm"
    LLAMA_CPP = "llama.cpp"
    BOUND = "bound"  # it does not


class OpenAIEngine:
    """One server, as an :class:`~assistant.engine.protocol.Engine`.

    Args:
        upstream: where.
        model: the name to ask for; empty takes the first the server lists, once it is asked.
        window: tokens the model holds; 0 asks the server.
        first_token_timeout: seconds until the first chunk.
        token_timeout: seconds between two chunks.
        call_timeout: seconds for questions beside completions (models, token counts).
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        model: str = "",
        window: int = 0,
        first_token_timeout: float = 30.0,
        token_timeout: float = 15.0,
        call_timeout: float = 5.0,
    ) -> None:
        self.upstream = upstream
        self.first_token_timeout = first_token_timeout
        self._token_timeout = token_timeout
        self._call_timeout = call_timeout
        self._model = model
        self._window = window
        self._counting: Counting | None = None
        self._seen = False

    @property
    def model(self) -> str:
        """The model's name; empty until the server was asked, if none was given."""
        return self._model

    async def stream(
        self, request: CompletionRequest, *, first_token_timeout: float | None = None
    ) -> AsyncGenerator[EngineEvent, None]:
        """Stream a completion; see :class:`~assistant.engine.protocol.Engine`.

        ``first_token_timeout`` replaces the engine's own where less time is left.

        Raises:
            EngineError: of any kind; before the first event or between two.
        """
        body = request_body(request, self._model or (await self._served()).name)
        reader = ChunkReader()
        try:
            async with aclosing(
                self.upstream.stream(
                    "chat/completions",
                    body,
                    first_timeout=first_token_timeout or self.first_token_timeout,
                    gap_timeout=self._token_timeout,
                    headers={"X-Session-ID": request.affinity} if request.affinity else None,
                )
            ) as payloads:
                async for payload in payloads:
                    for event in reader.read(payload):
                        yield event
        except UpstreamError as error:
            raise engine_error(error) from error
        except StreamedError as error:
            raise engine_error(refusal(self.upstream.name, error.status, error.payload)) from None
        except ValueError as error:
            raise EngineRequestError(str(error)) from error
        if reader.reason is None:
            raise EngineResponseError("the engine's answer ended without a finish reason")
        yield Completed(reason=reader.reason, usage=reader.usage)

    async def window(self) -> int:
        """Tokens the model holds, asked for once.

        From the settings, else vLLM's ``max_model_len``, else ``n_ctx`` of llama.cpp's own
        server (``/props``). llama-cpp-python's server tells nobody.

        Raises:
            SettingsError: the server does not say.
            EngineError: the server could not be asked.
        """
        if not self._window:
            window = (await self._served()).window or await self._llama_cpp_window()
            if not window:
                raise SettingsError(
                    "CORRAL_ENGINE_WINDOW: the engine does not say how many tokens its model "
                    "holds, so this must"
                )
            self._window = window
        return self._window

    async def count_tokens(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int:
        """Prompt tokens of ``messages``, never too few.

        Exact on vLLM (``/tokenize`` renders the model's template). On llama-cpp-python the texts
        are counted exactly and the template's share from above. Elsewhere, and where the server
        is too busy to count, the answer is :func:`~assistant.engine.tokens.token_bound`.

        Raises:
            EngineError: the server could not be asked.
        """
        try:
            if self._counting is None:
                return await self._count_first(messages, tools)
            return await self._count(self._counting, messages, tools)
        except (EngineTimeoutError, EngineOverloadedError):
            return token_bound(messages, tools)

    async def probe(self) -> None:
        """Ask whether the server can serve the model.

        Until that was once true the list of models is read; afterwards ``/health`` is enough,
        and a server without it proves by its 404 that it is alive. The list must not be read
        while llama-cpp-python generates: it answers only when the reply is complete.

        Raises:
            EngineError: the server cannot serve the model.
        """
        if not self._seen:
            await self._served()
            return
        try:
            await self.upstream.ping("/health", timeout=self._call_timeout)
        except RejectedError as error:
            if error.kind is not RejectionKind.NOT_FOUND:
                raise engine_error(error) from error
        except UpstreamError as error:
            self._seen = False
            raise engine_error(error) from error

    async def _served(self) -> ServedModel:
        try:
            models = await served_models(self.upstream, timeout=self._call_timeout)
        except UpstreamError as error:
            raise engine_error(error) from error
        if not self._model:
            self._model = models[0].name
        for model in models:
            if model.name == self._model:
                self._seen = True
                return model
        raise EngineRequestError(f"{self.upstream.name} does not serve the model asked for")

    async def _llama_cpp_window(self) -> int | None:
        try:
            props = await self.upstream.get_json("/props", timeout=self._call_timeout)
        except (RejectedError, BadResponseError):
            return None
        except UpstreamError as error:
            raise engine_error(error) from error
        settings = props.get("default_generation_settings") if isinstance(props, dict) else None
        window = settings.get("n_ctx") if isinstance(settings, dict) else None
        return window if isinstance(window, int) else None

    async def _count_first(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
        """Find out how this server counts, and count."""
        known = False
        for counting in (Counting.VLLM, Counting.LLAMA_CPP):
            try:
                count = await self._count(counting, messages, tools)
            except (EngineRequestError, EngineResponseError) as error:
                # A refusal of these very messages says nothing about the next ones.
                known = known or not _is_missing(error)
                continue
            self._counting = counting
            return count
        if not known:
            self._counting = Counting.BOUND
        return token_bound(messages, tools)

    async def _count(
        self, counting: Counting, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> int:
        match counting:
            case Counting.VLLM:
                model = self._model or (await self._served()).name
                body: dict[str, Any] = {"model": model, "messages": wire_messages(messages)}
                if tools:
                    body["tools"] = wire_tools(tools)
                return await self._ask_count("/tokenize", body)
            case Counting.LLAMA_CPP:
                texts = [text for message in messages for text in _texts(message)]
                overhead = FIXED + PER_MESSAGE * len(texts)
                if tools:
                    overhead += token_bound((), tools)
                return overhead + await self._ask_count(
                    "/extras/tokenize/count", {"input": "\n".join(texts)}
                )
            case Counting.BOUND:
                return token_bound(messages, tools)

    async def _ask_count(self, path: str, body: dict[str, Any]) -> int:
        try:
            answer = await self.upstream.post_json(path, body, timeout=self._call_timeout)
        except UpstreamError as error:
            raise engine_error(error) from error
        except ValueError as error:
            raise EngineRequestError(str(error)) from error
        count = answer.get("count") if isinstance(answer, dict) else None
        if type(count) is not int or count < 0:
            raise EngineResponseError("the engine's token count is no number")
        return count


def _texts(message: Message) -> tuple[str, ...]:
    calls = (f"{call.id}{call.name}{call.arguments}" for call in message.tool_calls)
    return (message.text, *calls)


def _is_missing(error: EngineError) -> bool:
    cause = error.__cause__
    return isinstance(cause, RejectedError) and cause.kind is RejectionKind.NOT_FOUND


def engine_error(error: UpstreamError) -> EngineError:
    """The engine's word for what went wrong upstream; the texts name no content."""
    message = str(error)
    match error:
        case UnreachableError():
            return EngineUnreachableError(message)
        case OverloadedError():
            return EngineOverloadedError(message)
        case TimedOutError():
            return EngineTimeoutError(message)
        case RejectedError(kind=RejectionKind.CONTEXT_TOO_LONG):
            return ContextTooLongError(message)
        case RejectedError():
            return EngineRequestError(message)
        case _:
            return EngineResponseError(message)
