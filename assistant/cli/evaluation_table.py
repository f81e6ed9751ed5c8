"""An evaluation on the terminal: one line for each guard and each group of rows."""

import sys
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assistant.cli.terminal import Terminal, printable
from guards.evaluate.figures import Group
from guards.evaluate.metrics import Figure
from guards.evaluate.report import GuardReport, Report

COLUMNS = (
    ("auroc", "AUROC"),
    ("average_precision", "AP"),
    ("recall_at_fpr_1", "R@1%"),
    ("recall_at_fpr_5", "R@5%"),
    ("recall", "recall"),
    ("flag_rate", "flagged"),
    ("calibration_error", "ECE"),
)


WIDTH = 130
"""Columns where standard output is no terminal that has a width."""


def show_report(report: Report, terminal: Terminal) -> None:
    """Every guard's figures, overall and by file and language; nothing in JSON mode."""
    if terminal.json_mode:
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    for guard in report.guards:
        terminal.line()
        terminal.line(f"{guard.name}  {guard.revision}", "bold")
        console.print(_table(guard))
        for line in _intervals(guard.measured.overall):
            terminal.line(line)
        terminal.line(_cost(guard), "dim")


def _table(guard: GuardReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("rows of", min_width=12, overflow="fold")
    for name in ("harmful", "harmless", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    measured = guard.measured
    _add(table, {"all": measured.overall}, "bold")
    _add(table, measured.by_file, "")
    if len(measured.by_lang) > 1:
        _add(table, {f"lang {name}": group for name, group in measured.by_lang.items()}, "")
    return table


def _add(table: Table, groups: Mapping[str, Group], style: str) -> None:
    for name, group in groups.items():
        table.add_row(
            Text(printable(name)),
            str(group.harmful),
            str(group.harmless),
            str(group.unscanned or ""),
            *(_value(group.figures.get(key)) for key, _ in COLUMNS),
            style=style,
        )


def _value(figure: Figure | None) -> str:
    return "–" if figure is None else f"{figure.value:.3f}"


def _intervals(group: Group) -> Iterator[str]:
    """The overall figures with their intervals."""
    for key, title in COLUMNS:
        figure = group.figures.get(key)
        if figure is not None and figure.low is not None and figure.high is not None:
            yield f"{title:8} {figure.value:.3f}  (95 %: {figure.low:.3f} to {figure.high:.3f})"


def _cost(guard: GuardReport) -> str:
    cost = guard.cost
    if cost.latency is None:
        return "no verdicts"
    text = f"{cost.calls} calls, p50 {cost.latency.p50:.2f} ms, p99 {cost.latency.p99:.2f} ms"
    if cost.calls_now and cost.seconds_now > 0:
        text += f"; {cost.calls_now} now, {cost.calls_now / cost.seconds_now:.0f} a second"
    return text
