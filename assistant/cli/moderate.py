"""``corral moderate``: the policy's decision on every line of a file."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer

from assistant.batch.moderator import ERROR, Line, Terms, basis_of, open_moderator
from assistant.batch.on_ray import RayUnusableError, moderate_on_ray
from assistant.batch.output import STANDARD, Account, Output, OutputError, opened_output
from assistant.batch.source import SourceError, lines_of
from assistant.cli.exits import Exit, Failed
from assistant.cli.lines import lines
from assistant.cli.terminal import Terminal
from assistant.settings import load_settings
from guards.conversation import Subject
from guards.evaluate.workers import Crew, work_through
from policies.audience import Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """From where to where, and how."""

    source: Path
    target: Path
    terms: Terms
    crew: Crew
    fresh: bool
    on_ray: bool


def moderate_files(
    source: Path,
    target: Path,
    *,
    guards: Sequence[str] | None,
    text_field: str,
    subject: Subject,
    audience: Audience,
    locale: str | None,
    jobs: int,
    processes: int,
    on_ray: bool,
    fresh: bool,
    json_mode: bool,
) -> None:
    """What the command line says, carried out; see :func:`run_moderate` for what it raises."""
    settings = load_settings()
    terms = Terms(
        settings=settings,
        guards=tuple(dict.fromkeys(guards or settings.guards)),
        text_field=text_field,
        subject=subject,
        audience=audience,
        locale=locale,
    )
    plan = Plan(
        source=source,
        target=target,
        terms=terms,
        crew=Crew(jobs=jobs, processes=processes),
        fresh=fresh,
        on_ray=on_ray,
    )
    run_moderate(plan, json_mode=json_mode)


def run_moderate(plan: Plan, *, json_mode: bool) -> None:
    """Decide every line that the target does not hold yet, and say what it came to.

    Raises:
        Failed: the files cannot be used, or Ray is not there.
        typer.Exit: with 1 if a line could not be read or a guard gave no verdict.
    """
    terminal = Terminal(json_mode=json_mode)
    with _told():
        _check(plan)
        basis = asyncio.run(basis_of(plan.terms))
        with opened_output(plan.target, basis, fresh=plan.fresh) as output:
            known = output.account.lines
            if known:
                terminal.note(f"{known} lines were decided before; going on with the next")
            with _progress(output.account) as on_line:
                if plan.on_ray:
                    _on_ray(plan, output, on_line)
                else:
                    asyncio.run(_here(plan, output, on_line))
            account = output.account
    _summarise(account, basis, terminal, to_file=plan.target != STANDARD)
    if account.outcomes[ERROR] or account.failed:
        raise typer.Exit(Exit.FAILED)


async def _here(plan: Plan, output: Output, on_line: Callable[[], None]) -> None:
    after = output.account.last
    source = _typed(after) if plan.source == STANDARD else lines_of(plan.source, after=after)
    opener = partial(open_moderator, plan.terms)
    async with (
        aclosing(source),
        aclosing(work_through(source, opener, plan.crew)) as outcomes,
    ):
        async for _, outcome in outcomes:
            output.write(outcome)
            on_line()


def _on_ray(plan: Plan, output: Output, on_line: Callable[[], None]) -> None:
    outcomes = moderate_on_ray(
        plan.source,
        plan.terms,
        actors=plan.crew.processes,
        jobs=plan.crew.jobs,
        after=output.account.last,
    )
    for outcome in outcomes:
        output.write(outcome)
        on_line()


async def _typed(after: int) -> AsyncGenerator[Line]:
    """Standard input behind line ``after``."""
    number = 0
    async with aclosing(lines("")) as typed:
        async for text in typed:
            number += 1
            if number > after and text.strip():
                yield Line(number=number, raw=text.encode("utf-8", "surrogateescape"))


def _check(plan: Plan) -> None:
    if plan.on_ray and plan.source == STANDARD:
        raise SourceError("-: Ray reads parts of a file, so the input must be one")
    if plan.source == STANDARD:
        return
    if plan.target.exists() and plan.source.exists() and plan.source.samefile(plan.target):
        raise SourceError(f"{plan.source}: input and output must be different files")
    if not plan.source.is_file():
        raise SourceError(f"{plan.source}: is no file")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SourceError, OutputError) as error:
        raise Failed(
            str(error),
            hint="`corral moderate --help` shows how it is used",
            code="file_error",
            exit=Exit.USAGE,
        ) from error
    except RayUnusableError as error:
        raise Failed(
            str(error),
            hint=error.hint,
            code="ray_unavailable",
            exit=Exit.UNAVAILABLE,
        ) from error


def _summarise(
    account: Account, basis: dict[str, Any], terminal: Terminal, *, to_file: bool
) -> None:
    told = ", ".join(f"{count} {name}" for name, count in account.outcomes.most_common())
    terminal.note(f"{account.lines} lines: {told or 'nothing to decide'}")
    if account.failed:
        terminal.note(
            f"{account.failed} lines were decided without the verdict of every guard", "bold red"
        )
    if account.outcomes[ERROR]:
        terminal.note(f"{account.outcomes[ERROR]} lines could not be read", "bold red")
    if to_file and terminal.json_mode:
        terminal.json(
            {
                "lines": account.lines,
                "outcomes": dict(account.outcomes),
                "failed": account.failed,
                **basis,
            }
        )


@contextmanager
def _progress(account: Account) -> Iterator[Callable[[], None]]:
    """Lines and lines a second on standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} lines"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task("", total=None, completed=account.lines)
        yield lambda: bars.advance(task)
