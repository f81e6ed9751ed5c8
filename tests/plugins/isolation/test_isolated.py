"""A plugin in a process of its own: it does what it does elsewhere, and its end is its own."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from plugins import registry
from plugins.access import Access
from plugins.configuration import Configuration
from plugins.errors import (
    AccessDeniedError,
    PluginEndedError,
    PluginError,
    PluginLoadError,
    ToolError,
)
from plugins.http.errors import LimitExceededError
from plugins.isolation import confinement, isolated, process
from plugins.opening import Means, open_plugins
from plugins.plugin import Installed
from plugins.result import Result
from plugins.running import Trouble, run_limited
from plugins.source import Source
from plugins.testing import FakeHTTP, FakeStore, access
from tests.plugins.isolation.conftest import SECRETS, WILD, Opening, answer, bwrap
from tests.plugins.isolation.wild import wild

Call = Callable[..., Any]


def children() -> set[int]:
    """Processes below this one that have not ended."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if state(pid) not in ("", "Z")}


def means(**other: Any) -> Access:
    http = FakeHTTP(other.pop("respond", answer), hosts=("example.com",))
    return access(http=http, secrets=SECRETS, **other)


async def call(installed: Installed, name: str, **arguments: Any) -> Result:
    (tool,) = [tool for tool in installed.tools if tool.name == name]
    return await tool.run(arguments, means())


@pytest.fixture(autouse=True)
def no_process_is_left() -> Any:
    before = children()
    yield
    assert children() <= before


async def test_a_plugin_is_what_it_is_in_this_process(opening: Opening) -> None:
    async with opening() as installed:
        assert installed.manifest == wild.MANIFEST
        assert installed.secrets == {"KEY": "sesame"}
        for there, here in zip(installed.tools, wild.TOOLS, strict=True):
            assert there.spec == here.spec
            assert (there.side_effect, there.reads, there.content) == (
                here.side_effect,
                here.reads,
                here.content,
            )
        here = await wild.rich.run({}, access(secrets={"KEY": "sesame"}))
        assert await call(installed, "rich") == here
        assert "OTHER" not in here.content


async def test_it_reaches_the_network_and_its_store_through_corral_only(opening: Opening) -> None:
    async with opening() as installed:
        (visit,) = [tool for tool in installed.tools if tool.name == "visit"]
        http = FakeHTTP(answer, hosts=("example.com",))
        given = access(http=http)
        moved = await visit.run({"url": "https://example.com/moved"}, given)
        assert moved.artifact == {
            "url": "https://example.com/there",
            "status": 200,
            "text": "page /there 1",
        }
        assert [r.url.path for r in http.requests] == ["/moved", "/there"]
        assert "python-httpx" not in http.requests[0].headers.get("user-agent", "")
        for url in ("https://evil.example/", "https://example.com/astray", "http://127.0.0.1/"):
            with pytest.raises(AccessDeniedError):
                await visit.run({"url": url}, given)
        for error in (
            httpx.ConnectTimeout("slow"),
            httpx.RemoteProtocolError("odd"),
            LimitExceededError("an answer may have 1 byte"),
        ):
            with pytest.raises(PluginError, match=type(error).__name__):
                await visit.run({"url": "https://example.com/"}, means(respond=_raising(error)))
        large = means(respond=lambda _: httpx.Response(200, content=b"x" * 9_000_000))
        with pytest.raises(ToolError, match="a response may have"):
            await visit.run({"url": "https://example.com/"}, large)
        assert (await call(installed, "keep")).artifact == [None, "\x001", False, True, None]


def _raising(error: Exception) -> Any:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error

    return respond


async def test_calls_run_side_by_side_and_each_gets_its_own_answer(opening: Opening) -> None:
    async with opening() as installed:
        hanging = asyncio.create_task(call(installed, "hang"))
        results = await asyncio.gather(
            *(call(installed, "echo", text=f"text {n}") for n in range(200))
        )
        assert [result.content for result in results] == [f"text {n}" for n in range(200)]
        assert not hanging.done()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        # The process heard of it and goes on.
        assert (await call(installed, "echo", text="still here")).content == "still here"


