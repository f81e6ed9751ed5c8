"""An evaluation read back from its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from guards.evaluate.hazard_names import hazard_of
from guards.evaluate.journal import read_journal
from guards.evaluate.judged import Judged
from guards.evaluate.report import REPORT, ROWS, SCHEMA
from guards.hazards import Hazard


class EvaluationError(ValueError):
    """A folder that holds no evaluation that can be used. Says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRow:
    """What is known of a row without its text. ``hazard`` is what its category means."""

    key: str
    label: bool
    file: str
    lang: str
    kind: str
    subject: str
    hazard: Hazard | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One guard's part of an evaluation.

    Attributes:
        rows: by key, each once.
        judged: by key.
    """

    folder: str
    guard: str
    revision: str
    threshold: float
    counted: frozenset[Hazard] | None
    rows: Mapping[str, KnownRow]
    judged: Mapping[str, Judged]


def read_evaluation(place: Path, guard: str | None = None) -> Evaluation:
    """Read the folder ``place``, or the folder of a report file, for one guard.

    Args:
        guard: its name; needed where the evaluation holds several.

    Raises:
        EvaluationError: there is no such evaluation, or it lacks the guard.
        JournalError: its judgements cannot be read.
    """
    folder = place.parent if place.is_file() else place
    report = _report(folder)
    by_name = {part["name"]: part for part in report["guards"]}
    names = ", ".join(by_name)
    if guard is None and len(by_name) != 1:
        raise EvaluationError(f"{folder}: holds several guards, name one of {names}")
    chosen = by_name.get(guard) if guard is not None else next(iter(by_name.values()))
    if chosen is None:
        raise EvaluationError(f"{folder}: holds no guard {guard!r}, only {names}")
    counted = report["counted_hazards"]
    categories = {name: Hazard(hazard) for name, hazard in report["categories"].items()}
    rows = {row.key: row for row in _rows(folder, categories)}
    name, revision = chosen["name"], chosen["revision"]
    return Evaluation(
        folder=str(folder),
        guard=name,
        revision=revision,
        threshold=float(report["threshold"]),
        counted=None if counted is None else frozenset(map(Hazard, counted)),
        rows=rows,
        judged={
            row: judged
            for (row, who, when), judged in read_journal(folder).items()
            if (who, when) == (name, revision) and row in rows
        },
    )


def _report(folder: Path) -> dict[str, Any]:
    path = folder / REPORT
    try:
        report = orjson.loads(path.read_bytes())
        schema = report["schema"]
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read: {error.strerror or type(error).__name__}"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{path}: is no report of `corral guard evaluate`") from error
    if schema != SCHEMA:
        raise EvaluationError(f"{path}: must be of the schema {SCHEMA}; evaluate again")
    whole: dict[str, Any] = report
    return whole


def _rows(folder: Path, categories: Mapping[str, Hazard]) -> list[KnownRow]:
    path = folder / ROWS
    try:
        return [
            KnownRow(
                key=body["row"],
                label=bool(body["label"]),
                file=body["file"],
                lang=body["lang"],
                kind=body["kind"],
                subject=body["subject"],
                hazard=hazard_of(body["category"], categories) if body["label"] else None,
            )
            for body in map(orjson.loads, path.read_bytes().splitlines())
        ]
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read: {error.strerror or type(error).__name__}"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{path}: is damaged; evaluate again") from error
