"""``corral plugin new``: a plugin package that works from the first minute."""

import re
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from assistant.cli.exits import Exit, Failed
from assistant.cli.terminal import Terminal

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$package"
version = "0.1.0"
description = "A Corral plugin."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["corral>=$corral"]

[project.entry-points."corral.plugins"]
$name = "$module:plugin"

[dependency-groups]
dev = ["pytest>=8", "pytest-asyncio>=1"]

[tool.hatch.build]
dev-mode-dirs = ["src"]

[tool.hatch.build.targets.wheel]
packages = ["src/$module"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["src"]
testpaths = ["tests"]
"""

_PLUGIN = '''\
"""A Corral plugin."""

from typing import Annotated

from pydantic import Field

from plugins.sdk import Manifest, Plugin, SideEffect, ToolError, tool


@tool(command="text", content=["text"], direct=True)
async def $name(
    text: Annotated[str, Field(description="The text to count.", max_length=20_000)],
) -> str:
    """Count the words of a text. Use it when the user asks how long a text is."""
    words = len(text.split())
    if not words:
        raise ToolError("there are no words in the text; give a text with at least one")
    return f"{words} words"


plugin = Plugin(
    manifest=Manifest(
        name="$name",
        version="0.1.0",
        description="Counts words.",
        side_effect=SideEffect.NONE,
    ),
    tools=($name,),
)
'''

_TEST = '''\
"""The plugin does what it is for, and keeps what it promises."""

import pytest
from $module import plugin

from plugins.conformance import conform
from plugins.sdk import ToolError
from plugins.testing import rehearse


async def test_words_are_counted() -> None:
    async with rehearse(plugin) as broker:
        result = await broker.call("$name", {"text": "one two three"})
    assert result.content == "3 words"


async def test_a_text_without_words_is_explained() -> None:
    async with rehearse(plugin) as broker:
        with pytest.raises(ToolError, match="no words"):
            await broker.call("$name", {"text": " "})


async def test_it_keeps_its_promises() -> None:
    report = await conform(plugin, examples={"$name": [{"text": "one two three"}]})
    assert report.failures == ()
'''

_SCRIPT = """\
# What `corral plugin test .` tries beside what it makes up itself.
examples:
  $name:
    - text: one two three
# What servers answer, if the plugin reaches any:
# answers:
#   - url: https://api.example.com/
#     json: {said: hello}
"""

_README = """\
# $package

A plugin for Corral.

```bash
pip install -e .
python -m pytest          # its own tests
corral plugin test .      # conformance
corral plugin enable $name
```
"""

_FILES = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "conformance.yaml": _SCRIPT,
    "src/$module/__init__.py": _PLUGIN,
    "src/$module/py.typed": "",
    "tests/test_$name.py": _TEST,
}


def new(
    name: Annotated[str, typer.Argument(help="Name: lower case with underscores.")],
    path: Annotated[
        Path | None, typer.Option(help="Folder to make [corral-NAME in the current folder].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Write a plugin package that works: a tool, tests that pass, and an entry point."""
    folder = write(name, path)
    terminal = Terminal(json_mode=json)
    files = sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())
    if json:
        terminal.json({"name": name, "path": str(folder), "files": files})
        return
    terminal.line(f"{folder}", "bold green")
    for each in files:
        terminal.line(f"  {each}")
    terminal.line(f"next: cd {folder} && corral plugin test .", "dim")


def write(name: str, path: Path | None = None) -> Path:
    """Write the package; its folder.

    Raises:
        Failed: the name is none, or the folder is there already.
    """
    if not _NAME.fullmatch(name):
        raise Failed(
            f"{name!r} cannot be the name of a plugin",
            hint="use lower-case letters, digits and underscores, and a letter first: my_weather",
            code="usage_error",
            exit=Exit.USAGE,
        )
    dashed = name.replace("_", "-")
    folder = path or Path(f"corral-{dashed}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failed(
            f"{folder} is there already",
            hint="name another folder with --path",
            code="exists",
            exit=Exit.USAGE,
        )
    words = {
        "name": name,
        "module": f"corral_{name}",
        "package": f"corral-{dashed}",
        "corral": version("corral"),
    }
    for place, text in _FILES.items():
        file = folder / Template(place).substitute(words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(words), encoding="utf-8")
    return folder
