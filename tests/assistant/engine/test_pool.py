"""Failover, affinity and health of several scripted servers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

import pytest

from assistant.engine.client import OpenAIEngine
from assistant.engine.pool import EnginePool, most_telling, watched_pool
from assistant.engine.protocol import Completed, CompletionRequest, Engine, EngineEvent, TextDelta
from assistant.errors import (
    ContextTooLongError,
    EngineError,
    EngineOverloadedError,
    EngineResponseError,
    EngineTimeoutError,
    EngineUnreachableError,
)
from assistant.testing.scripted_replies import (
    Plan,
    ReceivedState,
    Then,
    answer,
    delta,
    error,
    events,
    stream,
)
from assistant.testing.scripted_upstream import ScriptedUpstream, scripted_upstream
from guards.conversation import text_message
from guards.upstream import open_upstreams

MESSAGES = (text_message("hello", id="m"),)


class Site:
    """Three scripted servers and a pool over them, on a clock set by hand."""

    def __init__(self, servers: list[ScriptedUpstream], engines: list[OpenAIEngine]) -> None:
        self.now = 100.0
        self.servers = servers
        self.pool = EnginePool(engines, clock=lambda: self.now)
        for server in servers:
            server.respond = lambda _: stream(("a", "b"))

    def first_of(self, affinity: str) -> ScriptedUpstream:
        """The server the pool would ask first for an affinity."""
        url = self.pool._replicas.order(affinity)[0].name
        return next(server for server in self.servers if server.url == url)

    async def ask(self, affinity: str | None = "s") -> list[EngineEvent]:
        request = CompletionRequest(messages=MESSAGES, affinity=affinity)
        async with aclosing(self.pool.stream(request)) as events_:
            return [event async for event in events_]

    def asked(self) -> list[int]:
        return [len(server.received) for server in self.servers]


@pytest.fixture
async def site() -> AsyncGenerator[Site, None]:
    async with AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(open_upstreams())
        servers = [await stack.enter_async_context(scripted_upstream()) for _ in range(3)]
        engines = [
            OpenAIEngine(
                upstreams.at(server.url),
                model="scripted",
                first_token_timeout=3.0,
                token_timeout=1.0,
            )
            for server in servers
        ]
        yield Site(servers, engines)


async def test_is_an_engine(site: Site) -> None:
    engine: Engine = site.pool
    assert engine.model == "scripted"
    assert await engine.count_tokens(MESSAGES) > 0


async def test_affinity_stays_and_spreads(site: Site) -> None:
    for _ in range(3):
        await site.ask("one")
    assert sorted(site.asked()) == [0, 0, 3]
    for number in range(40):
        await site.ask(f"session {number}")
    assert min(site.asked()) > 0


async def test_without_affinity_replicas_take_turns(site: Site) -> None:
    for _ in range(6):
        await site.ask(None)
    assert site.asked() == [2, 2, 2]


@pytest.mark.parametrize(
    "reply",
    [
        error(503, "busy"),
        error(429, "busy"),
        error(500, "broken"),
        Plan(writes=(), then=Then.RESET),
        Plan(writes=(), then=Then.HANG),
        events([(0.0, b": nothing yet\n\n")], then=Then.CUT, complete=False),
    ],
)
async def test_fails_over_before_the_first_token(site: Site, reply: Plan) -> None:
    site.first_of("s").respond = lambda _: reply
    got = await site.ask()
    assert [event.text for event in got if isinstance(event, TextDelta)] == ["a", "b"]
    assert isinstance(got[-1], Completed)
    assert sum(site.asked()) >= 2


async def test_dead_server_is_left_alone_then_tried_again(site: Site) -> None:
    dead = site.first_of("s")
    await dead.stop()
    await site.ask()
    assert site.first_of("s") is not dead
    others = [state for state in site.pool.state() if state.url != dead.url]
    assert [s.trouble for s in site.pool.state() if s.url == dead.url] == ["engine_unreachable"]
    assert any(state.healthy for state in others)
    assert site.pool.healthy
    site.now += 1.5
    assert site.first_of("s") is dead
    await dead.start()
    await site.ask()
    assert all(s.healthy for s in site.pool.state() if s.url == dead.url)


async def test_rest_grows_with_failures_in_a_row(site: Site) -> None:
    dead = site.first_of("s")
    await dead.stop()
    for rest in (1.0, 2.0, 4.0):
        await site.ask()
        site.now += rest - 0.1
        assert site.first_of("s") is not dead
        site.now += 0.2
        assert site.first_of("s") is dead


async def test_overload_rests_as_long_as_the_server_says(site: Site) -> None:
    busy = site.first_of("s")
    busy.respond = lambda _: error(429, "busy", retry_after="7")
    await site.ask()
    site.now += 6.9
    assert site.first_of("s") is not busy
    site.now += 0.2
    assert site.first_of("s") is busy


async def test_never_fails_over_after_a_token(site: Site) -> None:
    first = site.first_of("s")
    first.respond = lambda _: events([(0.0, delta("half"))], then=Then.CUT, complete=False)
    request = CompletionRequest(messages=MESSAGES, affinity="s")
    async with aclosing(site.pool.stream(request)) as stream_:
        assert await anext(stream_) == TextDelta(text="half")
        with pytest.raises(EngineUnreachableError):
            await anext(stream_)
    assert sum(site.asked()) == 1
    assert site.first_of("s") is not first


async def test_a_wrong_request_is_not_passed_around(site: Site) -> None:
    for server in site.servers:
        server.respond = lambda _: error(400, "x", code="context_length_exceeded")
    with pytest.raises(ContextTooLongError):
        await site.ask()
    assert sum(site.asked()) == 1


async def test_all_down_still_asks_then_says_so(site: Site) -> None:
    for server in site.servers:
        await server.stop()
    for _ in range(2):
        with pytest.raises(EngineUnreachableError):
            await site.ask()
    assert not site.pool.healthy
    await site.servers[0].start()
    assert await site.ask()


async def test_most_telling_error_wins(site: Site) -> None:
    await site.servers[0].stop()
    site.servers[1].respond = lambda _: error(503, "busy")
    await site.servers[2].stop()
    with pytest.raises(EngineOverloadedError):
        await site.ask()


def test_order_of_telling() -> None:
    unreachable, late = EngineUnreachableError("u"), EngineTimeoutError("t")
    wrong, busy = EngineResponseError("r"), EngineOverloadedError("o")
    ranked: list[EngineError] = [unreachable, late, wrong, busy]
    for length in (4, 3, 2, 1):
        assert most_telling(ranked[:length]) is ranked[length - 1]
    assert isinstance(most_telling([]), EngineTimeoutError)


async def test_closing_aborts_upstream(site: Site) -> None:
    first = site.first_of("s")
    first.respond = lambda _: events([(0.0, delta("a"))], then=Then.HANG, complete=False)
    request = CompletionRequest(messages=MESSAGES, affinity="s")
    async with aclosing(site.pool.stream(request)) as stream_:
        await anext(stream_)
    await asyncio.wait_for(first.received[0].ended.wait(), 20)
    assert first.received[0].state is ReceivedState.ABORTED


async def test_probe_sees_who_serves_the_model(site: Site) -> None:
    assert not site.pool.healthy
    assert {state.trouble for state in site.pool.state()} == {"not asked yet"}
    good, other, dead = site.servers
    good.respond = lambda _: answer(200, {"data": [{"id": "scripted", "max_model_len": 64}]})
    other.respond = lambda _: answer(200, {"data": [{"id": "another"}]})
    await dead.stop()
    await site.pool.probe()
    assert {state.url: state.trouble for state in site.pool.state()} == {
        good.url: "",
        other.url: "engine_request_rejected",
        dead.url: "engine_unreachable",
    }
    assert await site.pool.window() == 64


async def test_second_probe_asks_for_health_only(site: Site) -> None:
    server = site.servers[0]
    engine = next(r.server for r in site.pool._replicas.all if r.name == server.url)
    models = answer(200, {"data": [{"id": "scripted"}]})
    server.respond = lambda r: models if r.path == "/v1/models" else error(404, "no")
    await engine.probe()
    await engine.probe()
    assert [r.path for r in server.received] == ["/v1/models", "/health"]
    server.respond = lambda _: error(503, "loading")
    with pytest.raises(EngineOverloadedError):
        await engine.probe()


async def test_window_needs_one_that_answers(site: Site) -> None:
    for server in site.servers:
        await server.stop()
    with pytest.raises(EngineUnreachableError):
        await site.pool.window()
    with pytest.raises(EngineUnreachableError):
        await site.pool.count_tokens(MESSAGES)


async def test_watched_pool_probes_by_itself() -> None:
    async with open_upstreams() as upstreams, scripted_upstream() as server:
        engine = OpenAIEngine(upstreams.at(server.url))
        async with watched_pool([engine]) as pool:
            while not pool.healthy:  # noqa: ASYNC110 - a pool has nothing to wait for
                await asyncio.sleep(0)
            assert pool.model == "scripted"
    assert not [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
