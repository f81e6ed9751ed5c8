"""The files of a decision log: their names, and how to read the end of one."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.audit.chain import BrokenEntryError, Entry, read

_SUFFIX = ".jsonl"
_BLOCK = 64 * 1024
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of a line at most, with its newline; a longer entry is not taken."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Segment:
    """One file of one writer. ``index`` counts from 1 without a gap."""

    writer: str
    index: int

    @property
    def name(self) -> str:
        return f"{self.writer}.{self.index:06d}{_SUFFIX}"


def segments(folder: Path) -> dict[str, list[Segment]]:
    """Every segment in ``folder`` by writer, each list in order of index.

    Other files are ignored; a folder that does not exist holds none.
    """
    found: dict[str, list[Segment]] = {}
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except FileNotFoundError:
        return found
    for name in sorted(names):
        writer, _, number = name.removesuffix(_SUFFIX).rpartition(".")
        if name.endswith(_SUFFIX) and writer and number.isascii() and number.isdecimal():
            segment = Segment(writer=writer, index=int(number))
            if segment.name == name:
                found.setdefault(writer, []).append(segment)
    return {writer: sorted(list_) for writer, list_ in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of a segment.

    Attributes:
        last: its last complete entry; ``None`` when it has none.
        torn: bytes after the last newline, left by a write that did not finish.
    """

    last: Entry | None
    torn: int


def tail(path: Path) -> Tail:
    """Read the end of a segment without reading the rest.

    Raises:
        BrokenEntryError: the last complete line is damaged.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        data = b""
        start = end
        # Two newlines bound the last complete line, unless it is the first of the file.
        while start > 0 and data.count(b"\n") < 2:
            step = min(max(_BLOCK, len(data)), start)
            start -= step
            file.seek(start)
            data = file.read(step) + data
    whole, newline, rest = data.rpartition(b"\n")
    if not newline:
        return Tail(last=None, torn=end)
    return Tail(last=read(whole.rpartition(b"\n")[2]), torn=len(rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A raw line of a segment, without its newline; ``whole`` is false for a torn one."""

    number: int
    data: bytes
    whole: bool


def lines(path: Path) -> Iterator[Line]:
    """Every line of a segment in order, in constant memory.

    A line longer than any entry comes in pieces, each of which passes for a whole line and is
    no entry.
    """
    with path.open("rb") as file:
        number = 0
        while data := file.readline(LONGEST_LINE + 1):
            number += 1
            ended = data.endswith(b"\n")
            whole = ended or len(data) > LONGEST_LINE
            yield Line(number=number, data=data[:-1] if ended else data, whole=whole)


def first_entry(path: Path) -> Entry | None:
    """The first entry of a segment, or ``None`` when it has no sound one."""
    with path.open("rb") as file:
        data = file.readline(LONGEST_LINE)
    if not data.endswith(b"\n"):
        return None
    try:
        return read(data[:-1])
    except BrokenEntryError:
        return None
