"""``corral plugin dev``: tests and conformance again whenever a file changes."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.exits import Exit, Failed
from assistant.cli.plugin_conform import found, show
from assistant.cli.terminal import Terminal
from plugins.conformance.script import load_script
from plugins.conformance.supervise import supervise
from plugins.errors import PluginLoadError
from plugins.reload import changes

_TESTS_SECONDS = 300.0


def dev(
    path: Annotated[Path, typer.Argument(help="Folder of a plugin package.")] = Path(),
    once: Annotated[bool, typer.Option("--once", help="Run once and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Watch a plugin package: run its tests and its conformance on every change."""
    if not path.is_dir():
        raise Failed(
            f"{path} is no folder",
            hint="name the folder of a plugin package",
            code="no_plugin",
            exit=Exit.USAGE,
        )
    passed = asyncio.run(_watch(path, Terminal(json_mode=json), once=once))
    if once and not passed:
        raise typer.Exit(Exit.FAILED)


async def _watch(path: Path, terminal: Terminal, *, once: bool) -> bool:
    passed = await _round(path, terminal)
    if once:
        return passed
    terminal.progress("watching; Ctrl-C ends it")
    async with aclosing(changes([path])) as seen:
        async for changed in seen:
            names = ", ".join(sorted(each.name for each in changed))
            terminal.progress(f"changed: {names}")
            passed = await _round(path, terminal)
    return passed


async def _round(path: Path, terminal: Terminal) -> bool:
    """Tests, then conformance; mistakes that keep either from running are told, not raised."""
    passed = await _tests(path, terminal)
    try:
        for source, script in found(str(path)):
            report = await supervise(source, load_script(script))
            passed = passed and report.passed
            if terminal.json_mode:
                terminal.json(report.as_json())
            else:
                show(report, terminal)
    except (Failed, PluginLoadError) as error:
        terminal.note(str(error), "bold red")
        return False
    return passed


async def _tests(path: Path, terminal: Terminal) -> bool:
    if not (path / "tests").is_dir():
        return True
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider",
        cwd=path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_TESTS_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        terminal.note(f"the tests took longer than {_TESTS_SECONDS:g} s", "bold red")
        return False
    passed = process.returncode == 0
    if terminal.json_mode:
        terminal.json({"tests": "passed" if passed else "failed"})
    else:
        terminal.line(output.decode(errors="replace").rstrip(), "" if passed else "red")
    return passed
