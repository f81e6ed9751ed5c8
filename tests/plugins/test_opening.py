"""Enabled plugins are opened, bound to their promises, or stop the start with name and reason."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from plugins import registry
from plugins.configuration import (
    Configuration,
    ConfigurationError,
    PluginSection,
    load_configuration,
    save_enabled,
)
from plugins.errors import PluginLoadError
from plugins.manifest import Egress, Limits, Manifest, SideEffect
from plugins.opening import Means, open_plugins
from plugins.plugin import Options, Plugin, Setup
from plugins.testing.fakes import FakeStore
from plugins.tool import Tool
from plugins.typed import tool


@tool()
async def hello(name: str) -> str:
    """Greet somebody."""
    return f"Hello {name}"


@tool(side_effect=SideEffect.IRREVERSIBLE)
async def destroy() -> str:
    """Destroy everything."""
    return "gone"


class Greeting(Options):
    word: str = "Hello"


def plugin(name: str = "greeter", **fields: Any) -> Plugin:
    terms = {"version": "1", "side_effect": SideEffect.NONE, **fields.pop("manifest", {})}
    return Plugin(**{"manifest": Manifest(name=name, **terms), "tools": (hello,), **fields})


def means(folder: Path, **environ: str) -> Means:
    return Means(environ=environ, folder=folder, cache=lambda _name: FakeStore())


async def opened(
    tmp_path: Path, given: Plugin, section: PluginSection | None = None, **environ: str
) -> dict[str, Any]:
    name = given.manifest.name
    configuration = Configuration(enabled=[], plugins={name: section} if section else {})
    async with open_plugins(
        configuration, means(tmp_path, **environ), extra={name: given}
    ) as catalogue:
        return dict(catalogue.bound)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], object]]:
    """Writes the module of a plugin that is installed as ``its``."""
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint(name="its", value="its_plugin:plugin", group="corral.plugins")
    monkeypatch.setattr(registry, "entry_points", lambda **_: [entry])
    yield (tmp_path / "its_plugin.py").write_text
    sys.modules.pop("its_plugin", None)


async def start(tmp_path: Path, *enabled: str) -> None:
    async with open_plugins(Configuration(enabled=list(enabled)), means(tmp_path)):
        pass


async def test_what_is_not_enabled_is_not_imported(
    package: Callable[[str], object], tmp_path: Path
) -> None:
    package("raise RuntimeError('imported')")
    await start(tmp_path)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no luck')", "cannot be imported: RuntimeError: no luck"),
        ("import nothing_of_the_kind", "cannot be imported: ModuleNotFoundError"),
        ("plugin = 5", "is not a plugins.plugin.Plugin"),
        ("other = 5", "cannot be imported: AttributeError"),
        ("syntax error", "cannot be imported: SyntaxError"),
    ],
)
async def test_a_plugin_that_cannot_be_imported_stops_the_start_with_its_name(
    package: Callable[[str], object], tmp_path: Path, source: str, reason: str
) -> None:
    package(source)
    with pytest.raises(PluginLoadError, match=f"plugin its: .*{reason}"):
        await start(tmp_path, "its")


async def test_a_plugin_under_another_name_is_refused(
    package: Callable[[str], object], tmp_path: Path
) -> None:
    package("from tests.plugins.test_opening import plugin as make\nplugin = make('other')\n")
    with pytest.raises(PluginLoadError, match="its manifest calls it 'other'"):
        await start(tmp_path, "its")


async def test_a_plugin_that_is_not_installed_is_told_with_those_that_are(
    package: Callable[[str], object], tmp_path: Path
) -> None:
    with pytest.raises(PluginLoadError, match=r"plugin nothing: .*installed are: its"):
        await start(tmp_path, "nothing")


async def test_two_packages_with_one_plugin_name_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entries = [
        EntryPoint(name="its", value=value, group="corral.plugins") for value in ("a:p", "b:p")
    ]
    monkeypatch.setattr(registry, "entry_points", lambda **_: entries)
    with pytest.raises(PluginLoadError, match="a:p and b:p"):
        await start(tmp_path, "its")


async def test_two_tools_of_one_name_are_refused(tmp_path: Path) -> None:
    both = {"one": plugin("one"), "two": plugin("two")}
    with pytest.raises(PluginLoadError, match="plugin two: its tool hello is one's already"):
        async with open_plugins(Configuration(enabled=[]), means(tmp_path), extra=both):
            pass


async def test_a_tool_may_not_be_worse_than_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(PluginLoadError, match="destroy: side effect irreversible is worse"):
        await opened(tmp_path, plugin(tools=(destroy,)))


async def test_secrets_come_from_the_environment_under_the_operators_names(
    tmp_path: Path,
) -> None:
    needs = plugin(manifest={"secrets": ("KEY",)})
    with pytest.raises(PluginLoadError, match="secret KEY is missing: set the variable KEY"):
        await opened(tmp_path, needs)
    section = PluginSection(secrets={"KEY": "MY_KEY"})
    bound = await opened(tmp_path, needs, section, MY_KEY="s3cret")
    assert bound["hello"].secrets == {"KEY": "s3cret"}
    with pytest.raises(PluginLoadError, match="needs none called OTHER"):
        await opened(tmp_path, plugin(), PluginSection(secrets={"OTHER": "X"}))


async def test_options_are_checked_without_quoting_them(tmp_path: Path) -> None:
    given = plugin(options=Greeting)
    with pytest.raises(PluginLoadError) as caught:
        await opened(tmp_path, given, PluginSection(options={"wrod": "s3cret"}))
    assert "options: wrod" in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_limits_of_the_operator_win(tmp_path: Path) -> None:
    given = plugin(manifest={"limits": Limits(seconds=5, output_chars=7)})
    section = PluginSection.model_validate({"limits": {"seconds": 1}})
    bound = await opened(tmp_path, given, section)
    assert bound["hello"].manifest.limits == Limits(seconds=1, output_chars=7)


async def test_a_plugin_is_opened_with_its_means_and_closed_again(tmp_path: Path) -> None:
    seen: list[Setup] = []
    closed = []

    @asynccontextmanager
    async def opening(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
        seen.append(setup)
        yield (hello,)
        closed.append(True)

    await opened(tmp_path, plugin(tools=(), open=opening, options=Greeting))
    (setup,) = seen
    assert setup.options == Greeting()
    assert setup.folder.is_dir()
    assert closed == [True]


async def test_a_plugin_that_fails_to_open_says_so(tmp_path: Path) -> None:
    @asynccontextmanager
    async def opening(_setup: Setup) -> AsyncIterator[Sequence[Tool]]:
        raise OSError("no disk")
        yield ()

    with pytest.raises(PluginLoadError, match="cannot be opened: OSError: no disk"):
        await opened(tmp_path, plugin(tools=(), open=opening))


async def test_egress_is_what_the_hosts_say(tmp_path: Path) -> None:
    for hosts, egress in (((), Egress.NONE), (("a.org",), Egress.NAMED), (("*",), Egress.OPEN)):
        bound = await opened(tmp_path, plugin(manifest={"hosts": hosts}))
        assert bound["hello"].egress is egress


# The file


def test_without_a_file_only_harmless_plugins_are_enabled(tmp_path: Path) -> None:
    assert load_configuration(tmp_path / "none.yaml").enabled == ["calculator", "clock"]


def test_mistakes_in_the_file_name_place_and_field(tmp_path: Path) -> None:
    path = tmp_path / "plugins.yaml"
    path.write_text("enabled: [clock]\nplugins:\n  clock: {limits: {seconds: -1}, optoins: {}}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    assert "plugins.yaml:3" in str(caught.value)
    assert 'did you mean "options"' in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plugins: {clock: {isolated: true}} # kept\n",
        "enabled: [clock] # kept\nplugins: {}\n",
        "# kept\nenabled:\n  - clock\n  - other\n\nplugins: {}\n",
        "plugins: {}\nenabled:\n- clock\n",
        "enabled: []\n",
    ],
)
def test_enabling_changes_the_list_and_nothing_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plugins.yaml"
    if text:
        path.write_text(text)
    before = load_configuration(path)
    save_enabled(path, ["search", "fetch"])
    after = load_configuration(path)
    assert after.enabled == ["search", "fetch"]
    assert after.plugins == before.plugins
    assert ("# kept" in text) == ("# kept" in path.read_text())


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "plugins.yaml"
    path.write_text("enabled: {\n")
    with pytest.raises(ConfigurationError):
        save_enabled(path, ["search"])
    assert path.read_text() == "enabled: {\n"
