"""The one composition root: settings in, a running assistant out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import AnyHttpUrl, SecretStr

from assistant.approval.protocol import Approvals
from assistant.approval.redis_approvals import RedisApprovals
from assistant.audit.entries import EntryBodies
from assistant.audit.log import FileDecisionLog
from assistant.audit.pseudonyms import Pseudonyms, load_key
from assistant.clock import SystemClock, random_id
from assistant.engine.client import OpenAIEngine
from assistant.engine.launcher import LocalEngine
from assistant.engine.models import ModelStore
from assistant.engine.models_index import RAMPART_NER
from assistant.engine.optional_tools import OptionalTools
from assistant.engine.pool import EnginePool, watched_pool
from assistant.engine.programs import PACKAGED_WINDOW, EngineProgram, llama_cpp, vllm
from assistant.errors import (
    CorralError,
    GuardStartError,
    ModelUnavailableError,
    SettingsError,
)
from assistant.memory.connection import connect
from assistant.memory.embedded import EmbeddedValkey
from assistant.memory.limits import MemoryLimits
from assistant.memory.redis_store import RedisSessionStore
from assistant.orchestrator import Orchestrator, ToolCalls, TurnLimits
from assistant.plugin_start import open_broker
from assistant.settings import Settings
from guards import health
from guards.conversation import Subject
from guards.guard import Guard
from guards.hazards import Hazard
from guards.making import Description, Workshop
from guards.models.described import LlamaGuardDescription
from guards.panel import Panel, Seat
from guards.roster import Roster, RosterError, load_roster
from guards.stream import Pace
from guards.upstream import Upstreams, open_upstreams
from plugins.broker import Broker
from plugins.plugin import Plugin
from policies.briefing import rules_of
from policies.bundle import Policy

Progress = Callable[[str], None]

GUARD_KEY = "CORRAL_GUARD_API_KEY"
"""The environment variable of the setting with the key of Llama Guard's server."""


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
    approvals: Approvals
    broker: Broker
    orchestrator: Orchestrator

    async def health(self) -> dict[str, str]:
        """Each part's state, ``"ok"`` or what is wrong, by name: engine, memory, log, guards."""
        return {
            "engine": "ok" if self.engine.healthy else "no replica answers",
            "memory": await _state(self.store.ping()),
            "log": await _state(self.log.durable()),
            "guards": await health.state(self.panel),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """What moderation needs: guards, a policy and a decision log, but no model and no memory."""

    settings: Settings
    policy: Policy
    panel: Panel
    log: FileDecisionLog
    entries: EntryBodies

    async def health(self) -> dict[str, str]:
        """The decision log's state, by name; the guards' is the panel's own to tell."""
        return {"log": await _state(self.log.durable())}


async def _state(check: Awaitable[None]) -> str:
    try:
        await check
    except CorralError as error:
        return error.code
    return "ok"


@asynccontextmanager
async def assemble(
    settings: Settings,
    progress: Progress,
    *,
    guards: Sequence[Guard] | None = None,
    plugins: Mapping[str, Plugin] | None = None,
) -> AsyncIterator[Assistant]:
    """Start what the settings leave to be embedded, connect the rest, and hand it out.

    ``progress`` receives one short line at each step that takes time. ``guards`` replaces the
    guards that the settings name: for guards of one's own. ``plugins`` are used beside those that
    are installed and enabled.

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
        log, entries = _open_log(connected, policy, stack)
        panel = seat_panel(connected, policy, upstreams, guards)
        broker = await stack.enter_async_context(
            open_broker(connected, client, limits.deadline, panel, policy, plugins)
        )
        approvals = RedisApprovals(client, clock=SystemClock(), deadline=limits.deadline)
        yield Assistant(
            settings=connected,
            policy=policy,
            panel=panel,
            engine=engine,
            store=store,
            log=log,
            entries=entries,
            approvals=approvals,
            broker=broker,
            orchestrator=Orchestrator(
                engine=OptionalTools(engine),
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
                    tool_rounds=connected.tool_rounds,
                    renew_every=limits.lock_ttl / 3,
                ),
                pace=Pace(budget=connected.reply_judgements or None),
                broker=broker,
                approvals=approvals,
                tool_calls=_tool_calls(settings),
            ),
        )


def _tool_calls(settings: Settings) -> ToolCalls:
    """``auto``: so small a model as the embedded one calls tools badly, and is told of none."""
    if settings.tool_calls != "auto":
        return ToolCalls(settings.tool_calls)
    embedded = not settings.engine_urls and settings.embedded_engine == "llama.cpp"
    return ToolCalls.COMMANDS if embedded else ToolCalls.NATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolshop:
    """What calling tools needs: guards, a policy, a decision log and plugins, but no model."""

    settings: Settings
    broker: Broker
    log: FileDecisionLog
    entries: EntryBodies


@asynccontextmanager
async def open_toolshop(settings: Settings) -> AsyncIterator[Toolshop]:
    """The settings' plugins behind the broker; the memory is embedded where no URL names one.

    Raises:
        CorralError: a part could not be started.
        PolicyError: the policy has mistakes.
    """
    policy = load_policy(settings)
    async with _embed_memory(settings) as connected, AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(open_upstreams())
        deadline = MemoryLimits().deadline
        client = connect(connected.redis_url.get_secret_value(), deadline=deadline)
        stack.push_async_callback(client.aclose)
        log, entries = _open_log(connected, policy, stack)
        panel = seat_panel(connected, policy, upstreams)
        broker = await stack.enter_async_context(
            open_broker(connected, client, deadline, panel, policy)
        )
        yield Toolshop(settings=connected, broker=broker, log=log, entries=entries)


@asynccontextmanager
async def open_moderation(
    settings: Settings, *, guards: Sequence[Guard] | None = None
) -> AsyncIterator[Moderation]:
    """The settings' guards, policy and decision log; ``guards`` as in :func:`assemble`.

    Raises:
        CorralError: a part could not be started.
        PolicyError: the policy has mistakes.
    """
    policy = load_policy(settings)
    async with AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(open_upstreams())
        log, entries = _open_log(settings, policy, stack)
        yield Moderation(
            settings=settings,
            policy=policy,
            panel=seat_panel(settings, policy, upstreams, guards),
            log=log,
            entries=entries,
        )


def _open_log(
    settings: Settings, policy: Policy, stack: AsyncExitStack
) -> tuple[FileDecisionLog, EntryBodies]:
    """The decision log, closed with ``stack``, and who writes its bodies."""
    pseudonyms = Pseudonyms(load_key(settings.data_dir / "pseudonyms.key"))
    log = FileDecisionLog(
        settings.decisions_dir,
        clock=SystemClock(),
        fsync=settings.log_fsync,
        segment_bytes=settings.log_segment_bytes,
    )
    stack.callback(log.close)
    return log, EntryBodies(pseudonyms=pseudonyms, retention=policy.retention)


@asynccontextmanager
async def embed(settings: Settings, progress: Progress) -> AsyncIterator[Settings]:
    """Run the engine and the memory that the settings leave to us; the settings that reach them.

    Several processes can share what one of them embeds, by the settings it yields.

    Raises:
        CorralError: a part could not be started.
    """
    async with AsyncExitStack() as stack:
        settings = await stack.enter_async_context(_embed_memory(settings))
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


@asynccontextmanager
async def _embed_memory(settings: Settings) -> AsyncIterator[Settings]:
    if settings.redis_url.get_secret_value():
        yield settings
        return
    valkey = EmbeddedValkey(settings.data_dir / "memory")
    await asyncio.to_thread(valkey.start)
    try:
        yield settings.model_copy(update={"redis_url": SecretStr(valkey.url)})
    finally:
        await asyncio.to_thread(valkey.close)


@asynccontextmanager
async def open_approvals(settings: Settings) -> AsyncIterator[Approvals]:
    """The approvals on their own, for whoever needs no assistant around them.

    Raises:
        CorralError: session memory could not be started.
    """
    async with _embed_memory(settings) as connected:
        deadline = MemoryLimits().deadline
        client = connect(connected.redis_url.get_secret_value(), deadline=deadline)
        try:
            yield RedisApprovals(client, clock=SystemClock(), deadline=deadline)
        finally:
            await client.aclose()


def seat_panel(
    settings: Settings,
    policy: Policy,
    upstreams: Upstreams,
    guards: Sequence[Guard] | None = None,
) -> Panel:
    """The guards that the settings name, or ``guards``, each required for all it can judge.

    Raises:
        GuardStartError: a guard cannot be made.
        SettingsError: a guard is not known, ``CORRAL_GUARD_FILE`` has mistakes, or ``policy``
            names topics and no guard looks for them.
    """
    if guards is None:
        panel = Panel(_seats(settings, policy, upstreams, settings.guards))
    else:
        deadline = settings.guard_timeout
        panel = Panel([Seat(guard=g, subjects=g.subjects, deadline=deadline) for g in guards])
    if policy.topics and Hazard.OFF_TOPIC not in panel.hazards(Subject.USER_INPUT):
        raise SettingsError("CORRAL_GUARDS: the policy names topics; add the guard topic")
    return panel


@asynccontextmanager
async def open_guards(settings: Settings, names: Sequence[str]) -> AsyncIterator[tuple[Seat, ...]]:
    """The guards of ``names`` on their own, for whoever needs no assistant around them.

    Raises:
        GuardStartError: a guard cannot be made.
        PolicyError: the policy has mistakes.
        SettingsError: a guard is not known, or ``CORRAL_GUARD_FILE`` has mistakes.
    """
    async with open_upstreams() as upstreams:
        yield tuple(_seats(settings, load_policy(settings), upstreams, names))


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
    if name == RAMPART_NER.name:
        raise SettingsError(f"CORRAL_EMBEDDED_MODEL: {name} writes no replies; it is for guards")
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


def roster_of(settings: Settings) -> Roster:
    """The built-in guards, those of ``CORRAL_GUARD_FILE``, and the Llama Guard of the settings.

    Raises:
        SettingsError: the file has mistakes; the message names file and field.
    """
    described: dict[str, Description] = {}
    if settings.guard_urls:
        described["llama_guard"] = LlamaGuardDescription(
            kind="llama_guard",
            urls=list(settings.guard_urls),
            model=settings.guard_model,
            generation=settings.guard_generation,
            api_key_env=GUARD_KEY if settings.guard_api_key.get_secret_value() else None,
        )
    try:
        return load_roster(settings.guard_file, described)
    except RosterError as error:
        raise SettingsError(f"CORRAL_GUARD_FILE: {error}") from error


def _seats(
    settings: Settings, policy: Policy, upstreams: Upstreams, names: Sequence[str]
) -> list[Seat]:
    roster = roster_of(settings)
    unknown = [name for name in names if name not in roster.names]
    if unknown:
        known = ", ".join(roster.names)
        raise SettingsError(f"no guard is called {unknown[0]!r}; there are {known}")
    key = settings.guard_api_key.get_secret_value()
    workshop = Workshop(
        upstreams=upstreams,
        clock=asyncio.get_running_loop().time,
        deadline=settings.guard_timeout,
        environ={**os.environ, GUARD_KEY: key},
        rules=rules_of(policy),
        topics=policy.topics,
        pulled=partial(_pulled, settings),
    )
    try:
        return roster.seats(names, workshop)
    except RosterError as error:
        raise GuardStartError(str(error)) from error


def _pulled(settings: Settings, name: str) -> Path:
    try:
        return ModelStore(settings.cache_dir / "models").path(name)
    except ModelUnavailableError as error:
        raise ValueError(str(error)) from error
