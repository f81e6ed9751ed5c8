"""The tutorial about plugins is followed by the letter, from an empty folder to a roll of dice."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from plugins.configuration import Configuration
from tests.assistant.cli.stage import Stage
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs/tutorial/a-plugin-in-twenty-minutes.md"
BLOCKS = [block for block in blocks("bash", "python", "yaml") if block.page == PAGE]
BLOCKS.sort(key=lambda block: block.line)
PLACE = re.compile(r"# (\S+\.(?:py|yaml))\n")


class Reader:
    """Somebody who follows the page in ``folder``."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        target = folder / "installed"
        self.environment = {
            **environment,
            "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
            "HOME": str(folder),
            # pip installs for this reader alone, and fetches nothing.
            "PIP_TARGET": str(target),
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONPATH": f"{target}:{folder / 'corral-dice/src'}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_asyncio.plugin",
        }
        self.place = folder

    def run(self, command: str) -> str:
        """A line of shell, where the reader is."""
        if command.startswith("cd "):
            self.place /= command.removeprefix("cd ")
            return ""
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def write(self, code: str) -> None:
        """A file, at the place that its first line names."""
        named = PLACE.match(code)
        assert named is not None, code
        (self.place / named[1]).write_text(code)


def test_the_tutorial_can_be_followed(stage: Stage, tmp_path: Path) -> None:
    reader = Reader(tmp_path, stage.environment)
    printed: dict[str, list[str]] = {}
    for block in BLOCKS:
        if block.language != "bash":
            reader.write(block.code)
            continue
        for line in block.code.splitlines():
            printed.setdefault(line, []).append(reader.run(line))
    first, second = printed["python -m pytest -q"]
    assert "3 passed" in first
    assert "10 passed" in second
    assert "it is as it says" in printed["corral plugin test ."][0]
    assert "It reaches no network." in printed["corral plugin info dice"][0]
    plugins = yaml.safe_load((stage.data / "plugins.yaml").read_text())
    assert plugins["enabled"] == ["calculator", "clock", "dice"]
    assert re.search(r"2d6: \d \+ \d = \d+", printed['corral ask "/roll 2d6"'][0])


def test_the_plugin_files_of_the_page_about_isolation_are_right() -> None:
    page = ROOT / "docs/how-to/isolate-a-plugin.md"
    files = [
        Configuration.model_validate(yaml.safe_load(b.code))
        for b in blocks("yaml")
        if b.page == page
    ]
    assert [file.plugins["weather"].unconfined for file in files] == [False, True]
    assert all(file.plugins["weather"].isolated for file in files)


@pytest.mark.parametrize("name", ["src/corral_weather/__init__.py", "conformance.yaml"])
def test_the_sample_that_the_page_names_is_there(name: str) -> None:
    assert (ROOT / "examples/corral-weather" / name).is_file()
