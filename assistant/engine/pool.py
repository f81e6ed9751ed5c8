"""Several engines of the same model as one."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from assistant.engine.client import OpenAIEngine
from assistant.engine.protocol import CompletionRequest, EngineEvent
from assistant.errors import (
    ContextTooLongError,
    EngineError,
    EngineOverloadedError,
    EngineRequestError,
    EngineResponseError,
    EngineTimeoutError,
)
from guards.conversation import Message
from guards.refusal import OverloadedError
from guards.replicas import Replica, Replicas
from plugins.tool import ToolSpec

PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    """One engine's health; ``trouble`` is an error's code, empty when it is well."""

    url: str
    healthy: bool
    trouble: str


class EnginePool:
    """Engines behind one :class:`~assistant.engine.protocol.Engine`.

    A request goes to the replica its affinity names. Until the first event came, a failure moves
    it to the next one; afterwards it is the caller's, for what was generated cannot be continued
    elsewhere. All attempts share one deadline for the first token.

    Args:
        engines: at least one; all serve the same model.
        clock: seconds, monotonic; the event loop's own.
    """

    def __init__(self, engines: Sequence[OpenAIEngine], *, clock: Callable[[], float]) -> None:
        self._replicas = Replicas({engine.upstream.url: engine for engine in engines}, clock=clock)
        self._clock = clock

    @property
    def model(self) -> str:
        """The model's name; empty until a server was asked, if none was given."""
        return next((r.server.model for r in self._replicas.all if r.server.model), "")

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[EngineEvent, None]:
        """Stream a completion from the first replica that starts one.

        Raises:
            EngineError: once an event was yielded, whatever happened; before that, the most
                telling of all replicas' errors.
        """
        order = self._replicas.order(request.affinity)
        deadline = self._clock() + max(r.server.first_token_timeout for r in order)
        errors: list[EngineError] = []
        for place, replica in enumerate(order):
            # What is left is split, or one silent replica would use up the others' time.
            left = (deadline - self._clock()) / (len(order) - place)
            if left <= 0:
                break
            started = False
            try:
                async with aclosing(
                    replica.server.stream(request, first_token_timeout=left)
                ) as events:
                    async for event in events:
                        if not started:
                            started = True
                            self._replicas.succeeded(replica)
                        yield event
                return
            except EngineError as error:
                if not self._note(replica, error) or started:
                    raise
                errors.append(error)
        raise most_telling(errors)

    async def window(self) -> int:
        """The smallest window of all replicas that answer.

        Raises:
            SettingsError: a server does not say.
            EngineError: none answers.
        """
        windows: list[int] = []
        errors: list[EngineError] = []
        for replica in self._replicas.all:
            try:
                windows.append(await replica.server.window())
            except EngineError as error:
                self._note(replica, error)
                errors.append(error)
        if not windows:
            raise most_telling(errors)
        return min(windows)

    async def count_tokens(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int:
        """Prompt tokens of ``messages``, by the first replica that counts.

        Raises:
            EngineError: none does.
        """
        errors: list[EngineError] = []
        for replica in self._replicas.order(None):
            try:
                return await replica.server.count_tokens(messages, tools)
            except EngineError as error:
                if not self._note(replica, error):
                    raise
                errors.append(error)
        raise most_telling(errors)

    async def probe(self) -> None:
        """Ask every replica whether it serves the model, side by side, and note the answers."""
        async with asyncio.TaskGroup() as group:
            for replica in self._replicas.all:
                group.create_task(self._probe(replica))

    async def watch(self, interval: float = PROBE_SECONDS) -> None:
        """Probe every ``interval`` seconds until cancelled."""
        while True:
            await self.probe()
            await asyncio.sleep(interval)

    def state(self) -> tuple[ReplicaState, ...]:
        """Every replica's health as last seen; one never asked is not called healthy."""
        return tuple(
            ReplicaState(
                url=replica.name,
                healthy=replica.tried and not replica.trouble,
                trouble=replica.trouble or ("" if replica.tried else "not asked yet"),
            )
            for replica in self._replicas.all
        )

    @property
    def healthy(self) -> bool:
        """Whether at least one replica is."""
        return any(state.healthy for state in self.state())

    async def _probe(self, replica: Replica[OpenAIEngine]) -> None:
        try:
            await replica.server.probe()
        except EngineOverloadedError as error:
            self._note(replica, error)
        except EngineError as error:
            self._replicas.failed(replica, error.code)
        else:
            self._replicas.succeeded(replica)

    def _note(self, replica: Replica[OpenAIEngine], error: EngineError) -> bool:
        """Learn from a failure; whether another replica may do better."""
        match error:
            case ContextTooLongError() | EngineRequestError():
                return False
            case EngineOverloadedError():
                cause = error.__cause__
                after = cause.retry_after if isinstance(cause, OverloadedError) else None
                self._replicas.busy(replica, after)
            case _:
                self._replicas.failed(replica, error.code)
        return True


def most_telling(errors: Sequence[EngineError]) -> EngineError:
    """The error to show when every replica failed: the one nearest to an answer."""
    ranks = (EngineOverloadedError, EngineResponseError, EngineTimeoutError)
    for kind in ranks:
        for error in errors:
            if isinstance(error, kind):
                return error
    return errors[0] if errors else EngineTimeoutError("no engine sent a token in time")


@asynccontextmanager
async def watched_pool(engines: Sequence[OpenAIEngine]) -> AsyncGenerator[EnginePool, None]:
    """A pool whose replicas are probed in the background until the context ends."""
    pool = EnginePool(engines, clock=asyncio.get_running_loop().time)
    watch = asyncio.create_task(pool.watch())
    try:
        yield pool
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
