"""The one composition root: settings in, a running assistant out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import assert_never

from pydantic import AnyHttpUrl, SecretStr

from assistant.audit.entries import EntryBodies
from assistant.audit.log import FileDecisionLog
from assistant.audit.pseudonyms import Pseudonyms, load_key
from assistant.clock import SystemClock, random_id
from assistant.engine.client import OpenAIEngine
from assistant.engine.launcher import LocalEngine
from assistant.engine.models import ModelStore
from assistant.engine.pool import EnginePool, watched_pool
from assistant.engine.programs import PACKAGED_WINDOW, EngineProgram, llama_cpp, vllm
from assistant.errors import CorralError, GuardStartError, SettingsError
from assistant.memory.connection import connect
from assistant.memory.embedded import EmbeddedValkey
from assistant.memory.limits import MemoryLimits
from assistant.memory.redis_store import RedisSessionStore
from assistant.orchestrator import Orchestrator, TurnLimits
from assistant.settings import Settings
from guards.conversation import Exchange, Subject, text_message
from guards.embedded import EmbeddedGuardError, load_embedded_guard
from guards.guard import Guard
from guards.models.llama_guard import LlamaGuard
from guards.panel import Panel, Seat
from guards.stream import Pace
from guards.upstream import Upstreams, open_upstreams
from policies.bundle import Policy

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """Everything a front end needs; closed when the context it came from ends."""

    settings: Settings
    policy: Policy
    panel: Panel
    engine: EnginePool
    store: RedisSessionStore
    log: FileDecisionLog
    entries: EntryBodies
    orchestrator: Orchestrator

    async def health(self) -> dict[str, str]:
        """Each part's state, ``"ok"`` or what is wrong, by name: engine, memory, log, guards."""
        return {
            "engine": "ok" if self.engine.healthy else "no replica answers",
            "memory": await _state(self.store.ping()),
            "log": await _state(self.log.durable()),
            "guards": await self._guards(),
        }

    async def _guards(self) -> str:
        message = text_message("Good morning.", id="health")
        verdict = await self.panel.judge(Exchange(subject=Subject.USER_INPUT, message=message))
        if verdict.complete:
            return "ok"
        return ", ".join(f"{u.guard}: {u.reason}" for u in verdict.unscanned)


async def _state(check: Awaitable[None]) -> str:
    try:
        await check
    except CorralError as error:
        return error.code
    return "ok"


@asynccontextmanager
async def assemble(
    settings: Settings, progress: Progress, *, guards: Sequence[Guard] | None = None
) -> AsyncIterator[Assistant]:
    """Start what the settings leave to be embedded, connect the rest, and hand it out.

    ``progress`` receives one short line at each step that takes time. ``guards`` replaces the
    guards that the settings name: for guards of one's own.

    Raises:
        CorralError: a part could not be started.
        PolicyError: the policy has mistakes.
    """
    policy = load_policy(settings)
    async with embed(settings, progress) as connected, AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(open_upstreams())
        engine = await stack.enter_async_context(watched_pool(_engines(connected, upstreams)))
        limits = MemoryLimits(
            session_ttl=connected.session_ttl,
            messages=connected.session_messages,
            wait=connected.session_wait,
        )
        client = connect(connected.redis_url.get_secret_value(), deadline=limits.deadline)
        stack.push_async_callback(client.aclose)
        store = RedisSessionStore(client, limits=limits)
        pseudonyms = Pseudonyms(load_key(connected.data_dir / "pseudonyms.key"))
        log = FileDecisionLog(
            connected.decisions_dir,
            clock=SystemClock(),
            fsync=connected.log_fsync,
            segment_bytes=connected.log_segment_bytes,
        )
        stack.callback(log.close)
        entries = EntryBodies(pseudonyms=pseudonyms, retention=policy.retention)
        panel = seat_panel(connected, upstreams, guards)
        yield Assistant(
            settings=connected,
            policy=policy,
            panel=panel,
            engine=engine,
            store=store,
            log=log,
            entries=entries,
            orchestrator=Orchestrator(
                engine=engine,
                panel=panel,
                policy=policy,
                store=store,
                log=log,
                entries=entries,
                ids=random_id,
                limits=TurnLimits(
                    seconds=connected.turn_timeout,
                    reply_tokens=connected.max_reply_tokens,
                    input_chars=connected.max_input_chars,
                    renew_every=limits.lock_ttl / 3,
                ),
                pace=Pace(),
            ),
        )


