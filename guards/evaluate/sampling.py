"""Reads the rows of an evaluation: bad ones set apart, and no more of each file than wanted."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guards.evaluate.datasets import BadRow, Naming, Row, digest_of, read_rows
from guards.evaluate.report import DataFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows in the files' order, and what each file holds."""

    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    files: tuple[DataFile, ...]


def gather(
    paths: Sequence[Path], naming: Naming, *, limit: int | None = None, seed: int = 0
) -> Data:
    """Read every file whole; with ``limit``, keep so many rows of each, drawn by ``seed``.

    Raises:
        DataError: a file cannot be read.
    """
    rows: list[Row] = []
    bad: list[BadRow] = []
    files: list[DataFile] = []
    for path in paths:
        found = list(read_rows([path], naming))
        good = [row for row in found if isinstance(row, Row)]
        wrong = [row for row in found if isinstance(row, BadRow)]
        kept = _drawn(good, limit, random.Random(f"{seed} {path.name}"))  # noqa: S311 - a sample, not a secret
        rows += kept
        bad += wrong
        files.append(
            DataFile(
                file=path.name,
                sha256=digest_of(path),
                rows=len(kept),
                harmful=sum(row.label for row in kept),
                harmless=sum(not row.label for row in kept),
                bad=len(wrong),
                left_out=len(good) - len(kept),
            )
        )
    return Data(rows=tuple(rows), bad=tuple(bad), files=tuple(files))


def _drawn(rows: list[Row], limit: int | None, rng: random.Random) -> list[Row]:
    if limit is None or len(rows) <= limit:
        return rows
    return [rows[place] for place in sorted(rng.sample(range(len(rows)), limit))]