async def test_words_for_the_user_are_passed_on_but_no_flood_of_them(opening: Opening) -> None:
    told: list[str] = []
    async with opening() as installed:
        (chatter,) = [tool for tool in installed.tools if tool.name == "chatter"]
        await chatter.run({}, means(progress=told.append))
    assert len(told) == 100
    assert told[0].startswith("0 x")
    assert max(map(len, told)) == 200


async def test_what_a_tool_raises_is_an_error_of_its_call(opening: Opening) -> None:
    async with opening() as installed:
        with pytest.raises(ToolError, match="name a larger one"):
            await call(installed, "cannot")
        with pytest.raises(PluginError) as failed:
            await call(installed, "broken")
        assert str(failed.value) == "broken failed with ZeroDivisionError"
        with pytest.raises(PluginError, match="leave failed with SystemExit"):
            await call(installed, "leave")
        with pytest.raises(ToolError, match="more than any tool may"):
            await call(installed, "huge")
        with pytest.raises(PluginError, match="MemoryError"):
            await call(installed, "hog", megabytes=512)
        assert (await call(installed, "hog", megabytes=16)).artifact == 16 * 1024 * 1024
        with pytest.raises(ToolError, match="no text"):
            await call(installed, "echo", text="\ud800")
        assert (await call(installed, "echo", text="well")).content == "well"


ENDS = {
    "exit": "ended$",
    "orphan": "ended$",
    "segfault": "ended$",
    "garbage": "none that there is",
    "forged": "calls that there are not",
    "flood": "says more than it may",
}


