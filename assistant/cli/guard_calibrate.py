"""``corral guard calibrate``: fit a guard's probabilities, or a cascade's band, to rows."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from pydantic import BaseModel

from assistant.cli.exits import Exit, Failed
from assistant.cli.guard_evaluate import (
    AsJson,
    Categories,
    Fields,
    Files,
    Jobs,
    Limit,
    Processes,
    SkipBad,
    Subjects,
    categories_of,
    complain,
    judged,
    naming_of,
    usage_errors,
)
from assistant.cli.terminal import Terminal
from assistant.settings import load_settings
from guards.calibration import Calibration
from guards.evaluate.journal import Journal
from guards.evaluate.metrics import calibration_error, flag_rate, recall, tally
from guards.evaluate.report import write_whole
from guards.evaluate.run import GuardRun
from guards.evaluate.sampling import gather
from guards.evaluate.workers import Crew
from guards.fitting.bands import fit_bands
from guards.fitting.curves import calibrated_odds, fit_calibration
from guards.fitting.frontier_page import frontier_page
from guards.fitting.runs import digest_of_rows, pair_of, scored_of
from guards.fitting.scored import FittingError, Scored

LEAST_ROWS = 50
"""Rows with a verdict that a fit needs; fewer would only be noise made precise."""


def calibrate(
    data: Files,
    guard: Annotated[str, typer.Option(help="Guard to calibrate; the cheap one of a cascade.")],
    out: Annotated[Path, typer.Option(help="File to write; the guard file names it.")],
    then: Annotated[
        str | None, typer.Option(help="Strong guard: fit the band in which it is asked.")
    ] = None,
    flagged: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of harmless rows the threshold flags.")
    ] = 0.01,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="With --then: score that counts as flagged.")
    ] = 0.5,
    missed: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="With --then: harmful rows that may be missed to ask less."
        ),
    ] = None,
    asked: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="With --then: share of rows that may be asked again."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="With --then: HTML file for the frontier.")
    ] = None,
    judgements: Annotated[
        Path | None, typer.Option(help="Folder to keep judgements in, to go on after an end.")
    ] = None,
    category: Categories = None,
    field: Fields = None,
    subject: Subjects = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    jobs: Jobs = 8,
    processes: Processes = 1,
    skip_bad: SkipBad = False,
    json: AsJson = False,
) -> None:
    """Fit a guard's calibration, or with --then the band in which a second guard is asked."""
    terminal = Terminal(json_mode=json)
    settings = load_settings()
    _consistent(then, missed, asked, page)
    with usage_errors():
        categories = categories_of(category or [])
        rows = gather(data, naming_of(field or [], subject or []), limit=limit, seed=seed)
    complain(rows, terminal, skip=skip_bad)
    names = [guard] if then is None else [guard, then]
    crew = Crew(jobs=jobs, processes=processes)
    with TemporaryDirectory() as spare, usage_errors(), Journal(judgements or Path(spare)) as kept:
        runs = asyncio.run(judged(settings, names, rows, kept, crew, terminal))
    _enough(runs, terminal)
    try:
        if then is None:
            scored = scored_of(rows.rows, runs[0], categories)
            fit = partial(
                fit_calibration,
                guard=guard,
                revision=runs[0].revision,
                data=digest_of_rows(rows.rows),
                flagged=flagged,
            )
            fitted: BaseModel = fit(scored)
            told = _calibrated(fit(_half(scored, 0)), _half(scored, 1), scored)
        else:
            pair = pair_of(rows.rows, runs[0], runs[1])
            if missed is None and asked is None:
                missed = 0.01
            fitted, points, chosen = fit_bands(pair, threshold, missed=missed, asked=asked)
            told = {
                "asked": chosen.asked,
                "recall": chosen.recall,
                "flagged": chosen.flagged,
                "band": [chosen.band.low, chosen.band.high],
                "languages": sorted(fitted.languages),
            }
            if page is not None:
                text = frontier_page(
                    points, chosen, first=guard, second=then, rows=len(pair.labels)
                )
                _write(page, text)
    except FittingError as error:
        raise Failed(str(error), hint="", code="fitting_error", exit=Exit.USAGE) from error
    _write(out, fitted.model_dump_json(indent=2) + "\n")
    if json:
        terminal.json({"file": str(out), **told})
        return
    for name, value in told.items():
        terminal.line(f"{name.replace('_', ' '):24} {_shown(value)}")
    terminal.line(f"written: {out}")


def _consistent(
    then: str | None, missed: float | None, asked: float | None, page: Path | None
) -> None:
    if then is None:
        for value, name in ((missed, "--missed"), (asked, "--asked"), (page, "--page")):
            if value is not None:
                raise typer.BadParameter("has no effect without --then", param_hint=name)
    elif missed is not None and asked is not None:
        raise typer.BadParameter("give either --missed or --asked", param_hint="--asked")


def _enough(runs: Sequence[GuardRun], terminal: Terminal) -> None:
    rows = list(zip(*(run.judged for run in runs), strict=True))
    kept = sum(all(one.failure is None for one in row) for row in rows)
    lost = len(rows) - kept
    if lost:
        terminal.note(f"{lost} rows got no verdict and are left out", "bold red")
    if kept < LEAST_ROWS or lost > kept:
        raise Failed(
            f"{kept} rows with a verdict are too few",
            hint=f"give at least {LEAST_ROWS}, and see that the guards answer",
            code="too_few_rows",
            exit=Exit.FAILED,
        )


def _half(scored: Scored, odd: int) -> Scored:
    """Every other row of each label: what is told was not fitted to the rows it is told about."""
    harmful, harmless = np.cumsum(scored.labels), np.cumsum(~scored.labels)
    rows = np.where(scored.labels, harmful, harmless) % 2 == odd
    return Scored(
        labels=scored.labels[rows],
        scores=scored.scores[rows],
        hazards={hazard: values[rows] for hazard, values in scored.hazards.items()},
        named={hazard: values[rows] for hazard, values in scored.named.items()},
        languages=[language for language, kept in zip(scored.languages, rows, strict=True) if kept],
    )


def _calibrated(fitted: Calibration, fresh: Scored, whole: Scored) -> dict[str, Any]:
    """How a fit to one half of the rows does on the other."""
    odds = calibrated_odds(fresh, fitted.curve, fitted.hazards)
    shifts = [fitted.languages.get(language, 0.0) for language in fresh.languages]
    before = tally(fresh.labels, fresh.scores)
    after = tally(fresh.labels, 1.0 / (1.0 + np.exp(-(odds + shifts))))
    return {
        "rows": len(whole.labels),
        "calibration_error_before": float(calibration_error(before)),
        "calibration_error": float(calibration_error(after)),
        "threshold": fitted.threshold,
        "recall": float(recall(after, fitted.threshold)),
        "flagged": float(flag_rate(after, fitted.threshold)),
        "hazards": sorted(hazard.value for hazard in fitted.hazards),
        "languages": sorted(fitted.languages),
    }


def _shown(value: object) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(map(_shown, value)) or "none of their own"
        case _:
            return str(value)


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise Failed(
            f"{path} cannot be written: {error.strerror or type(error).__name__}",
            hint="name a file in a folder that exists",
            code="not_written",
            exit=Exit.USAGE,
        ) from error
