"""One evaluation: what was run, on what, and what came of it, as JSON that stays readable."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from guards.evaluate.cost import Cost, cost_of
from guards.evaluate.datasets import Row
from guards.evaluate.examples import Example, examples_of
from guards.evaluate.figures import Measured, Terms, measure
from guards.evaluate.run import GuardRun
from guards.evaluate.span_figures import SpanFigures, span_figures

SCHEMA = "corral.evaluation/1"
REPORT = "report.json"
PAGE = "report.html"
ROWS = "rows.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file of rows. ``bad`` rows could not be used, ``left_out`` were not drawn by a limit."""

    file: str
    sha256: str
    rows: int
    harmful: int
    harmless: int
    bad: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReport:
    """One guard's part."""

    name: str
    revision: str
    hazards: tuple[str, ...]
    measured: Measured
    spans: SpanFigures | None
    cost: Cost
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What it takes to make the report again. ``made`` is the date and time, ISO 8601 in UTC."""

    made: str
    command: str
    corral: str
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole evaluation."""

    origin: Origin
    terms: Terms
    data: tuple[DataFile, ...]
    guards: tuple[GuardReport, ...]

    def as_json(self) -> dict[str, Any]:
        terms = self.terms
        return {
            "schema": SCHEMA,
            **asdict(self.origin),
            "threshold": terms.threshold,
            "resamples": terms.resamples,
            "seed": terms.seed,
            "pool": terms.pool,
            "counted_hazards": None if terms.counted is None else sorted(terms.counted),
            "categories": {name: hazard.value for name, hazard in terms.categories.items()},
            "data": [asdict(file) for file in self.data],
            "guards": [_guard(guard) for guard in self.guards],
        }


def report_of(
    rows: Sequence[Row],
    runs: Sequence[GuardRun],
    terms: Terms,
    *,
    origin: Origin,
    data: Sequence[DataFile],
    show_text: bool,
) -> Report:
    """Measure every guard's run."""
    return Report(
        origin=origin,
        terms=terms,
        data=tuple(data),
        guards=tuple(
            GuardReport(
                name=run.name,
                revision=run.revision,
                hazards=tuple(sorted(hazard.value for hazard in run.hazards)),
                measured=measure(rows, run.judged, terms),
                spans=span_figures(rows, run.judged, terms),
                cost=cost_of(rows, run),
                examples=examples_of(rows, run.judged, terms, show_text=show_text),
            )
            for run in runs
        ),
    )


def row_index(rows: Sequence[Row]) -> bytes:
    """:data:`ROWS`: what each row is and where it stands, without its text; JSON lines."""
    return b"".join(
        orjson.dumps(
            {
                "row": row.key,
                "file": row.file,
                "line": row.line,
                "label": int(row.label),
                "subject": row.subject.value,
                "category": row.category,
                "kind": row.kind,
                "lang": row.lang,
            }
        )
        + b"\n"
        for row in rows
    )


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that nobody reads half of it."""
    staged = path.with_name(f".{path.name}.part")
    staged.write_bytes(content)
    staged.replace(path)


def encode(report: Report) -> bytes:
    """:data:`REPORT`'s bytes."""
    return orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2) + b"\n"


def _guard(guard: GuardReport) -> dict[str, Any]:
    body = asdict(guard)
    measured: Mapping[str, Any] = body.pop("measured")
    return {**{k: v for k, v in body.items() if k != "examples"}, **measured} | {
        "examples": body["examples"]
    }
