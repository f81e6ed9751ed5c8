"""``corral guard compare``: which of two guards is better on the same rows."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assistant.cli.evaluation_table import WIDTH
from assistant.cli.exits import Exit, Failed
from assistant.cli.guard_evaluate import command_line
from assistant.cli.terminal import Terminal, printable
from guards.evaluate.compare import Comparison, GroupContest, compare
from guards.evaluate.compare_page import TITLES, WINNERS, comparison_page, p_value
from guards.evaluate.evaluation import EvaluationError, read_evaluation
from guards.evaluate.journal import JournalError
from guards.evaluate.report import write_whole

PAGE = "comparison.html"
JSON = "comparison.json"


def compare_guards(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="Folder that `corral guard evaluate` made.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one, or the same.")],
    guard_a: Annotated[str | None, typer.Option(help="Guard of A, where it holds several.")] = None,
    guard_b: Annotated[str | None, typer.Option(help="Guard of B, where it holds several.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Threshold of both [that of each evaluation]."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=0, max=100_000, help="Bootstrap resamples; 0 for no intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    report: Annotated[Path | None, typer.Option(help=f"Folder for {PAGE} and {JSON}.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compare two evaluated guards on the rows both have: differences, and who wins where."""
    terminal = Terminal(json_mode=json)
    try:
        comparison = compare(
            read_evaluation(a, guard_a),
            read_evaluation(b, guard_b),
            threshold=threshold,
            resamples=resamples,
            seed=seed,
        )
    except (EvaluationError, JournalError) as error:
        raise Failed(
            str(error),
            hint="`corral guard evaluate DATA --report FOLDER` makes such a folder; "
            "--guard-a and --guard-b choose among several guards",
            code="evaluation_error",
            exit=Exit.USAGE,
        ) from error
    if report is not None:
        _write(report, comparison)
    if json:
        terminal.json(comparison.as_json())
    else:
        _show(comparison, terminal)
        if report is not None:
            terminal.line(f"report: {report / PAGE}")


def _write(folder: Path, comparison: Comparison) -> None:
    made = datetime.now(UTC).isoformat(timespec="seconds")
    page = comparison_page(comparison, command=command_line(), made=made)
    body = orjson.dumps(comparison.as_json(), option=orjson.OPT_INDENT_2) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / JSON, body)
        write_whole(folder / PAGE, page.encode())
    except OSError as error:
        raise Failed(
            f"{folder}: cannot be written: {error.strerror or type(error).__name__}",
            hint="name another folder with --report",
            code="report_error",
            exit=Exit.USAGE,
        ) from error


def _show(comparison: Comparison, terminal: Terminal) -> None:
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        lacking = f", {side.unscanned} without its verdict" if side.unscanned else ""
        only = f", {side.only_here} rows only here" if side.only_here else ""
        terminal.line(
            f"{letter}  {side.guard}  {side.revision}  threshold {side.threshold:g}{only}{lacking}",
            "bold",
        )
    terminal.line(f"{comparison.rows} rows with verdicts of both")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(_table([comparison.overall]))
    for name, one in comparison.decisions.items():
        terminal.line(
            f"decisions on {name} rows: only A right {one.only_a_right}, only B right "
            f"{one.only_b_right} of {one.rows}, p {p_value(one.p)}"
        )
    terminal.line()
    console.print(_table(comparison.groups))


def _table(groups: "list[GroupContest] | tuple[GroupContest, ...]") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("rows of", min_width=12, overflow="fold")
    table.add_column("figure")
    for title in ("A", "B", "B less A", "95 % interval", "better"):
        table.add_column(title, justify="right", no_wrap=True)
    for group in groups:
        for name, one in group.contests.items():
            interval = "–" if one.low is None else f"{one.low:+.3f} to {one.high:+.3f}"
            table.add_row(
                Text(printable(group.name if group.by == "all" else f"{group.by} {group.name}")),
                TITLES[name],
                f"{one.a:.3f}",
                f"{one.b:.3f}",
                f"{one.difference:+.3f}",
                interval,
                WINNERS[one.winner],
                style="" if one.winner == "even" else "bold",
            )
    return table