@asynccontextmanager
async def embed(settings: Settings, progress: Progress) -> AsyncIterator[Settings]:
    """Run the engine and the memory that the settings leave to us; the settings that reach them.

    Several processes can share what one of them embeds, by the settings it yields.

    Raises:
        CorralError: a part could not be started.
    """
    async with AsyncExitStack() as stack:
        if not settings.redis_url.get_secret_value():
            valkey = EmbeddedValkey(settings.data_dir / "memory")
            await asyncio.to_thread(valkey.start)
            stack.push_async_callback(asyncio.to_thread, valkey.close)
            settings = settings.model_copy(update={"redis_url": SecretStr(valkey.url)})
        if not settings.engine_urls:
            program = await asyncio.to_thread(_program, settings, progress)
            engine = await stack.enter_async_context(LocalEngine(program, on_progress=progress))
            settings = settings.model_copy(
                update={
                    "engine_urls": (AnyHttpUrl(engine.base_url),),
                    "engine_model": engine.model,
                    "engine_api_key": SecretStr(engine.api_key),
                }
            )
        yield settings


def seat_panel(
    settings: Settings, upstreams: Upstreams, guards: Sequence[Guard] | None = None
) -> Panel:
    """The guards that the settings name, or ``guards``, each required for all it can judge."""
    return Panel(
        [
            Seat(guard=guard, subjects=guard.subjects, deadline=settings.guard_timeout)
            for guard in (_guards(settings, upstreams) if guards is None else guards)
        ]
    )


def load_policy(settings: Settings) -> Policy:
    """The policy the settings name.

    Raises:
        PolicyError: it has mistakes, each with file, line and field.
    """
    return Policy.load(settings.policy) if settings.policy else Policy.load_builtin()


def _program(settings: Settings, progress: Progress) -> EngineProgram:
    models = ModelStore(settings.cache_dir / "models")
    name = settings.embedded_model
    window = settings.engine_window
    if settings.embedded_engine == "vllm":
        weights = models.pull(name)
        if weights.is_file():
            raise SettingsError(
                "CORRAL_EMBEDDED_MODEL: vLLM needs a whole Hugging Face repository, org/name"
            )
        return vllm(weights, model=name, window=window or None)
    shown = -1

    def report(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // max(total, 1)
        if tenth > shown:
            shown = tenth
            progress(f"downloading {name}: {done >> 20} of {total >> 20} MB")

    weights = models.pull(name, report)
    return llama_cpp(weights, model=name, window=window or PACKAGED_WINDOW)


def _engines(settings: Settings, upstreams: Upstreams) -> list[OpenAIEngine]:
    key = settings.engine_api_key.get_secret_value()
    return [
        OpenAIEngine(
            upstreams.at(str(url), api_key=key),
            model=settings.engine_model,
            window=settings.engine_window,
            first_token_timeout=settings.first_token_timeout,
            token_timeout=settings.token_timeout,
        )
        for url in settings.engine_urls
    ]


def _guards(settings: Settings, upstreams: Upstreams) -> list[Guard]:
    guards: list[Guard] = []
    for name in dict.fromkeys(settings.guards):
        match name:
            case "embedded":
                guards.append(_embedded_guard())
            case "llama_guard":
                guards.append(_llama_guard(settings, upstreams))
            case _:
                assert_never(name)
    return guards


def _embedded_guard() -> Guard:
    try:
        return load_embedded_guard()
    except EmbeddedGuardError as error:
        raise GuardStartError(f"the embedded guard cannot be used: {error}") from error


def _llama_guard(settings: Settings, upstreams: Upstreams) -> LlamaGuard:
    key = settings.guard_api_key.get_secret_value()
    return LlamaGuard(
        [upstreams.at(str(url), api_key=key) for url in settings.guard_urls],
        generation=settings.guard_generation,
        model=settings.guard_model,
        timeout=settings.guard_timeout,
        clock=asyncio.get_running_loop().time,
    )
