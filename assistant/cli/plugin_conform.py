"""``corral plugin test``: whether a plugin is as it says."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.exits import Exit, Failed
from assistant.cli.terminal import Terminal
from plugins.conformance.report import Check, Outcome, Report
from plugins.conformance.script import SCRIPT, load_script
from plugins.conformance.supervise import supervise
from plugins.errors import PluginLoadError
from plugins.registry import installed_plugins
from plugins.source import Source, sources_in

_SHOWN = {
    Outcome.PASSED: ("ok  ", "green"),
    Outcome.FAILED: ("FAIL", "bold red"),
    Outcome.NOT_APPLICABLE: ("-   ", "dim"),
    Outcome.EXCUSED: ("but ", "yellow"),
}


def conform(
    plugin: Annotated[
        str, typer.Argument(help="Folder of a plugin package, or the name of an installed plugin.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Hold a plugin against what it promises. Ends with 1 if a check fails."""
    terminal = Terminal(json_mode=json)
    reports = [
        asyncio.run(supervise(source, load_script(script), doing=_teller(terminal)))
        for source, script in found(plugin)
    ]
    if json:
        terminal.json([report.as_json() for report in reports])
    for report in reports:
        show(report, terminal)
    if not all(report.passed for report in reports):
        raise typer.Exit(Exit.FAILED)


def found(plugin: str) -> list[tuple[Source, Path]]:
    """The plugins that a folder or a name stands for, each with its script.

    Raises:
        Failed: there is none.
    """
    folder = Path(plugin)
    try:
        if folder.is_dir():
            return [(source, folder / SCRIPT) for source in sources_in(folder)]
        there = installed_plugins()
        if plugin in there:
            source = Source.of(there[plugin])
            return [(source, source.folder / SCRIPT)]
    except PluginLoadError as error:
        raise Failed(
            str(error),
            hint="`corral plugin new NAME` writes a package that has all that is needed",
            code="no_plugin",
            exit=Exit.USAGE,
        ) from error
    raise Failed(
        f"{plugin!r} is neither a folder nor an installed plugin",
        hint="`corral plugin list` shows what is installed",
        code="no_plugin",
        exit=Exit.USAGE,
    )


def show(report: Report, terminal: Terminal) -> None:
    """A line for each check, and below a failure how to mend it."""
    terminal.line(f"{report.plugin} {report.version}".rstrip(), "bold")
    width = max(len(check.id) for check in report.checks)
    for check in report.checks:
        _show(check, width, terminal)
    failed = len(report.failures)
    if failed:
        terminal.line(f"{failed} of {len(report.checks)} checks failed", "bold red")
    else:
        terminal.line("it is as it says", "bold green")


def _show(check: Check, width: int, terminal: Terminal) -> None:
    word, style = _SHOWN[check.outcome]
    terminal.line(f"  {word}  {check.id.ljust(width)}  {check.title}", style)
    for problem in check.detail.splitlines():
        terminal.line(f"        {problem}")


def _teller(terminal: Terminal) -> Callable[[str], None]:
    if terminal.json_mode or not sys.stderr.isatty():
        return lambda _: None
    return lambda doing: terminal.note(f"  {doing}")
