"""Labelled rows from JSON lines and CSV, read one by one and checked field by field."""

import csv
import gzip
import hashlib
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    BY_USER,
    Exchange,
    Integrity,
    Provenance,
    Role,
    Source,
    Subject,
    text_message,
)

SUBJECTS = (Subject.USER_INPUT, Subject.REPLY, Subject.TOOL_RESULT, Subject.DOCUMENT)
"""What a row's ``subject`` may be."""

FIELDS = ("text", "response", "label", "category", "kind", "lang", "subject", "spans")

_HARMFUL = {"1", "1.0", "true", "unsafe"}
_HARMLESS = {"0", "0.0", "false", "safe"}
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = {".jsonl", ".ndjson"}


class DataError(ValueError):
    """A file that cannot be read at all, or a mapping that names no field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSpan:
    """Half-open character range ``[start, end)`` of the judged text and what stands there."""

    start: int
    end: int
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled text.

    Attributes:
        text: what is judged, or with ``response`` the request it answers.
        response: the reply that is judged in the context of ``text``; ``None`` for other rows.
        label: whether the judged text is harmful (for injections: whether it holds one).
        category: the source's own word for what is wrong; empty when it has none.
        kind: the source's own word for what the row is; empty when it has none.
        lang: language tag; empty when unknown.
        file: name of the file, without its folder.
        line: where the row begins in it, counted from 1.
    """

    text: str
    label: bool
    subject: Subject
    file: str
    line: int
    response: str | None = None
    category: str = ""
    kind: str = ""
    lang: str = ""
    spans: tuple[LabelledSpan, ...] = ()

    @property
    def judged(self) -> str:
        """The text that is judged; spans count into it."""
        return self.text if self.response is None else self.response

    @property
    def key(self) -> str:
        """Hash of all that the row says, 32 hexadecimal digits; where it stands is no part of it.

        Whoever has the same row can recognise it by the key, nobody can read it from there.
        """
        said = [self.text, self.response, self.label, self.category, self.kind, self.lang]
        whole = json.dumps([*said, self.subject.value], separators=(",", ":"))
        return hashlib.sha256(whole.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be used. ``problem`` says what would be right and quotes no text."""

    file: str
    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How a file's fields and kinds are to be understood.

    Attributes:
        fields: our field's name to the file's, for those that differ.
        subject: what rows are that have neither ``subject`` nor ``response``.
        subjects: the same for rows of one ``kind``.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    subject: Subject = Subject.USER_INPUT
    subjects: Mapping[str, Subject] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise DataError(f"no field is called {name!r}; there are {', '.join(FIELDS)}")
        for subject in (self.subject, *self.subjects.values()):
            if subject not in SUBJECTS:
                raise DataError(f"subject {subject} cannot be read from rows; {_one_of_subjects()}")


def read_rows(paths: Sequence[Path], naming: Naming | None = None) -> Iterator[Row | BadRow]:
    """Every row of every file in order, holding no more than one of them.

    ``.jsonl``, ``.ndjson``, ``.csv`` and ``.tsv`` are read, also with ``.gz``; CSV has a line of
    column names. Text is UTF-8.

    Raises:
        DataError: a file cannot be opened, is of no such format, or (CSV) has no column that is
            needed. Rows that cannot be used come as :class:`BadRow` instead.
    """
    for path in paths:
        yield from _read_file(path, naming or Naming())


def exchange_of(row: Row) -> Exchange:
    """What a guard is asked about ``row``: the reply in its context, or the text alone."""
    if row.response is not None:
        return Exchange(
            subject=row.subject,
            message=text_message(
                row.response, id="reply", role=Role.ASSISTANT, provenance=BY_MODEL
            ),
            context=(text_message(row.text, id="request"),) if row.text else (),
        )
    role, provenance = _ORIGINS[row.subject]
    return Exchange(
        subject=row.subject,
        message=text_message(row.text, id="row", role=role, provenance=provenance),
    )


_ORIGINS = {
    Subject.USER_INPUT: (Role.USER, BY_USER),
    Subject.REPLY: (Role.ASSISTANT, BY_MODEL),
    Subject.TOOL_RESULT: (Role.TOOL, BY_TOOL),
    Subject.DOCUMENT: (
        Role.USER,
        Provenance(source=Source.DOCUMENT, integrity=Integrity.UNTRUSTED),
    ),
}


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_file(path: Path, naming: Naming) -> Iterator[Row | BadRow]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    form = suffixes[-1 - zipped :][:1]
    name, line = _plain(path.name), 0
    try:
        with _opened(path, zipped=zipped) as stream:
            if form and form[0] in _JSON_LINES:
                records = _json_records(stream)
            elif form and form[0] in _SEPARATORS:
                records = _csv_records(stream, path, naming, _SEPARATORS[form[0]])
            else:
                raise DataError(
                    f"{path.name}: the name must end with .jsonl, .ndjson, .csv or .tsv "
                    "(and .gz when it is compressed)"
                )
            for line, record in records:
                yield _row(record, name, line, naming)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield BadRow(
            file=name,
            line=line + 1,
            field="file",
            problem="the compressed file is damaged or cut short from here on",
        )
    except OSError as error:
        raise _unreadable(path, error) from error


@contextmanager
def _opened(path: Path, *, zipped: bool) -> Iterator[io.TextIOBase]:
    opener = gzip.open if zipped else open
    with (
        opener(path, "rb") as raw,
        io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="\n") as stream,
    ):
        yield stream


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path.name}: cannot be read: {error.strerror or type(error).__name__}")


Record = Mapping[str, Any] | str
"""A row's fields, or what is wrong with the whole line."""


def _json_records(stream: io.TextIOBase) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        if _not_utf8(line):
            yield number, "must be valid UTF-8"
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "must be a JSON object on one line"
            continue
        yield number, value if isinstance(value, dict) else "must be a JSON object"


def _csv_records(
    stream: io.TextIOBase, path: Path, naming: Naming, separator: str
) -> Iterator[tuple[int, Record]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(stream, delimiter=separator, strict=True)
    header: list[str] | None = None
    begins = 1
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            yield begins, "must be CSV with quotes closed and doubled inside"
            return
        if cells is None:
            return
        if header is None:
            header = [name.strip() for name in cells]
            missing = [n for n in ("text", "label") if naming.fields.get(n, n) not in header]
            if missing:
                raise DataError(
                    f"{path.name}: no column {_file_name(missing[0], naming)!r}; name the column "
                    f"that holds the {missing[0]} with --field {missing[0]}=COLUMN"
                )
        elif any(_not_utf8(cell) for cell in cells):
            yield begins, "must be valid UTF-8"
        elif len(cells) != len(header):
            if cells:
                yield begins, f"has {len(cells)} columns and must have {len(header)}"
        else:
            yield begins, dict(zip(header, cells, strict=True))


def _not_utf8(text: str) -> bool:
    """Whether bytes that are no UTF-8 were read; JSON's own escapes are not meant."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class _WrongFieldError(ValueError):
    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


def _row(record: Record, file: str, line: int, naming: Naming) -> Row | BadRow:
    if isinstance(record, str):
        return BadRow(file=file, line=line, field="line", problem=record)
    try:
        return _checked(record, file, line, naming)
    except _WrongFieldError as error:
        name = _file_name(error.name, naming)
        return BadRow(file=file, line=line, field=name, problem=str(error))


def _file_name(name: str, naming: Naming) -> str:
    return naming.fields.get(name, name)


def _checked(record: Mapping[str, Any], file: str, line: int, naming: Naming) -> Row:
    def value(name: str) -> Any:
        return record.get(_file_name(name, naming))

    response = _text(value("response"), "response") or None
    text = _text(value("text"), "text")
    if not text.strip() and response is None:
        raise _WrongFieldError("text", "must be a text that is not empty")
    kind = _word(value("kind"), "kind")
    judged = text if response is None else response
    return Row(
        text=text,
        response=response,
        label=_label(value("label")),
        category=_word(value("category"), "category"),
        kind=kind,
        lang=_word(value("lang"), "lang"),
        subject=_subject(value("subject"), response, kind, naming),
        spans=_spans(value("spans"), len(judged)),
        file=file,
        line=line,
    )


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _WrongFieldError(name, "must be a text")
    return value


def _word(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _WrongFieldError(name, "must be a word")
    return _plain(str(value).strip())


def _plain(word: str) -> str:
    """``word`` as it can be written to a file: half a surrogate pair cannot."""
    return word.encode("utf-8", "replace").decode()


def _label(value: Any) -> bool:
    word = str(value).strip().lower()
    if isinstance(value, bool | int | float | str):
        if word in _HARMFUL:
            return True
        if word in _HARMLESS:
            return False
    raise _WrongFieldError("label", "must be 1 or 0, true or false, unsafe or safe")


def _subject(value: Any, response: str | None, kind: str, naming: Naming) -> Subject:
    word = _word(value, "subject").lower()
    if word:
        if word not in SUBJECTS:
            raise _WrongFieldError("subject", _one_of_subjects())
        subject = Subject(word)
        if response is not None and subject is not Subject.REPLY:
            raise _WrongFieldError("subject", "must be reply, because the row has a response")
        return subject
    if response is not None:
        return Subject.REPLY
    return naming.subjects.get(kind, naming.subject)


def _one_of_subjects() -> str:
    return f"must be one of {', '.join(SUBJECTS)}"


def _spans(value: Any, length: int) -> tuple[LabelledSpan, ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):
            raise _WrongFieldError("spans", _SPANS) from None
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _WrongFieldError("spans", _SPANS)
    return tuple(_span(one, length) for one in value)


_SPANS = "must be a list of [start, end] or [start, end, type] within the judged text"


def _span(value: Any, length: int) -> LabelledSpan:
    match value:
        case [int(start), int(end), *rest] if 0 <= start < end <= length and len(rest) <= 1:
            kind = rest[0] if rest else None
            if kind is None or isinstance(kind, str):
                return LabelledSpan(start=start, end=end, type=kind)
    raise _WrongFieldError("spans", _SPANS)
