"""Foreign sources opened from the plugin file, and called as the broker calls."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
import yaml

from plugins.configuration import load_configuration
from plugins.errors import PluginLoadError
from plugins.manifest import Egress
from plugins.opening import Means, open_plugins
from plugins.outcome import Failure
from plugins.registry import Catalogue
from plugins.result import Result
from plugins.running import Trouble, run_limited
from plugins.testing import FakeStore, access
from tests.assistant.api.serving import serving
from tests.plugins.adapters.mcp.stage import nothing_wrong, raw
from tests.plugins.adapters.openapi.shop import BOOKSHOP, Service


@asynccontextmanager
async def from_file(
    folder: Path, content: Mapping[str, Any], environ: Mapping[str, str]
) -> AsyncIterator[Catalogue]:
    file = folder / "plugins.yaml"
    file.write_text(yaml.safe_dump(content))
    means = Means(environ=environ, folder=folder, cache=lambda _: FakeStore(), judge=nothing_wrong)
    async with open_plugins(load_configuration(file), means) as catalogue:
        yield catalogue


async def test_both_kinds_from_one_file(tmp_path: Path) -> None:
    async with serving(Service()) as url:
        host = url.removeprefix("http://")
        shop = {
            "document": str(BOOKSHOP),
            "base_url": url,
            "private_hosts": [host],
            "operations": {"listBooks": {"reads": "public"}},
            "secrets": {"TOKEN": "SHOP_TOKEN"},
            "login": [{"kind": "bearer", "secret": "TOKEN"}],
        }
        it = raw(limits={"seconds": 0.2}, secrets={"KEY": "IT_KEY"})
        content = {"enabled": ["it", "shop"], "mcp": {"it": it}, "openapi": {"shop": shop}}
        environ = {"SHOP_TOKEN": "t0ken", "IT_KEY": "k3y"}
        async with from_file(tmp_path, content, environ) as catalogue:
            bound = catalogue.bound
            assert bound["it_echo"].egress is Egress.OPEN
            assert bound["shop_listBooks"].egress is Egress.NAMED

            async def run(name: str, **arguments: Any) -> Result | Trouble:
                means = replace(access(), http=bound[name].http)
                return await run_limited(bound[name], arguments, means)

            told = await run("shop_listBooks", genre=["a"])
            assert isinstance(told, Result)
            assert told.artifact["headers"]["authorization"] == "Bearer t0ken"
            kept = await run("it_environment")
            assert isinstance(kept, Result)
            assert "k3y" in kept.content
            assert "t0ken" not in kept.content
            assert await run("it_hang") == Trouble(
                failure=Failure.TIMEOUT, problem="the tool took longer than 0.2 s", known=False
            )
            failed = await run("it_fail")
            assert isinstance(failed, Trouble)
            assert (failed.failure, failed.known) == (Failure.TOOL_ERROR, True)
            died = await run("it_die")
            assert isinstance(died, Trouble)
            assert (died.failure, died.known) == (Failure.CRASHED, False)
            assert isinstance(await run("it_echo", text="a"), Result)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"mcp": {"it": {"command": ["x"], "url": "y"}}}, "mcp: .*either command"),
        ({"openapi": {"it": {"document": "/none", "operations": {"a": None}}}}, "cannot be read"),
        ({"mcp": {"it": raw(secrets={"KEY": "IT_KEY"})}}, "secret KEY is missing"),
        ({"mcp": {"it": raw(tools={"echo": {"content": ["words"]}})}}, "no argument words"),
        ({"mcp": {"it": raw(tools={"echo": {"name": "a"}, "data": {"name": "a"}})}}, "both a here"),
    ],
)
async def test_mistakes_stop_start_up_with_the_name(
    tmp_path: Path, content: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PluginLoadError, match=f"plugin it: .*{reason}"):
        async with from_file(tmp_path, {"enabled": ["it"], **content}, {}):
            pass


async def test_without_the_extra_start_up_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plugins.adapters.mcp.connection", None)
    with pytest.raises(PluginLoadError, match="install corral with the extra mcp"):
        async with from_file(tmp_path, {"enabled": ["it"], "mcp": {"it": raw()}}, {}):
            pass


def test_it_runs_under_the_loop_that_serves(tmp_path: Path) -> None:
    async def main() -> Result | Trouble:
        async with from_file(tmp_path, {"enabled": ["it"], "mcp": {"it": raw()}}, {}) as catalogue:
            died = await run_limited(catalogue.bound["it_die"], {}, access())
            assert isinstance(died, Trouble)
            return await run_limited(catalogue.bound["it_echo"], {"text": "a"}, access())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(main())
    assert isinstance(result, Result)
    assert result.content == "a"
