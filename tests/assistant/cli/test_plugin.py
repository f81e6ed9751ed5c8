"""``corral plugin``: looking at plugins before they are trusted, making and testing them."""

import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.cli import plugin_dev
from assistant.cli.exits import Exit
from assistant.cli.main import main

PLUGIN = """
from plugins.sdk import Access, Limits, Manifest, Plugin, SideEffect, tool

@tool(side_effect=SideEffect.IRREVERSIBLE)
async def send(words: str, access: Access) -> str:
    '''Send words to everybody.'''
    return words

plugin = Plugin(
    manifest=Manifest(
        name="herald", version="2.0", description="Tells everybody.",
        side_effect=SideEffect.IRREVERSIBLE, hosts=("api.example.com",), secrets=("HERALD_KEY",),
    ),
    tools=(send,),
)
open("{witness}", "a").close()
"""


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORRAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("CORRAL_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def herald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with a plugin. The path is a file that it makes when it is imported."""
    site, witness = tmp_path / "site", tmp_path / "imported"
    (site / "corral_herald-2.0.dist-info").mkdir(parents=True)
    (site / "corral_herald.py").write_text(PLUGIN.replace("{witness}", str(witness)))
    info = site / "corral_herald-2.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: corral-herald\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[corral.plugins]\nherald = corral_herald:plugin\n")
    monkeypatch.syspath_prepend(site)
    return witness


class Ran:
    def __init__(self, code: int, captured: Any) -> None:
        self.code = code
        self.out: str = captured.out
        self.err: str = captured.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def ran(*args: str) -> Ran:
        return Ran(main(["plugin", *args]), capsys.readouterr())

    return ran


def test_list_shows_what_is_installed_and_enabled(run: Any, herald: Path) -> None:
    rows = {row["name"]: row for row in run("list", "--json").json}
    assert rows["clock"]["enabled"]
    assert rows["clock"]["package"] == "corral"
    assert not rows["herald"]["enabled"]
    assert rows["herald"]["manifest"]["side_effect"] == "irreversible"
    assert rows["herald"]["manifest"]["hosts"] == ["api.example.com"]


def test_list_shows_what_is_enabled_and_missing(run: Any, data: Path) -> None:
    data.mkdir()
    (data / "plugins.yaml").write_text("enabled: [clock, gone, files]\nmcp: {files: {}}\n")
    rows = {row["name"]: row for row in run("list", "--json").json}
    assert "clock  enabled" in run("list").out
    assert rows["gone"]["problem"] == "is enabled but not installed"
    assert rows["files"]["kind"] == "an MCP server"


def test_info_says_in_plain_words_what_a_plugin_may_do(run: Any, herald: Path) -> None:
    shown = run("info", "herald")
    assert shown.code == 0
    for words in (
        "herald 2.0, not enabled",
        "It does things that cannot be taken back.",
        "It reaches api.example.com and no other host.",
        "It reads public data.",
        "secret HERALD_KEY from the variable HERALD_KEY: missing",
        "Send words to everybody.",
        "words (string)",
    ):
        assert words in shown.out
    assert "corral_herald" not in sys.modules, "what is only looked at is not imported here"


def test_info_is_there_for_machines_too(run: Any) -> None:
    told = run("info", "clock", "--json").json
    assert told["tools"][0]["name"] == "current_time"
    assert told["manifest"]["hosts"] == []


def test_enable_and_disable_change_the_file_and_nothing_else_in_it(
    run: Any, herald: Path, data: Path
) -> None:
    data.mkdir()
    file = data / "plugins.yaml"
    file.write_text("# mine\nenabled: [clock]\nplugins: {clock: {options: {}}}  # kept\n")
    shown = run("enable", "herald")
    assert shown.code == 0
    assert "It does things that cannot be taken back." in shown.out
    assert yaml.safe_load(file.read_text())["enabled"] == ["clock", "herald"]
    assert run("disable", "clock", "--json").json["enabled"] == ["herald"]
    assert file.read_text().startswith("# mine\n")
    assert file.read_text().endswith("# kept\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("enable", "nothing"), "there is no plugin called 'nothing'"),
        (("info", "nothing"), "installed are:"),
        (("disable", "nothing"), "nothing is not enabled"),
        (("test", "nothing"), "neither a folder nor an installed plugin"),
        (("test", "."), "has no pyproject.toml"),
        (("dev", "nothing"), "is no folder"),
        (("new", "My-Plugin"), "cannot be the name of a plugin"),
    ],
)
def test_what_cannot_be_done_says_what_would_be_right(
    run: Any, args: tuple[str, ...], words: str
) -> None:
    ended = run(*args)
    assert ended.code == Exit.USAGE
    assert words in ended.err


def test_a_broken_plugin_is_not_enabled(run: Any, herald: Path, tmp_path: Path) -> None:
    (tmp_path / "site/corral_herald.py").write_text("1 / 0")
    for command in ("info", "enable"):
        ended = run(command, "herald")
        assert ended.code == Exit.FAILED
        assert "ZeroDivisionError" in ended.err


def test_what_the_environment_enables_is_not_the_files_to_say(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_PLUGINS", "clock")
    ended = run("disable", "clock")
    assert ended.code == Exit.USAGE
    assert "unset it" in ended.err


def test_dev_runs_again_on_every_change(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed(folders: list[Path]) -> AsyncGenerator[frozenset[Path]]:
        (tmp_path / "pyproject.toml").write_text("[project]")
        yield frozenset({tmp_path / "pyproject.toml"})

    monkeypatch.setattr(plugin_dev, "changes", changed)
    ended = run("dev", ".")
    assert ended.code == 0
    told = ended.err.splitlines()
    assert "has no pyproject.toml" in told[0]
    assert told[1:3] == ["watching; Ctrl-C ends it", "changed: pyproject.toml"]
    assert "names no plugin" in told[3]


def test_a_new_plugin_is_as_it_says(run: Any, tmp_path: Path) -> None:
    made = run("new", "word_count", "--json")
    assert made.json["files"] == [
        "README.md",
        "conformance.yaml",
        "pyproject.toml",
        "src/corral_word_count/__init__.py",
        "src/corral_word_count/py.typed",
        "tests/test_word_count.py",
    ]
    again = run("new", "word_count")
    assert again.code == Exit.USAGE
    assert "is there already" in again.err
    tested = run("test", "corral-word-count", "--json")
    assert tested.code == 0
    (report,) = tested.json
    assert report["plugin"] == "word_count"
    assert report["passed"]
    source = tmp_path / "corral-word-count/src/corral_word_count/__init__.py"
    source.write_text(source.read_text().replace('name="word_count"', 'name="other"'))
    tests = tmp_path / "corral-word-count/tests"
    tests.rename(tmp_path / "tests-of-it")
    ended = run("dev", "corral-word-count", "--once")
    assert ended.code == Exit.FAILED
    assert "FAIL  import.works" in ended.out
    assert "its manifest calls it 'other'" in ended.out
    assert "1 of 1 checks failed" in ended.out
