"""The file of decisions: taken up after its last whole line, written in order."""

import fcntl
import gzip
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from assistant.batch.moderator import ERROR, Outcome

STANDARD = Path("-")
_FLUSH_EVERY = 500


class OutputError(ValueError):
    """The file of decisions cannot be used; says why and what to do."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What was written so far: decisions by name, lines with a failed guard, the last line."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    last: int = 0

    @property
    def lines(self) -> int:
        return self.outcomes.total()

    def add(self, name: str, number: int, *, failed: bool) -> None:
        self.outcomes[name] += 1
        self.failed += failed
        self.last = number


class Output:
    """Appends outcomes to an open stream and keeps account."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, account: Account) -> None:
        self._stream = stream
        self.account = account

    def write(self, outcome: Outcome) -> None:
        self._stream.write(outcome.output)
        self.account.add(outcome.name, outcome.number, failed=outcome.failed)
        if self.account.lines % _FLUSH_EVERY == 0:
            self._stream.flush()


@contextmanager
def opened_output(path: Path, basis: Mapping[str, Any], *, fresh: bool) -> Iterator[Output]:
    """The output at ``path`` (``-`` is standard output), behind what an earlier run wrote.

    A line that was cut short is dropped. Unless ``fresh``, the earlier lines must rest on the
    same ``basis``: half a file by one policy and half by another would mislead.

    Raises:
        OutputError: another run writes to it, it is not such a file, or it cannot be written.
    """
    if path == STANDARD:
        yield Output(sys.stdout.buffer, Account())
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("ab") as held:
            _hold(held, path)
            if fresh:
                held.truncate(0)
            account = _recover(path, basis)
        # Opened again, because recovering may have put another file in its place.
        with path.open("ab") as raw, ExitStack() as stack:
            _hold(raw, path)
            stream: IO[bytes] | gzip.GzipFile = raw
            if _zipped(path):
                stream = stack.enter_context(gzip.GzipFile("", "ab", fileobj=raw))
            yield Output(stream, account)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or type(error).__name__}"
        ) from error


def _zipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _hold(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"{path}: another run is writing to it") from None


def _recover(path: Path, basis: Mapping[str, Any]) -> Account:
    """Count what is there and cut off what follows the last whole line."""
    account = Account()
    if not _zipped(path):
        whole = 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                _count(line, path, basis, account)
                whole += len(line)
        os.truncate(path, whole)
    elif path.stat().st_size:
        # What a compressed file holds can only be cut by writing it anew.
        kept = path.with_name(f".{path.name}.part")
        with gzip.open(kept, "wb") as copy:
            for line in _readable(path):
                _count(line, path, basis, account)
                copy.write(line)
        kept.replace(path)
    return account


def _readable(path: Path) -> Iterator[bytes]:
    """Whole lines up to where the compressed file was cut short."""
    with gzip.open(path, "rb") as file:
        try:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield line
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return


def _count(line: bytes, path: Path, basis: Mapping[str, Any], account: Account) -> None:
    try:
        told = orjson.loads(line)
        number = int(told["line"])
        failed = bool(told.get("failures"))
        name = ERROR if "error" in told else str(told["decision"])
        same = name == ERROR or all(told[key] == value for key, value in basis.items())
    except (AttributeError, KeyError, TypeError, ValueError):
        raise OutputError(
            f"{path}: line {account.lines + 1} is no decision; name another file, "
            "or overwrite it with --fresh"
        ) from None
    if not same:
        raise OutputError(
            f"{path}: line {account.lines + 1} was decided by another policy or guard; name "
            "another file, or begin anew with --fresh"
        )
    account.add(name, number, failed=failed)