async def test_its_end_fails_the_calls_in_it_and_the_next_call_starts_another(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.isolation.warden.MOST_ENDS", len(ENDS))
    async with opening() as installed:
        for how, words in ENDS.items():
            other = asyncio.create_task(call(installed, "hang"))
            await call(installed, "echo", text="the other is in")
            with pytest.raises(PluginEndedError, match=words):
                await call(installed, "die", how=how)
            with pytest.raises(PluginEndedError, match="the plugin's process ended"):
                await other
        with pytest.raises(ToolError, match=r"6 times within a minute.*in \d+ seconds"):
            await call(installed, "echo", text="x")


async def test_after_a_minute_it_is_started_again(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.isolation.warden.MOST_ENDS", 1)
    monkeypatch.setattr("plugins.isolation.warden.WINDOW_SECONDS", 0.05)
    async with opening() as installed:
        with pytest.raises(PluginEndedError):
            await call(installed, "die", how="exit")
        async with asyncio.timeout(5):
            while True:
                try:
                    result = await call(installed, "echo", text="again")
                    break
                except ToolError:
                    await asyncio.sleep(0)
        assert result.content == "again"


async def test_a_call_that_does_not_stop_costs_the_process(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_ABORT_SECONDS", 0.05)
    async with opening() as installed:
        deaf = asyncio.create_task(call(installed, "deaf"))
        other = asyncio.create_task(call(installed, "hang"))
        await call(installed, "echo", text="both are in")
        deaf.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deaf
        with pytest.raises(PluginEndedError, match="did not stop when it was told to"):
            await other
        assert (await call(installed, "echo", text="a new one")).content == "a new one"


async def test_a_process_that_has_used_up_its_time_is_replaced_after_its_calls(
    opening: Opening,
) -> None:
    async with opening() as installed:
        hanging = asyncio.create_task(call(installed, "hang"))
        first = (await call(installed, "tire")).artifact
        second = first
        async with asyncio.timeout(10):
            while second == first:  # the word that it is tired may come after its answer
                second = (await call(installed, "tire")).artifact
        assert state(first) not in ("", "Z")
        assert not hanging.done(), "its other calls go on"
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)


async def test_what_a_call_was_given_is_no_use_when_it_is_over(opening: Opening) -> None:
    async with opening() as installed:
        assert (await call(installed, "linger")).content == "over"
        assert (await call(installed, "lingered")).content == "the call is over"


async def test_a_store_that_is_away_is_an_answer(opening: Opening) -> None:
    class Away(FakeStore):
        async def get(self, key: str) -> bytes | None:
            raise RuntimeError("with an address in it")

    async with opening() as installed:
        (keep,) = [tool for tool in installed.tools if tool.name == "keep"]
        with pytest.raises(ToolError, match=r"^RuntimeError$"):
            await keep.run({}, means(store=Away()))


async def test_one_that_does_not_take_its_answers_is_ended(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_WRITE_SECONDS", 0.2)
    asked: list[httpx.Request] = []

    def large(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"x" * 1_000_000)

    async with opening() as installed:
        (ignore,) = [tool for tool in installed.tools if tool.name == "ignore"]
        with pytest.raises(PluginEndedError, match="does not listen"):
            await ignore.run({}, means(respond=large))
        assert len(asked) == 8
        assert (await call(installed, "echo", text="a new one")).content == "a new one"


async def test_an_operators_plugin_file_isolates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(WILD)
    monkeypatch.setattr(confinement.shutil, "which", lambda _: None)
    entry = EntryPoint(name="wild", value="wild:plugin", group="corral.plugins")
    monkeypatch.setattr(registry, "entry_points", lambda **_: [entry])
    section = {"isolated": True, "unconfined": True, "limits": {"seconds": 3}}
    configuration = Configuration.model_validate(
        {"enabled": ["wild"], "plugins": {"wild": section}}
    )
    given = Means(environ={"KEY": "sesame"}, folder=tmp_path, cache=lambda _: FakeStore())
    async with open_plugins(configuration, given) as catalogue:
        bound = catalogue.bound["echo"]
        assert bound.manifest.limits.seconds == 3
        assert (await run_limited(bound, {"text": "hi"}, means())) == Result(content="hi")
        trouble = await run_limited(catalogue.bound["die"], {"how": "exit"}, means())
        assert isinstance(trouble, Trouble)
        assert (trouble.problem, trouble.known) == (process.ENDED, False)
    assert "wild" not in sys.modules


def test_it_runs_on_the_servers_event_loop_too(opening: Opening) -> None:
    async def scenario() -> None:
        async with opening() as installed:
            assert (await call(installed, "echo", text="hi")).content == "hi"
            with pytest.raises(PluginEndedError):
                await call(installed, "die", how="exit")
            assert (await call(installed, "echo", text="again")).content == "again"

    uvloop.run(scenario())


async def test_an_opened_plugin_gets_options_secrets_cache_and_folder(
    opening: Opening, tmp_path: Path
) -> None:
    cache = FakeStore()
    async with opening("wild:opening", cache=cache, greeting="good day") as installed:
        assert (await call(installed, "greet")).content == "good day page /setup None sesame"
        with pytest.raises(PluginEndedError):
            await call(installed, "stop")
        assert (await call(installed, "greet")).content.startswith("good day")
        assert (tmp_path / "folder/count").read_text() == "2"
    assert cache.values["page"][0] == b"page /setup None"
    assert (tmp_path / "folder/closed").exists(), "it may put its things away"


async def test_what_it_says_of_itself_holds_for_every_later_process(opening: Opening) -> None:
    async with opening("wild:opening", fickle=True) as installed:
        with pytest.raises(PluginEndedError):
            await call(installed, "stop")
        with pytest.raises(ToolError, match="could not be started again"):
            await call(installed, "greet")


async def test_a_plugin_that_is_not_as_agreed_does_not_open(opening: Opening) -> None:
    with pytest.raises(PluginLoadError, match="not what was agreed to") as refused:
        async with opening(digest="0" * 64):
            pass
    digest = str(refused.value).rpartition(" ")[2]
    async with opening(digest=digest) as installed:
        assert installed.tools


@pytest.mark.parametrize(
    ("entry", "options", "reason"),
    [
        ("wild:nothing", {}, "cannot be imported: AttributeError"),
        ("wild:not_a_plugin", {}, "is not a plugins.plugin.Plugin"),
        ("at_import:plugin", {}, "did not open: the plugin's process ended"),
        ("wild:opening", {"gretting": "x"}, "options: gretting: Extra inputs"),
        ("nowhere:plugin", {}, "there is no package nowhere"),
        ("nowhere", {}, "must be of the form module:object"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    opening: Opening, entry: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PluginLoadError, match=f"plugin wild: .*{reason}"):
        async with opening(entry, **options):
            pass


async def test_one_that_does_not_open_in_time_is_ended(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "START_SECONDS", 0.4)
    with pytest.raises(PluginLoadError, match=r"did not open within 0\.4 seconds"):
        async with opening("wild:opening", stuck=True):
            pass


async def test_without_bubblewrap_the_operator_must_have_allowed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(confinement.shutil, "which", lambda _: None)
    with pytest.raises(PluginLoadError, match=r"bubblewrap is not installed.*apt install"):
        await confinement.confinement("wild", unconfined=False)
    assert await confinement.confinement("wild", unconfined=True) == confinement.Unconfined()
    monkeypatch.setattr(confinement.shutil, "which", lambda _: "/bin/false")
    with pytest.raises(PluginLoadError, match="bubblewrap does not work here"):
        await confinement.confinement("wild", unconfined=False)


async def test_limits_alone_leave_it_no_environment_and_no_privilege(opening: Opening) -> None:
    async with opening() as installed:
        seen = (await call(installed, "look")).artifact
        assert set(seen["environment"]) <= {"LANG", "HOME", "MALLOC_ARENA_MAX", "PATH", "LC_CTYPE"}
        assert seen["raise"] == "ValueError"
        assert seen["core"] == [0, 0]
        assert seen["files"] == 256
        assert seen["in"] == ""
        assert seen["group"] != os.getpgid(0)


@bwrap
async def test_bubblewrap_cuts_it_off(opening: Opening) -> None:
    async with opening(confined=True) as installed:
        assert (await call(installed, "echo", text="hi")).content == "hi"
        seen = (await call(installed, "look")).artifact
        assert "PLANTED_SECRET" not in seen["environment"]
        assert seen["home"] == []
        assert not {"home", "var", "mnt", "opt"} & set(seen["here"])
        assert seen["raise"] == "ValueError"
        assert seen["write"] == "OSError"
        assert seen["passwd"] == "FileNotFoundError"
        assert seen["shell"] == "FileNotFoundError"
        with pytest.raises(PluginEndedError):
            await call(installed, "die", how="segfault")


async def test_its_children_end_with_it(opening: Opening) -> None:
    async with opening() as installed:
        started = (await call(installed, "fork", most=3)).artifact
        assert len(started) == 3
        assert all(state(pid) for pid in started)
    async with asyncio.timeout(5):
        while any(state(pid) not in ("", "Z") for pid in started):  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0)


ORPHANING = """
import asyncio, os, sys
from pathlib import Path
from unittest.mock import patch
from plugins.isolation import confinement
from plugins.isolation.isolated import Terms, isolated
from plugins.source import Source
from plugins.testing import FakeHTTP, FakeStore, access

async def main(wild, folder):
    source = Source(name="wild", entry="wild:plugin", paths=(Path(wild),))
    terms = Terms(options={}, secrets=lambda _: {"KEY": ""}, cache=FakeStore(),
                  http=lambda _: FakeHTTP().client(), folder=Path(folder), unconfined=True)
    async with isolated(source, terms) as installed:
        (look,) = [tool for tool in installed.tools if tool.name == "look"]
        print((await look.run({}, access())).artifact["process"], flush=True)
        os.kill(os.getpid(), 9)

with patch.object(confinement.shutil, "which", return_value=None):
    asyncio.run(main(*sys.argv[1:]))
"""


async def test_it_ends_when_corral_is_killed(tmp_path: Path) -> None:
    corral = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANING, str(WILD), str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await corral.communicate()
    async with asyncio.timeout(5):
        while state(int(told)) not in ("", "Z"):  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.01)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@bwrap
@pytest.mark.skipif(os.getuid() == 0, reason="the kernel counts no processes of root")
async def test_bubblewrap_bounds_its_processes(opening: Opening) -> None:
    async with opening(confined=True) as installed:
        assert len((await call(installed, "fork", most=100)).artifact) < 64


@bwrap
async def test_bubblewrap_leaves_it_its_folder(opening: Opening, tmp_path: Path) -> None:
    async with opening("wild:opening", confined=True) as installed:
        assert (await call(installed, "greet")).content == "hello page /setup None sesame"
    assert (tmp_path / "folder/count").read_text() == "1"
    assert (tmp_path / "folder/closed").exists()


@bwrap
async def test_bubblewrap_has_no_network_of_ours(opening: Opening) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    async with server, opening(confined=True) as installed:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        (tool,) = [tool for tool in installed.tools if tool.name == "reach"]
        result = await tool.run({"port": port}, means())
        assert result.content in ("ConnectionRefusedError", "OSError")


def test_a_source_is_found_without_importing_it() -> None:
    source = Source(name="wild", entry="at_import:plugin", paths=(WILD,))
    assert source.locate() == (WILD / "at_import.py",)
