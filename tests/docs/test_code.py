"""The code in the documentation runs, or is at least what it says it is."""

import doctest
import json
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer._click.exceptions import ClickException
from typer.core import TyperGroup
from typer.main import get_group

from assistant.cli.main import app
from tests.assistant.cli.stage import Stage
from tests.docs.pages import ROOT, Block, blocks, name_of

MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
LANGUAGES = {"", "bash", "console", "python", "yaml", "json", "ini", "text", "mermaid"}

STAYS = {"serve", "chat", "demo"}
"""Commands that go on until somebody ends them; other tests run them."""


def test_every_block_is_in_a_language_that_is_checked() -> None:
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert pages
    text = "".join((ROOT / page).read_text() for page in pages)
    used = set(re.findall(r"^ *```([a-z]+)", text, re.MULTILINE))
    assert used <= LANGUAGES


def parse(line: str) -> None:
    """Whether ``line``, which begins with ``corral``, is a command with options that exist."""
    command: Any = get_group(app)
    name, *rest = shlex.split(line, comments=True)
    with ExitStack() as stack:
        context = None
        while True:
            context = stack.enter_context(command.make_context(name, rest, parent=context))
            if not isinstance(command, TyperGroup):
                return
            rest = [*context._protected_args, *context.args]
            _, command, rest = command.resolve_command(context, rest)


def corral_lines(block: Block) -> list[str]:
    """The calls of ``corral`` in a block of shell."""
    code = re.sub(r"\\\n\s*", " ", block.code)
    found = []
    for raw in code.splitlines():
        line = raw.strip()
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        found += [part.strip() for part in line.split("|") if part.strip().startswith("corral ")]
    return found


@pytest.mark.parametrize("block", blocks("bash", "console"), ids=str)
def test_shell_blocks_hold_commands_that_exist(block: Block) -> None:
    for line in corral_lines(block):
        try:
            parse(line)
        except (ClickException, KeyError) as error:
            pytest.fail(f"{block}: {line!r}: {error}")
    for target in re.findall(r"^(?:\$ )?make (\w+)", block.code, re.MULTILINE):
        assert target in MAKE_TARGETS, f"{block}: make {target}"


@pytest.mark.parametrize("block", blocks("bash"), ids=str)
def test_bash_blocks_are_bash(block: Block) -> None:
    code = block.code.replace("<this repository>", "URL")
    result = subprocess.run(
        ["bash", "-n"], input=code, capture_output=True, text=True, timeout=10, check=False
    )
    assert result.returncode == 0, f"{block}: {result.stderr}"


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_console_blocks_run(
    block: Block, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of a block runs one after the other, and prints what the block shows."""
    monkeypatch.setenv("HOME", str(tmp_path))
    stage.run("ask", "Hello")  # so that there is a log to look at
    environment = dict(stage.environment, PATH=f"{ROOT / '.venv/bin'}:/usr/bin:/bin")
    checker = doctest.OutputChecker()
    for command, expected in sessions(block):
        if command.split()[0] == "corral" and command.split()[1] in STAYS:
            continue
        result = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in result.stderr, f"{block}: {command}"
        assert result.returncode in {0, 1, 3}, f"{block}: {command}: {result.stderr}"
        if expected:
            assert checker.check_output(expected, result.stdout, doctest.ELLIPSIS), (
                f"{block}: {command} printed {result.stdout!r}"
            )


def sessions(block: Block) -> list[tuple[str, str]]:
    """Commands and the output shown below each. ``echo $?`` belongs to the command before it."""
    code = re.sub(r"\\\n\s*", " ", block.code)
    found: list[tuple[str, str]] = []
    for line in code.splitlines():
        if line.startswith("$ "):
            if line == "$ echo $?" and found:
                found[-1] = (f"{found[-1][0]} >/dev/null; echo $?", "")
            else:
                found.append((line[2:], ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


@pytest.mark.parametrize("block", blocks("yaml", "json"), ids=str)
def test_data_blocks_parse(block: Block) -> None:
    if block.language == "json":
        json.loads(block.code)
    else:
        yaml.safe_load(block.code)


FOLLOWED = {ROOT / "docs/tutorial/a-plugin-in-twenty-minutes.md"}
"""Pages whose blocks are files of a package; a test of their own follows them step by step."""

PYTHON = {
    page: [block for block in blocks("python") if block.page == page]
    for page in dict.fromkeys(block.page for block in blocks("python"))
    if page not in FOLLOWED
}


@pytest.mark.parametrize("page", PYTHON, ids=name_of)
def test_python_blocks_run(page: Path, server_url: str, tmp_path: Path) -> None:
    """A page's blocks run as one program, against a server of this test."""
    code = "\n".join(block.code for block in PYTHON[page])
    program = tmp_path / "page.py"
    program.write_text(code.replace("http://127.0.0.1:8000", server_url))
    result = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
