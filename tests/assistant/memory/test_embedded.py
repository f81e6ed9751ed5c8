"""The embedded server: shared, private, durable, and gone with its last user."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from assistant.errors import MemoryUnavailableError, SettingsError
from assistant.memory import embedded
from assistant.memory.connection import connect
from assistant.memory.embedded import EmbeddedValkey
from assistant.memory.redis_store import RedisSessionStore
from assistant.turn import SessionKey
from tests.assistant.memory.conftest import LIMITS
from tests.assistant.memory.samples import commit_of, opened, said, take_turn, texts

KEY = SessionKey(tenant="t", user="u", session="s")

HOLDER = """
import sys
from pathlib import Path
from assistant.memory.embedded import EmbeddedValkey
EmbeddedValkey(Path(sys.argv[1])).start()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path must be short.
    with TemporaryDirectory(prefix="corral-") as name:
        folder = Path(name) / "valkey"
        yield folder
        until(lambda: not running(folder))


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something another process does, which sends no event here."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def running(folder: Path) -> dict[str, int]:
    """The processes that work in ``folder``: ``keeper`` and ``server`` to their ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder:
                command = (entry / "cmdline").read_bytes()
                if (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found["keeper" if b"valkey_keeper" in command else "server"] = int(entry.name)
    return found


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that uses the server of ``folder``."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@contextlib.asynccontextmanager
async def store_on(valkey: EmbeddedValkey):  # type: ignore[no-untyped-def] # a fixture's context
    client = connect(valkey.url, deadline=LIMITS.deadline)
    yield RedisSessionStore(client, limits=LIMITS)
    await client.aclose()


async def committed_while_restarting(store: RedisSessionStore, text: str) -> None:
    end = time.monotonic() + 15
    while True:
        try:
            return await take_turn(store, KEY, text)
        except MemoryUnavailableError:
            assert time.monotonic() < end


async def test_sessions_survive_a_restart(folder: Path) -> None:
    for number in range(3):
        with EmbeddedValkey(folder) as valkey:
            async with store_on(valkey) as store:
                await take_turn(store, KEY, str(number))
        until(lambda: not running(folder))
    with EmbeddedValkey(folder) as valkey:
        async with store_on(valkey) as store:
            session = await opened(store, KEY, "last")
    assert texts(session.history) == ["0", "0", "1", "1", "2", "2"]


async def test_any_name_of_a_folder_will_do(folder: Path) -> None:
    odd = folder.with_name("my data?db=7#1%20 é")
    with EmbeddedValkey(odd) as valkey:
        async with store_on(valkey) as store:
            await store.ping()
    until(lambda: not running(odd))


def test_it_is_private_and_on_no_port(folder: Path) -> None:
    with EmbeddedValkey(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        for name in ("valkey.sock", "keeper.sock", "owner.lock"):
            assert (folder / name).stat().st_mode & 0o077 == 0
        server = running(folder)["server"]
        inodes = {
            line.split()[9]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{server}/net/{table}").read_text().splitlines()[1:]
        }
        opened_by_server = {link.readlink().name for link in Path(f"/proc/{server}/fd").iterdir()}
        assert not any(f"socket:[{inode}]" in opened_by_server for inode in inodes)


async def test_processes_share_it_and_the_last_one_ends_it(folder: Path) -> None:
    with EmbeddedValkey(folder) as valkey:
        first = running(folder)
        assert first.keys() == {"keeper", "server"}
        with holder(folder) as other:
            assert running(folder) == first
            valkey.close()
            async with store_on(valkey) as store:
                await take_turn(store, KEY, "one")
            assert running(folder) == first
            other.kill()
    until(lambda: not running(folder))


def test_many_processes_at_once_start_one(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        shares = [stack.enter_context(EmbeddedValkey(folder)) for _ in range(3)]
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", HOLDER, str(folder)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for _ in range(3)
        ]
        shares[0].close()
        for share in shares:
            share.close()
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        assert len(running(folder)) == 2
        for process in processes:
            process.kill()


async def test_it_ends_with_a_process_that_is_killed_and_loses_nothing(folder: Path) -> None:
    with holder(folder) as other:
        client = connect(EmbeddedValkey(folder).url, deadline=LIMITS.deadline)
        await take_turn(RedisSessionStore(client, limits=LIMITS), KEY, "one")
        await client.aclose()
        other.kill()
    until(lambda: not running(folder))
    with EmbeddedValkey(folder) as valkey:
        async with store_on(valkey) as store:
            assert texts((await opened(store, KEY, "t")).history) == ["one", "one"]


@pytest.mark.parametrize("victim", ["server", "keeper"])
async def test_whatever_is_killed_is_started_again_with_all_commits(
    folder: Path, victim: str
) -> None:
    with EmbeddedValkey(folder) as valkey:
        async with store_on(valkey) as store:
            await take_turn(store, KEY, "before")
            lease = (await opened(store, KEY, "t2")).lease
            before = running(folder)
            os.kill(before[victim], signal.SIGKILL)
            until(lambda: running(folder).get(victim) not in (None, before[victim]))
            await store.commit(lease, commit_of(said("during")))
            await committed_while_restarting(store, "after")
            session = await opened(store, KEY, "last")
    assert texts(session.history) == ["before", "before", "during", "after", "after"]


async def test_everything_killed_at_once_loses_nothing(folder: Path) -> None:
    with holder(folder) as other:
        client = connect(EmbeddedValkey(folder).url, deadline=LIMITS.deadline)
        store = RedisSessionStore(client, limits=LIMITS)
        for number in range(20):
            await take_turn(store, KEY, str(number))
        victims = running(folder)
        for process in (victims["keeper"], victims["server"], other.pid):
            os.kill(process, signal.SIGKILL)
        await client.aclose()
    until(lambda: not running(folder))
    with EmbeddedValkey(folder) as valkey:
        async with store_on(valkey) as store:
            session = await opened(store, KEY, "last")
    assert texts(session.history) == [str(number) for number in range(20) for _ in (0, 1)]


async def test_a_torn_end_of_the_file_costs_only_what_was_never_acknowledged(folder: Path) -> None:
    with EmbeddedValkey(folder) as valkey:
        async with store_on(valkey) as store:
            await take_turn(store, KEY, "one")
    until(lambda: not running(folder))
    (journal,) = (folder / "appendonlydir").glob("*.incr.aof")
    with journal.open("ab") as file:
        file.write(b"*3\r\n$5\r\nRPUSH\r\n$90\r\ncorral:{torn")
    with EmbeddedValkey(folder) as valkey:
        async with store_on(valkey) as store:
            assert texts((await opened(store, KEY, "t")).history) == ["one", "one"]


def test_a_server_that_cannot_start_is_a_clear_error(folder: Path) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense")
    with pytest.raises(MemoryUnavailableError, match=r"does not start; see valkey\.log"):
        EmbeddedValkey(folder).start()


def test_a_folder_too_deep_for_a_socket_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CORRAL_DATA_DIR"):
        EmbeddedValkey(tmp_path / ("d" * 100)).start()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="corral-") as name:
        (Path(name) / "file").touch()
        with pytest.raises(SettingsError, match="CORRAL_DATA_DIR"):
            EmbeddedValkey(Path(name) / "file" / "valkey").start()


def test_a_platform_without_the_server_is_a_clear_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MemoryUnavailableError, match="CORRAL_REDIS_URL"):
        EmbeddedValkey(folder).start()


def test_a_stale_socket_is_no_obstacle(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("keeper.sock", "valkey.sock"):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(folder / name))
    with EmbeddedValkey(folder):
        assert running(folder).keys() == {"keeper", "server"}
