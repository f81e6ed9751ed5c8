"""Judgements on disk as they come, so that a run that was ended goes on where it was."""

import fcntl
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import orjson

from guards.evaluate.judged import Judged

NAME = "judgements.jsonl"


class JournalError(ValueError):
    """The file of judgements cannot be used. Says what to do."""


class Journal:
    """The judgements of a report's folder, appended one a line.

    A last line without its end was cut short when a run was killed; it is dropped and the row is
    judged again. One run at a time holds the file. Of two judgements of a row by the same
    revision the later one counts.

    Args:
        folder: where :data:`NAME` lies or is to be made.
        fresh: forget what is there.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self._path = folder / NAME
        self._fresh = fresh
        self._file: FileIO | None = None
        self._known: dict[tuple[str, str, str], Judged] = {}

    def __enter__(self) -> Self:
        """Open the file for this run alone.

        Raises:
            JournalError: another run holds it, it is damaged, or the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what was judged is on its way to the disk before the next row.
            file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise JournalError(
                f"{self._path}: cannot be written: {error.strerror or type(error).__name__}"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._fresh:
                file.truncate(0)
            self._known = {_key(j): j for j in _recovered(self._path)}
        except BlockingIOError:
            file.close()
            raise JournalError(f"{self._path}: another run is writing to it") from None
        except JournalError:
            file.close()
            raise
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def verdict(self, row: str, guard: str, revision: str) -> Judged | None:
        """The verdict there is on a row; a failure is none, so that it is tried again."""
        judged = self._known.get((row, guard, revision))
        return None if judged is None or judged.failure is not None else judged

    def judged(self, row: str, guard: str, revision: str) -> Judged | None:
        """What there is on a row, a failure included."""
        return self._known.get((row, guard, revision))

    def add(self, judged: Judged) -> None:
        """Write a judgement."""
        if self._file is None:
            raise RuntimeError("the journal is not open")
        self._known[_key(judged)] = judged
        self._file.write(orjson.dumps(judged.as_json()) + b"\n")


def read_journal(folder: Path) -> dict[tuple[str, str, str], Judged]:
    """Judgements by row, guard and revision, for whoever only reads them.

    Raises:
        JournalError: there are none, or the file is damaged.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            return {_key(judged): judged for judged in _lines(file, path)}
    except OSError as error:
        raise JournalError(
            f"{path}: cannot be read: {error.strerror or type(error).__name__}"
        ) from error


def _key(judged: Judged) -> tuple[str, str, str]:
    return judged.row, judged.guard, judged.revision


def _recovered(path: Path) -> Iterator[Judged]:
    """Every whole line; what follows the last one is cut off the file."""
    whole = 0
    with path.open("rb") as file:
        for line in file:
            whole += len(line) if line.endswith(b"\n") else 0
        os.truncate(path, whole)
        file.seek(0)
        yield from _lines(file, path)


def _lines(file: IO[bytes], path: Path) -> Iterator[Judged]:
    for number, line in enumerate(file, start=1):
        if not line.endswith(b"\n"):
            return
        try:
            yield Judged.from_json(orjson.loads(line))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"{path}: line {number} is not a judgement; --fresh begins anew"
            ) from error
