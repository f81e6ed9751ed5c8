"""``serve`` as a process of its own: the embedded guard, an embedded Valkey, a scripted engine."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from assistant.api.listener import listen, url
from assistant.api.server import _stoppable
from assistant.errors import SettingsError
from assistant.testing.scripted_replies import Plan, Received, Then, Timing, standard_replies
from assistant.testing.scripted_upstream import scripted_upstream
from tests.assistant.api.processes import Running, serving, started
from tests.assistant.api.scripted import settings
from tests.assistant.api.serving import chat, events

KEY = "key-of-acme"
HEADERS = {"authorization": f"Bearer {KEY}"}


def children(pid: int) -> list[int]:
    # Each thread has children of its own.
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for child in " ".join(lists).split()]


def arguments(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def workers_of(pid: int) -> list[int]:
    return [child for child in children(pid) if b"spawn_main" in arguments(child)]


@contextlib.contextmanager
def watching(pid: int) -> Iterator[asyncio.Event]:
    """An event that is set when the process ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        yield ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def first_chunk_then(running: Running, act: Any, **headers: str) -> str:
    """Stream an answer, ``act`` after its first piece, and read it to the end."""
    body = chat(stream=True)
    async with (
        httpx.AsyncClient(headers=headers) as client,
        client.stream("POST", f"{running.address}/v1/chat/completions", json=body) as response,
    ):
        assert response.status_code == 200
        pieces = response.aiter_text()
        text = await anext(pieces)
        act()
        return text + "".join([piece async for piece in pieces])


SLOW = standard_replies(Timing(first=0.01, gap=0.02, tokens=20))


class Hanging:
    """Answers like the standard replies but never generates."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def __call__(self, received: Received) -> Plan:
        if received.path.endswith("/chat/completions"):
            self.asked.set()
            return Plan(writes=(), then=Then.HANG)
        return SLOW(received)


async def test_it_serves_and_lets_turns_finish_when_asked_to_stop(tmp_path: Path) -> None:
    async with (
        scripted_upstream(SLOW) as upstream,
        serving(tmp_path, upstream) as running,
    ):
        assert "No API keys are set: only clients on this machine are served." in (
            *running.said,
            (await running.process.stdout.readline()).decode().strip(),  # type: ignore[union-attr]
        )
        text = await first_chunk_then(running, lambda: running.signal(signal.SIGTERM))
        assert events(text)[-1] == "[DONE]"
        code, stderr = await running.ended()
    assert (code, stderr) == (0, "")


async def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    hanging = Hanging()
    async with (
        scripted_upstream(hanging) as upstream,
        serving(tmp_path, upstream) as running,
        httpx.AsyncClient() as client,
    ):
        waiting = asyncio.create_task(
            client.post(f"{running.address}/v1/chat/completions", json=chat(), timeout=60)
        )
        await hanging.asked.wait()
        running.signal(signal.SIGINT)
        await refused(running.address)
        running.signal(signal.SIGINT)
        code, stderr = await running.ended()
        assert code == 0
        assert "Traceback" not in stderr
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(outcome, httpx.TransportError) or outcome.status_code == 503  # type: ignore[union-attr]


async def test_a_signal_during_the_start_ends_it() -> None:
    with pytest.raises(asyncio.CancelledError):
        async with _stoppable():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.get_running_loop().create_future()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def refused(address: str) -> None:
    """Knock until nobody opens any more."""
    host, port = address.removeprefix("http://").split(":")
    with pytest.raises(ConnectionError):
        while True:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()


async def answered(client: httpx.AsyncClient, address: str) -> httpx.Response:
    """Ask until somebody answers: a worker that was killed takes its connections with it."""
    while True:
        try:
            return await client.post(f"{address}/v1/chat/completions", json=chat(), timeout=5)
        except httpx.TransportError:
            await asyncio.sleep(0)


async def turns_counted(client: httpx.AsyncClient, address: str) -> float:
    families = text_string_to_metric_families((await client.get(f"{address}/metrics")).text)
    return sum(s.value for f in families for s in f.samples if s.name == "corral_turns_total")


async def test_workers_share_one_memory_and_count_together(tmp_path: Path) -> None:
    keys = json.dumps({KEY: "acme"})
    async with (
        scripted_upstream() as upstream,
        serving(tmp_path, upstream, workers=2, CORRAL_API_KEYS=keys) as running,
        httpx.AsyncClient(headers=HEADERS) as client,
    ):
        parent = running.process.pid
        workers = workers_of(parent)
        assert len(workers) == 2
        for pid in (parent, *children(parent)):
            assert KEY.encode() not in arguments(pid)
        body = chat(corral={"session": "s", "message_id": "m"})
        for attempt in range(12):
            # A new connection each time, so that both workers get their share.
            response = await client.post(
                f"{running.address}/v1/chat/completions",
                json=body,
                headers={"connection": "close"},
            )
            assert response.json()["corral"]["replayed"] is (attempt > 0)
        assert await turns_counted(client, running.address) == 12

        os.kill(workers[0], signal.SIGKILL)
        assert (await answered(client, running.address)).status_code == 200
        assert await turns_counted(client, running.address) == 13
        while len(workers_of(parent)) < 2:
            await answered(client, running.address)

        running.signal(signal.SIGTERM)
        code, stderr = await running.ended()
    assert code == 0
    assert "Traceback" not in stderr
    assert KEY not in stderr


async def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    async with (
        scripted_upstream() as upstream,
        serving(tmp_path, upstream, workers=2) as running,
        httpx.AsyncClient() as client,
    ):
        first, second = workers_of(running.process.pid)
        with watching(first) as first_ended, watching(second) as second_ended:
            os.kill(running.process.pid, signal.SIGKILL)
            await first_ended.wait()
            await second_ended.wait()
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{running.address}/healthz")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_part_that_cannot_start_is_told(tmp_path: Path, workers: int) -> None:
    async with (
        scripted_upstream() as upstream,
        started(
            tmp_path, upstream, workers=workers, CORRAL_POLICY=str(tmp_path / "missing.yaml")
        ) as running,
    ):
        code, stderr = await running.ended()
    assert code == 1
    assert "PolicyError" in stderr


def test_an_address_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"CORRAL_PORT: 127.0.0.1:{port} is taken"):
            listen(settings(port=port))


def test_an_address_of_somebody_else_is_told() -> None:
    keys = {"k": "acme"}
    with pytest.raises(SettingsError, match="CORRAL_HOST"):
        listen(settings(host="203.0.113.7", api_keys=keys))
    with pytest.raises(SettingsError, match="CORRAL_HOST"):
        listen(settings(host="no.such.host.invalid", api_keys=keys))


def test_where_it_listens_can_be_opened() -> None:
    for host, shown in (("localhost", "http://127.0.0.1:"), ("::1", "http://[::1]:")):
        listener = listen(settings(host=host, port=0))
        assert url(listener).startswith(shown)
        listener.close()
