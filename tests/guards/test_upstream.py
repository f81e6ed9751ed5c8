"""One server over real sockets: answers, failures and deadlines."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from assistant.testing.scripted_replies import (
    DONE,
    Plan,
    Received,
    ReceivedState,
    Then,
    Timing,
    answer,
    error,
    events,
    standard_replies,
)
from assistant.testing.scripted_upstream import ScriptedUpstream, scripted_upstream
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
from guards.upstream import MAX_BODY_BYTES, Upstream, Upstreams, open_upstreams


@pytest.fixture
async def upstreams() -> AsyncGenerator[Upstreams, None]:
    async with open_upstreams() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncGenerator[ScriptedUpstream, None]:
    async with scripted_upstream() as started:
        yield started


@pytest.fixture
def upstream(upstreams: Upstreams, server: ScriptedUpstream) -> Upstream:
    return upstreams.at(server.url, api_key="sesame")


async def payloads(upstream: Upstream, *, first: float = 5, gap: float = 5) -> list[bytes]:
    async with aclosing(upstream.stream("x", {}, first_timeout=first, gap_timeout=gap)) as stream:
        return [payload async for payload in stream]


async def test_posts_json_below_the_base_url(upstream: Upstream, server: ScriptedUpstream) -> None:
    server.respond = lambda _: answer(200, {"a": ["é"]})
    assert await upstream.post_json("chat/completions", {"b": "ü"}, timeout=5) == {"a": ["é"]}
    received = server.received[0]
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.json == {"b": "ü"}
    assert received.header("Content-Type") == "application/json"
    assert received.header("Accept-Encoding") == "identity"
    assert received.header("Authorization") == "Bearer sesame"


async def test_absolute_paths_start_at_the_servers_root(
    upstreams: Upstreams, server: ScriptedUpstream
) -> None:
    server.respond = lambda _: answer(200, b"")
    assert await upstreams.at(server.url).get_json("/health", timeout=5) is None
    prefixed = upstreams.at(server.url.replace("/v1", "/guard/v1/"))
    await prefixed.get_json("/tokenize", timeout=5)
    bare = upstreams.at(server.url.removesuffix("/v1"))
    await bare.get_json("/tokenize", timeout=5)
    await bare.get_json("models", timeout=5)
    assert [r.path for r in server.received] == [
        "/health",
        "/guard/tokenize",
        "/tokenize",
        "/models",
    ]
    assert server.received[0].header("Authorization") is None


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/v1", "127.0.0.1:8000", "http:///v1"])
def test_address_must_be_http(upstreams: Upstreams, address: str) -> None:
    with pytest.raises(ValueError, match="http"):
        upstreams.at(address)


def test_key_shows_nowhere(upstream: Upstream) -> None:
    assert "sesame" not in repr(upstream) + upstream.name + upstream.url


async def test_connections_are_used_again(upstream: Upstream, server: ScriptedUpstream) -> None:
    for _ in range(3):
        await upstream.get_json("models", timeout=5)
        await payloads_of_standard_stream(upstream)
        with pytest.raises(RejectedError):
            await upstream.get_json("nowhere", timeout=5)
    assert server.accepted == 1


async def payloads_of_standard_stream(upstream: Upstream) -> None:
    async with aclosing(
        upstream.stream("chat/completions", {"stream": True}, first_timeout=5, gap_timeout=5)
    ) as stream:
        assert len([payload async for payload in stream]) == 43


async def test_a_connection_given_up_meanwhile_is_replaced(
    upstream: Upstream, server: ScriptedUpstream
) -> None:
    await upstream.get_json("models", timeout=5)
    standard = server.respond
    resets = iter([Plan(writes=(), then=Then.RESET)])
    server.respond = lambda received: next(resets, None) or standard(received)
    assert await upstream.post_json("chat/completions", {}, timeout=5)
    assert server.accepted == 2


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (answer(200, b"{not json"), BadResponseError),
        (answer(200, b"1" * (MAX_BODY_BYTES + 1)), BadResponseError),
        (answer(302, b"", headers={"Location": "http://127.0.0.1/"}), BadResponseError),
        (answer(500, b"secret words"), BadResponseError),
        (Plan(writes=((0.0, b"220 mail secret\r\n"),), then=Then.CLOSE), BadResponseError),
        (
            Plan(writes=((0.0, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),), then=Then.CUT),
            UnreachableError,
        ),
        (Plan(writes=(), then=Then.RESET), UnreachableError),
        (Plan(writes=(), then=Then.CUT), UnreachableError),
        (Plan(writes=(), then=Then.HANG), TimedOutError),
        (
            Plan(writes=((0.0, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),), then=Then.HANG),
            TimedOutError,
        ),
    ],
)
async def test_failures_are_told_apart(
    upstream: Upstream, server: ScriptedUpstream, plan: Plan, expected: type[UpstreamError]
) -> None:
    server.respond = lambda _: plan
    with pytest.raises(expected) as caught:
        # Only what hangs may meet its deadline: a busy machine must not turn one failure into
        # another.
        await upstream.post_json(
            "x", {"text": "secret"}, timeout=0.2 if expected is TimedOutError else 30
        )
    assert type(caught.value) is expected
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "secret" not in str(chain)
        chain = chain.__cause__


async def test_nobody_listens(upstream: Upstream, server: ScriptedUpstream) -> None:
    await server.stop()
    with pytest.raises(UnreachableError):
        await upstream.get_json("models", timeout=5)


async def test_lone_surrogates_cannot_be_sent(upstream: Upstream) -> None:
    with pytest.raises(ValueError, match="JSON cannot") as caught:
        await upstream.post_json("x", {"secret": "\udc00"}, timeout=5)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "payload", "kind"),
    [
        (401, None, RejectionKind.AUTH),
        (403, None, RejectionKind.AUTH),
        (404, None, RejectionKind.NOT_FOUND),
        (405, None, RejectionKind.NOT_FOUND),
        (400, None, RejectionKind.BAD_REQUEST),
        (422, {"detail": [{"msg": "field required"}]}, RejectionKind.BAD_REQUEST),
        (413, None, RejectionKind.BAD_REQUEST),
        (400, {"error": "just words"}, RejectionKind.BAD_REQUEST),
        (400, {"error": {"code": "context_length_exceeded"}}, RejectionKind.CONTEXT_TOO_LONG),
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 4096 tokens."},
            RejectionKind.CONTEXT_TOO_LONG,
        ),
        (
            400,
            {"error": {"type": "exceed_context_size_error", "message": "..."}},
            RejectionKind.CONTEXT_TOO_LONG,
        ),
        (
            500,
            {"error": {"message": "Requested tokens (9) exceed context window of 4"}},
            RejectionKind.CONTEXT_TOO_LONG,
        ),
    ],
)
def test_rejections(status: int, payload: object, kind: RejectionKind) -> None:
    failure = refusal("host", status, payload)
    assert isinstance(failure, RejectedError)
    assert (failure.status, failure.kind) == (status, kind)


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("soon", None), (None, None)])
@pytest.mark.parametrize("status", [429, 503])
def test_overload(status: int, header: str | None, seconds: float | None) -> None:
    failure = refusal("host", status, None, retry_after=header)
    assert isinstance(failure, OverloadedError)
    assert failure.retry_after == seconds


async def test_stream_ends_at_done(upstream: Upstream, server: ScriptedUpstream) -> None:
    server.respond = lambda _: events([(0.0, b"data: 1\n\ndata: 2\n\n" + DONE + b"data: 3\n\n")])
    assert await payloads(upstream) == [b"1", b"2"]


async def test_endless_event(upstream: Upstream, server: ScriptedUpstream) -> None:
    server.respond = lambda _: events([(0.0, b"data: " + b"x" * (2 << 20))])
    with pytest.raises(BadResponseError, match="size cap"):
        await payloads(upstream)


async def test_stream_refusals(upstream: Upstream, server: ScriptedUpstream) -> None:
    server.respond = lambda _: error(429, "secret", retry_after="2")
    with pytest.raises(OverloadedError) as caught:
        await payloads(upstream)
    assert caught.value.retry_after == 2.0


async def test_server_that_never_closes_after_done(
    upstream: Upstream, server: ScriptedUpstream
) -> None:
    server.respond = lambda _: events([(0.0, b"data: 1\n\n" + DONE)], complete=False)
    assert await payloads(upstream) == [b"1"]
    await asyncio.wait_for(server.received[0].ended.wait(), 20)


async def test_cancelling_a_call_closes_its_connection(
    upstream: Upstream, server: ScriptedUpstream
) -> None:
    arrived = asyncio.Event()

    def respond(_: Received) -> Plan:
        arrived.set()
        return Plan(writes=(), then=Then.HANG)

    server.respond = respond
    task = asyncio.create_task(upstream.post_json("x", {}, timeout=60))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.received[0].ended.wait(), 20)
    assert server.received[0].state is ReceivedState.ABORTED


async def test_an_outer_deadline_is_not_the_upstreams(
    upstream: Upstream, server: ScriptedUpstream
) -> None:
    server.respond = lambda _: Plan(writes=(), then=Then.HANG)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.05):
            await upstream.post_json("x", {}, timeout=60)
    assert not isinstance(caught.value, UpstreamError)


async def test_served_models(upstream: Upstream, server: ScriptedUpstream) -> None:
    server.respond = lambda _: answer(
        200, {"data": [{"id": "a", "max_model_len": 64}, {"id": "b"}]}
    )
    assert await served_models(upstream, timeout=5) == (
        ServedModel(name="a", window=64),
        ServedModel(name="b"),
    )


@pytest.mark.parametrize("payload", [[], {"data": []}, {"data": [{"name": "a"}]}, {"data": [1]}])
async def test_no_models(upstream: Upstream, server: ScriptedUpstream, payload: object) -> None:
    server.respond = lambda _: answer(200, payload)
    with pytest.raises(BadResponseError):
        await served_models(upstream, timeout=5)


async def test_standard_replies_answer_health(upstream: Upstream, server: ScriptedUpstream) -> None:
    server.respond = standard_replies(Timing())
    await upstream.ping("/health", timeout=5)
