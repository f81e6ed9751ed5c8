"""The launcher with the real llama.cpp server, and with small programs where timing matters."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import aiohttp
import pytest

from assistant.engine.launcher import EngineState, LocalEngine, free_port
from assistant.engine.programs import EngineProgram, llama_cpp
from assistant.errors import EngineStartError

MODEL = "smollm2-135m"

SERVER = """
    import http.server, json, os, socketserver, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ours = self.headers["Authorization"] == "Bearer " + os.environ["KEY"]
            body = json.dumps({"data": [{"id": "m"}]}).encode()
            self.send_response(200 if ours else 401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *a): pass
    class Server(socketserver.ThreadingTCPServer):  # HTTPServer would look up a name first
        allow_reuse_address = True
    PRELUDE
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def script(prelude: str = "", *, deadline: float = 20.0) -> EngineProgram:
    """A scripted stand-in for an engine: serves a model list after running ``prelude``."""
    source = textwrap.dedent(SERVER).replace("PRELUDE", prelude)
    return EngineProgram(
        name="stand-in",
        model="m",
        command=(sys.executable, "-c", source, "{port}"),
        key_variable="KEY",
        start_deadline=deadline,
    )


def gone_within(pid: int, seconds: float) -> bool:
    """Whether the process ends in time; told by the kernel, not by polling."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


async def get(engine: LocalEngine, path: str, key: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
        http.get(engine.base_url.removesuffix("/v1") + path, headers=headers) as response,
    ):
        return response.status


async def test_the_real_engine_starts_serves_restarts_and_stops(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_API_KEYS", "canary")
    monkeypatch.setenv("HF_TOKEN", "canary")
    lines: list[str] = []
    async with LocalEngine(
        llama_cpp(smollm2, model=MODEL, window=512), on_progress=lines.append, backoff=0.05
    ) as engine:
        assert engine.state is EngineState.READY
        assert await get(engine, "/v1/models", engine.api_key) == 200
        assert await get(engine, "/v1/models") == 401
        first, url = engine.pid, engine.base_url
        assert first is not None
        environment, command_line = told(first)
        assert b"canary" not in environment
        assert engine.api_key.encode() in environment
        assert engine.api_key.encode() not in command_line

        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(gone_within, first, 5)
        await engine.until(EngineState.RESTARTING, deadline=10)
        await engine.ready(30)
        second = engine.pid
        assert second not in (None, first)
        assert engine.base_url == url
        assert await get(engine, "/v1/models", engine.api_key) == 200
    assert engine.state is EngineState.STOPPED
    assert second is not None
    assert gone_within(second, 0)
    assert "llama.cpp ended (signal SIGKILL); starting it again" in lines
    assert sum("is ready after" in line for line in lines) == 2


def told(pid: int) -> tuple[bytes, bytes]:
    """The environment and the command line of a process."""
    process = Path(f"/proc/{pid}")
    return (process / "environ").read_bytes(), (process / "cmdline").read_bytes()


def test_the_real_engine_ends_when_its_parent_is_killed(smollm2: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from assistant.engine.launcher import LocalEngine
from assistant.engine.programs import llama_cpp
async def main():
    async with LocalEngine(llama_cpp(Path({str(smollm2)!r}), model="m", window=512)) as engine:
        print(engine.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        engine = int(parent.stdout.readline())
        os.kill(engine, 0)
        parent.kill()
        assert gone_within(engine, 10)


async def test_killing_the_keeper_ends_the_engine_and_a_new_one_starts() -> None:
    async with LocalEngine(script(), backoff=0.01) as engine:
        assert engine.pid is not None
        first = engine.pid
        os.kill(parent_of(first), signal.SIGKILL)
        assert await asyncio.to_thread(gone_within, first, 5)
        await engine.until(EngineState.RESTARTING, deadline=10)
        await engine.ready(20)
        assert engine.pid != first


def parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid")))


async def test_what_the_engine_started_ends_with_it(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    prelude = (
        "import subprocess; child = subprocess.Popen(['sleep', '300']); "
        f"open({str(pidfile)!r}, 'w').write(str(child.pid))"
    )
    async with LocalEngine(script(prelude)):
        child = int(pidfile.read_text())
    assert gone_within(child, 1)


async def test_an_engine_deaf_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalEngine(script("import signal; signal.signal(15, signal.SIG_IGN)")) as engine:
        pid = engine.pid
    assert pid is not None
    assert gone_within(pid, 0)


async def test_an_engine_that_keeps_crashing_is_given_up() -> None:
    async with LocalEngine(script(), restarts=2, backoff=0.01) as engine:
        for _ in range(3):
            assert engine.pid is not None
            pid = engine.pid
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(gone_within, pid, 5)
            await engine.until(EngineState.RESTARTING, EngineState.FAILED, deadline=10)
            await engine.until(EngineState.READY, EngineState.FAILED, deadline=20)
        assert engine.state is EngineState.FAILED
        with pytest.raises(EngineStartError, match="given up after 2 restarts"):
            await engine.ready(1)


async def test_an_engine_that_ends_while_starting_is_explained_by_its_last_words() -> None:
    noise = "sys.stderr.write('x' * 2_000_000 + chr(10) * 5000 + 'no such weights'); sys.exit(3)"
    with pytest.raises(EngineStartError, match=r"exit code 3[\s\S]*no such weights") as caught:
        async with LocalEngine(script(noise)):
            pass
    assert len(str(caught.value)) < 10_000


async def test_an_engine_that_does_not_answer_is_ended_at_its_deadline() -> None:
    prelude = "import time; print('thinking', flush=True); time.sleep(300)"
    with pytest.raises(EngineStartError, match=r"within 1 s[\s\S]*thinking"):
        async with LocalEngine(script(prelude, deadline=1.0)):
            pass


async def test_a_program_that_is_missing_is_named() -> None:
    program = EngineProgram(name="x", model="m", command=("/no/such/engine",), key_variable="KEY")
    with pytest.raises(EngineStartError, match=r"/no/such/engine.*No such file"):
        async with LocalEngine(program):
            pass


async def test_a_port_taken_meanwhile_is_left_to_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        ports = iter([taken, free_port()])
        async with LocalEngine(script(), choose_port=lambda: next(ports)) as engine:
            assert engine.base_url != f"http://127.0.0.1:{taken}/v1"


async def test_ports_that_are_always_taken_end_in_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        with pytest.raises(EngineStartError, match="taken 5 times"):
            async with LocalEngine(script(), choose_port=lambda: taken):
                pass


async def test_cancelling_the_start_leaves_no_process(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    os.mkfifo(pidfile)
    prelude = f"open({str(pidfile)!r}, 'w').write(str(os.getpid())); import time; time.sleep(300)"

    async def start() -> None:
        async with LocalEngine(script(prelude)):
            pass

    task = asyncio.create_task(start())
    pid = int(await asyncio.to_thread(pidfile.read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone_within(pid, 1)
