"""``corral guard evaluate``: how good guards are on labelled rows."""

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from assistant.bootstrap import open_guards
from assistant.cli.evaluation_table import show_report
from assistant.cli.exits import Exit, Failed
from assistant.cli.terminal import Terminal, printable
from assistant.settings import Settings, load_settings
from guards.conversation import Subject
from guards.evaluate.datasets import SUBJECTS, DataError, Naming
from guards.evaluate.figures import Terms
from guards.evaluate.journal import Journal, JournalError
from guards.evaluate.page import page
from guards.evaluate.report import (
    PAGE,
    REPORT,
    ROWS,
    Origin,
    Report,
    encode,
    report_of,
    row_index,
    write_whole,
)
from guards.evaluate.run import GuardRun, Progress, judge_rows
from guards.evaluate.sampling import Data, gather
from guards.evaluate.workers import Crew
from guards.hazards import Hazard

SHOWN_BAD_ROWS = 20

Files = Annotated[
    list[Path],
    typer.Argument(metavar="DATA...", help="Files of labelled rows: JSON lines or CSV, also .gz."),
]
Categories = Annotated[
    list[str] | None,
    typer.Option(
        help="CATEGORY=HAZARD: what a category of the data means, * fits any text; repeatable."
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(help="FIELD=COLUMN: how the data calls a field, may be repeated."),
]
Subjects = Annotated[
    list[str] | None,
    typer.Option(
        help="What rows are that do not say so: SUBJECT, or KIND=SUBJECT for one kind, "
        "may be repeated [user_input]."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Draw at most so many rows of each file.")]
Jobs = Annotated[int, typer.Option(min=1, max=1024, help="Judgements at a time.")]
Processes = Annotated[
    int, typer.Option(min=1, max=256, help="Processes, each with guards and jobs of its own.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def evaluate(
    data: Files,
    report: Annotated[
        Path, typer.Option(help="Folder for report.html, report.json and the judgements.")
    ],
    guard: Annotated[
        list[str] | None,
        typer.Option(
            help="Guard to evaluate, may be repeated [those of CORRAL_GUARDS that judge such rows]."
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Score from which a row counts as flagged.")
    ] = 0.5,
    hazard: Annotated[
        list[Hazard] | None,
        typer.Option(help="Hazard that counts towards a row's score, may be repeated [all]."),
    ] = None,
    category: Categories = None,
    field: Fields = None,
    subject: Subjects = None,
    pool: Annotated[
        bool, typer.Option("--pool", help="Rank harmful rows against the harmless of all files.")
    ] = False,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of the intervals.")] = 0,
    resamples: Annotated[
        int, typer.Option(min=0, max=100_000, help="Bootstrap resamples; 0 for no intervals.")
    ] = 1000,
    jobs: Jobs = 8,
    processes: Processes = 1,
    skip_bad: SkipBad = False,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Show the texts of the mistakes in the report.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Judge everything again instead of going on.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Measure guards on labelled rows and write a report. Ends with 1 if rows got no verdict."""
    terminal = Terminal(json_mode=json)
    settings = load_settings()
    with usage_errors():
        terms = Terms(
            threshold=threshold,
            resamples=resamples,
            seed=seed,
            counted=frozenset(hazard) if hazard else None,
            categories=categories_of(category or []),
            pool=pool,
        )
        rows = gather(data, naming_of(field or [], subject or []), limit=limit, seed=seed)
    complain(rows, terminal, skip=skip_bad)
    origin = Origin(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command_line(),
        corral=version("corral"),
        limit=limit,
    )
    crew = Crew(jobs=jobs, processes=processes)
    names = list(dict.fromkeys(guard)) if guard else asyncio.run(_seated(settings, rows))
    with usage_errors(), Journal(report, fresh=fresh) as journal:
        runs = asyncio.run(judged(settings, names, rows, journal, crew, terminal))
        terminal.note("measuring")
        made = report_of(
            rows.rows, runs, terms, origin=origin, data=rows.files, show_text=show_text
        )
        _write(report, rows, made)
    show_report(made, terminal)
    terminal.line(f"report: {report / PAGE}")
    if json:
        terminal.json(made.as_json())
    unscanned = sum(one.measured.overall.unscanned for one in made.guards)
    if unscanned:
        terminal.note(f"{unscanned} judgements gave no verdict; no figure counts them", "bold red")
        raise typer.Exit(Exit.FAILED)


async def _seated(settings: Settings, data: Data) -> list[str]:
    """The guards of ``CORRAL_GUARDS`` that judge all that the rows are; if there are none, all."""
    subjects = {row.subject for row in data.rows}
    async with open_guards(settings, settings.guards) as seats:
        able = [seat.guard.name for seat in seats if subjects <= seat.subjects]
    return able or list(settings.guards)


async def judged(
    settings: Settings,
    names: Sequence[str],
    data: Data,
    journal: Journal,
    crew: Crew,
    terminal: Terminal,
) -> tuple[GuardRun, ...]:
    """What the guards of ``names`` say of every row, with a progress bar."""
    with progress_bar(terminal) as on_progress:
        return await judge_rows(
            data.rows,
            partial(open_guards, settings, tuple(names)),
            journal,
            crew=crew,
            on_progress=on_progress,
        )


def _write(folder: Path, data: Data, report: Report) -> None:
    try:
        write_whole(folder / ROWS, row_index(data.rows))
        write_whole(folder / REPORT, encode(report))
        write_whole(folder / PAGE, page(report).encode())
    except OSError as error:
        raise JournalError(
            f"{folder}: cannot be written: {error.strerror or type(error).__name__}"
        ) from error


@contextmanager
def usage_errors() -> Iterator[None]:
    """What the caller can put right in data or folders, as a sentence."""
    try:
        yield
    except DataError as error:
        raise Failed(
            str(error),
            hint="`corral guard evaluate --help` names the fields and options",
            code="data_error",
            exit=Exit.USAGE,
        ) from error
    except JournalError as error:
        raise Failed(
            str(error),
            hint="name another folder with --report, or begin anew with --fresh",
            code="report_error",
            exit=Exit.USAGE,
        ) from error


def complain(data: Data, terminal: Terminal, *, skip: bool) -> None:
    """Name the bad rows; unless they are to be skipped, or none is left, that is the end."""
    for bad in data.bad[:SHOWN_BAD_ROWS]:
        terminal.note(str(bad), "yellow" if skip else "red")
    more = len(data.bad) - SHOWN_BAD_ROWS
    if more > 0:
        terminal.note(f"… and {more} more")
    if data.bad and not skip:
        raise Failed(
            f"{len(data.bad)} rows cannot be used",
            hint="put them right, name the fields with --field, or go on without them: --skip-bad",
            code="bad_rows",
            exit=Exit.USAGE,
        )
    if not data.rows:
        raise Failed(
            "there are no rows to judge",
            hint="a row has at least a text and a label",
            code="no_rows",
            exit=Exit.USAGE,
        )


def pairs(values: Sequence[str], option: str, right: str) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping.

    Raises:
        typer.BadParameter: one is no such pair.
    """
    found = {}
    for value in values:
        name, equals, rest = value.rpartition("=")
        if not equals or not name.strip() or not rest.strip():
            raise typer.BadParameter(f"must be {right}", param_hint=option)
        found[name.strip()] = rest.strip()
    return found


def categories_of(values: Sequence[str]) -> dict[str, Hazard]:
    """``CATEGORY=HAZARD`` options as a mapping."""
    found = {}
    for name, hazard in pairs(values, "--category", "CATEGORY=HAZARD").items():
        try:
            found[name] = Hazard(hazard.lower())
        except ValueError:
            raise typer.BadParameter(
                f"{hazard!r} is no hazard; there are {', '.join(Hazard)}", param_hint="--category"
            ) from None
    return found


def naming_of(fields: Sequence[str], subjects: Sequence[str]) -> Naming:
    """``--field`` and ``--subject`` options as what they say of files."""
    columns: dict[str, str] = {}
    for value in fields:
        name, _, column = value.partition("=")
        columns |= pairs([f"{name}={column}"], "--field", "FIELD=COLUMN")
    standard = [_subject(value) for value in subjects if "=" not in value]
    by_kind = pairs([v for v in subjects if "=" in v], "--subject", "SUBJECT or KIND=SUBJECT")
    return Naming(
        fields=columns,
        subject=standard[-1] if standard else Subject.USER_INPUT,
        subjects={kind: _subject(word) for kind, word in by_kind.items()},
    )


def _subject(word: str) -> Subject:
    if word not in SUBJECTS:
        raise typer.BadParameter(
            f"{word!r} is no subject of a row; there are {', '.join(SUBJECTS)}",
            param_hint="--subject",
        )
    return Subject(word)


def command_line() -> str:
    """The command as it was typed, for a shell."""
    return shlex.join(["corral", *sys.argv[1:]])


@contextmanager
def progress_bar(terminal: Terminal) -> Iterator[Callable[[Progress], None]]:
    """A bar on standard error while it is a terminal, else a line when a guard begins."""
    if not sys.stderr.isatty():
        begun: set[str] = set()

        def tell(progress: Progress) -> None:
            if progress.guard not in begun:
                begun.add(progress.guard)
                left = progress.total - progress.done
                terminal.note(f"{progress.guard}: {left} of {progress.total} rows to judge")

        yield tell
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def move(progress: Progress) -> None:
            if progress.guard not in tasks:
                tasks[progress.guard] = bars.add_task(printable(progress.guard))
            bars.update(tasks[progress.guard], completed=progress.done, total=progress.total)

        yield move
