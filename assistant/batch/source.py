"""The lines of a file to moderate, one at a time."""

import gzip
import zlib
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import IO

from assistant.batch.moderator import Line

LONGEST = 16 * 1024 * 1024
"""Bytes of a line; longer ones are told as an error instead of filling the memory."""


class SourceError(ValueError):
    """The input cannot be read at all."""


async def lines_of(path: Path, *, after: int = 0) -> AsyncGenerator[Line]:
    """The lines of ``path`` behind line ``after``, blank ones left out; ``.gz`` is unpacked.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for line in numbered(file):
                if line.number > after:
                    yield line
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read: {error.strerror or type(error).__name__}"
        ) from error


def numbered(file: "IO[bytes] | gzip.GzipFile", first: int = 1) -> Iterator[Line]:
    """The lines of an open file, blank ones left out, counted from ``first``.

    Where a compressed file is damaged, a last line says so.
    """
    number = first - 1
    try:
        while raw := file.readline(LONGEST + 1):
            number += 1
            if len(raw) > LONGEST:
                while not raw.endswith(b"\n") and (raw := file.readline(LONGEST)):
                    pass
                yield Line(number=number, problem=f"must be at most {LONGEST} bytes long")
            elif raw.strip():
                yield Line(number=number, raw=raw)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield Line(
            number=number + 1,
            problem="the compressed file is damaged or cut short from here on",
        )
