"""Finds entries in a decision log by name, by turn, and by age."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from assistant.audit.chain import BrokenEntryError, Entry, read
from assistant.audit.segments import Segment, first_entry, lines, segments

_TURN_LASTS = 3600.0
"""Seconds; no setting lets a turn take longer."""


def find(folder: Path, log_id: str) -> Entry | None:
    """The entry of that name, or ``None``.

    The entry itself is proven, not its chain.

    Raises:
        BrokenEntryError: a line before it in its segment is damaged.
        OSError: a file cannot be read.
    """
    writer, dash, number = log_id.rpartition("-")
    if not dash or not (number.isascii() and number.isdecimal()):
        return None
    seq = int(number)
    for segment in reversed(_reaching_back(folder, writer, seq)):
        for entry in _entries(folder, segment):
            if entry.seq == seq:
                return entry
            if entry.seq > seq:
                break
    return None


def decisions_of(folder: Path, turn: Entry) -> tuple[Entry, ...]:
    """The decisions of the turn that ended with entry ``turn``, oldest first."""
    found = deque[Entry]()
    for segment in reversed(_reaching_back(folder, turn.writer, turn.seq)):
        first = None
        earlier = []
        for entry in _entries(folder, segment):
            first = first or entry
            if entry.seq >= turn.seq:
                break
            same = entry.body.get("turn") == turn.body.get("turn")
            if entry.kind == "decision" and same and turn.at - entry.at <= _TURN_LASTS:
                earlier.append(entry)
        found.extendleft(reversed(earlier))
        if first is not None and turn.at - first.at > _TURN_LASTS:
            break
    return tuple(found)


def latest(folder: Path, count: int) -> tuple[Entry, ...]:
    """The newest ``count`` entries of all chains together, oldest first."""
    newest: list[Entry] = []
    for files in segments(folder).values():
        of_writer: list[Entry] = []
        for segment in reversed(files):
            if len(of_writer) >= count:
                break
            missing = count - len(of_writer)
            of_writer = [*deque(_entries(folder, segment), maxlen=missing), *of_writer]
        newest += of_writer
    return tuple(sorted(newest, key=lambda entry: (entry.at, entry.writer, entry.seq))[-count:])


def _entries(folder: Path, segment: Segment) -> Iterator[Entry]:
    for line in lines(folder / segment.name):
        if line.whole:
            try:
                yield read(line.data)
            except BrokenEntryError as error:
                raise BrokenEntryError(f"{segment.name}, line {line.number}: {error}") from None


def _reaching_back(folder: Path, writer: str, seq: int) -> list[Segment]:
    """The segments of ``writer`` that begin with ``seq`` or earlier."""
    found = []
    for segment in segments(folder).get(writer, []):
        first = first_entry(folder / segment.name)
        if first is not None and first.seq > seq:
            break
        found.append(segment)
    return found
