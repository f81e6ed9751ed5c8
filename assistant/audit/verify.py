"""Proves a decision log: that nothing in it was changed, added, reordered or taken away.

What cannot be seen from the folder alone is the loss of the newest entries of a chain, up to the
last one that another chain names, and the loss of the whole folder. Whoever wants to see that
keeps the heads (:func:`heads`) somewhere else and expects them here.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assistant.audit.chain import CLOSED, OPENED, START, BrokenEntryError, Entry, entry_id, read
from assistant.audit.segments import Line, Segment, first_entry, lines, segments, tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The first thing in a chain that does not hold; what comes after it proves nothing.

    Attributes:
        writer: the chain.
        file, line: where; ``line`` counts from 1, and is ``None`` for a whole file.
        seq: the entry that should stand there; ``None`` where there is none to name.
        what: what is wrong, for people.
    """

    writer: str
    file: str | None
    line: int | None
    seq: int | None
    what: str

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.file,
                f"line {self.line}" if self.line is not None else None,
                f"entry {entry_id(self.writer, self.seq)}" if self.seq is not None else None,
            )
            if part
        )
        return f"{place or self.writer}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest entry of a chain."""

    writer: str
    seq: int
    hash: str

    @property
    def id(self) -> str:
        """Its name in the log."""
        return entry_id(self.writer, self.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What :func:`verify` found.

    Attributes:
        entries, segments: how many were proven.
        heads: the newest proven entry of each chain.
        problems: at most one for each chain, and one for each expectation that was not met.
        notes: what is no proof of tampering, but worth knowing.
    """

    entries: int
    segments: int
    heads: tuple[Head, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether everything was proven."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """That a chain has an entry of this hash, and who says so."""

    seq: int
    hash: str
    by: str


class _BrokenChainError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def verify(
    folder: Path, *, expect_heads: Iterable[Head] = (), expect_hashes: Iterable[str] = ()
) -> Report:
    """Prove every chain in ``folder``, line by line, in constant memory.

    Args:
        folder: the log's.
        expect_heads: entries that must be in it, as :func:`heads` named them earlier.
        expect_hashes: hashes that some entry must have.

    Raises:
        OSError: a file cannot be read.
    """
    files = segments(folder)
    claims = _claims(folder, files)
    for head in expect_heads:
        claim = _Claim(seq=head.seq, hash=head.hash, by="an expected head")
        claims.setdefault(head.writer, []).append(claim)
    missing_hashes = set(expect_hashes)
    chains = [
        _Chain(folder, writer, files[writer], claims.get(writer, []), missing_hashes)
        for writer in sorted(files)
    ]
    problems = [problem for chain in chains if (problem := chain.prove()) is not None]
    for writer in sorted(claims.keys() - files.keys()):
        what = f"the chain is missing, though {claims[writer][0].by} names it"
        problems.append(Problem(writer=writer, file=None, line=None, seq=None, what=what))
    for hash_ in sorted(missing_hashes):
        what = f"no proven entry has the expected hash {hash_}"
        problems.append(Problem(writer="log", file=None, line=None, seq=None, what=what))
    return Report(
        entries=sum(chain.seq for chain in chains),
        segments=sum(chain.proven_segments for chain in chains),
        heads=tuple(
            Head(writer=chain.writer, seq=chain.seq - 1, hash=chain.prev)
            for chain in chains
            if chain.seq
        ),
        problems=tuple(problems),
        notes=tuple(note for chain in chains for note in chain.notes),
    )


def heads(folder: Path) -> tuple[Head, ...]:
    """The newest entry of each chain, read from the ends of the files without proving the rest.

    Raises:
        BrokenEntryError: the end of a chain is damaged.
        OSError: a file cannot be read.
    """
    found = []
    for writer, files in sorted(segments(folder).items()):
        for segment in reversed(files):
            last = tail(folder / segment.name).last
            if last is not None:
                found.append(Head(writer=writer, seq=last.seq, hash=last.hash))
                break
    return tuple(found)


class _Chain:
    """One writer's chain while it is being proven."""

    def __init__(
        self,
        folder: Path,
        writer: str,
        files: list[Segment],
        claims: Iterable[_Claim],
        missing_hashes: set[str],
    ) -> None:
        self.writer = writer
        self.seq = 0
        self.prev = START
        self.proven_segments = 0
        self.notes: list[str] = []
        self._folder = folder
        self._files = files
        self._claims: dict[int, list[_Claim]] = {}
        for claim in claims:
            self._claims.setdefault(claim.seq, []).append(claim)
        self._missing_hashes = missing_hashes
        self._torn: dict[str, int] = {}
        """Ends of segments left by a crash, until the next process names them."""
        self._last_kind = ""

    def prove(self) -> Problem | None:
        try:
            for index, segment in enumerate(self._files, start=1):
                if segment.index != index:
                    missing = Segment(writer=self.writer, index=index).name
                    raise self._broken(missing, None, "the segment is missing")
                self._prove_segment(segment)
                self.proven_segments += 1
            self._prove_end()
        except _BrokenChainError as error:
            return error.problem
        return None

    def _prove_segment(self, segment: Segment) -> None:
        empty = True
        for line in lines(self._folder / segment.name):
            if not line.whole:
                self._note_torn(segment, line)
                break
            empty = False
            self._prove_line(segment, line)
        if empty:
            self._torn.setdefault(segment.name, 0)

    def _note_torn(self, segment: Segment, line: Line) -> None:
        """A crash leaves the beginning of a line; a whole entry with more behind it was made."""
        with suppress(BrokenEntryError):
            read(line.data[:-1])
            raise self._broken(segment.name, line.number, "the end of its line was changed")
        self._torn[segment.name] = len(line.data)

    def _prove_line(self, segment: Segment, line: Line) -> None:
        place = (segment.name, line.number)
        try:
            entry = read(line.data)
        except BrokenEntryError as error:
            raise self._broken(*place, str(error)) from None
        if entry.writer != self.writer:
            raise self._broken(*place, f"the entry belongs to another chain, {entry.writer}")
        if entry.seq != self.seq:
            raise self._broken(*place, f"entry {entry.id} stands here instead")
        if entry.prev != self.prev:
            raise self._broken(*place, "bad link: it does not follow the entry before it")
        if entry.kind == OPENED:
            if line.number != 1:
                raise self._broken(*place, "a process began in the middle of a segment")
            if entry.body.get("torn") != self._torn:
                raise self._broken(
                    *place, "the ends of earlier segments are not as this entry found them"
                )
            self._torn = {}
        elif self._torn:
            raise self._broken(*place, "it follows a torn entry, which only a new process may")
        for claim in self._claims.pop(entry.seq, ()):
            if claim.hash != entry.hash:
                raise self._broken(*place, f"{claim.by} names another entry in this place")
        self._missing_hashes.discard(entry.hash)
        self.seq, self.prev, self._last_kind = entry.seq + 1, entry.hash, entry.kind

    def _prove_end(self) -> None:
        if self._claims:
            last = max(self._claims)
            what = (
                f"the end is missing: {self._claims[last][0].by} names entry "
                f"{entry_id(self.writer, last)}"
            )
            raise self._broken(self._files[-1].name, None, what)
        for name, length in self._torn.items():
            self.notes.append(
                f"{name}: a last entry of {length} bytes is torn, as a crash leaves it; "
                "it was never acknowledged"
                if length
                else f"{name}: holds no entry, as a crash right after its making leaves it"
            )
        if self._last_kind != CLOSED:
            self.notes.append(f"{self.writer}: not closed; a process is writing it or died")

    def _broken(self, file: str, line: int | None, what: str) -> _BrokenChainError:
        return _BrokenChainError(
            Problem(writer=self.writer, file=file, line=line, seq=self.seq, what=what)
        )


def _claims(folder: Path, files: Mapping[str, list[Segment]]) -> dict[str, list[_Claim]]:
    """What the processes that wrote this log saw of each other's chains when they began.

    Only first lines of segments are read; a damaged one is the business of its own chain.
    """
    claims: dict[str, list[_Claim]] = {}
    for segment in (segment for list_ in files.values() for segment in list_):
        entry = first_entry(folder / segment.name)
        if entry is not None and entry.kind == OPENED:
            for writer, claim in _others(entry):
                claims.setdefault(writer, []).append(claim)
    return claims


def _others(entry: Entry) -> Iterable[tuple[str, _Claim]]:
    others = entry.body.get("others")
    for writer, named in others.items() if isinstance(others, dict) else ():
        match named:
            case [int(seq), str(hash_)]:
                yield writer, _Claim(seq=seq, hash=hash_, by=f"entry {entry.id}")
            case _:
                # Nobody but a forger writes this, and then the entry's own chain is broken.
                pass
