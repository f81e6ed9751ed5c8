"""Reading labelled rows: what is accepted, and what is said about the rest."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.conversation import Integrity, Role, Subject
from guards.evaluate.datasets import (
    BadRow,
    DataError,
    LabelledSpan,
    Naming,
    Row,
    digest_of,
    exchange_of,
    read_rows,
)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def read(path: Path, naming: Naming | None = None) -> list[Row | BadRow]:
    return list(read_rows([path], naming))


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def complaint(path: Path, naming: Naming | None = None) -> str:
    [bad] = read(path, naming)
    assert isinstance(bad, BadRow)
    return str(bad)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.ndjson"])
def test_a_row_has_all_its_fields(tmp_path: Path, name: str) -> None:
    whole = {
        "text": "Who?",
        "response": "Ana Lima, of course.",
        "label": 1,
        "category": "privacy",
        "kind": "response",
        "lang": "en",
        "spans": [[0, 8, "PERSON"]],
    }
    [row] = read(written(tmp_path, name, "\n" + jsonl(whole)))
    assert row == Row(
        text="Who?",
        response="Ana Lima, of course.",
        label=True,
        category="privacy",
        kind="response",
        lang="en",
        subject=Subject.REPLY,
        spans=(LabelledSpan(start=0, end=8, type="PERSON"),),
        file=name,
        line=2,
    )


def test_csv_with_quotes_newlines_and_a_mark_at_its_start(tmp_path: Path) -> None:
    content = '\ufefftext,label,spans\n"one, ""two""\nthree",safe,\nfour,UNSAFE,"[[0, 2]]"\n'
    first, second = read(written(tmp_path, "rows.csv.gz", content))
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.text, first.label, first.line) == ('one, "two"\nthree', False, 2)
    assert (second.text, second.label, second.line) == ("four", True, 4)
    assert second.spans == (LabelledSpan(start=0, end=2),)


def test_tabs(tmp_path: Path) -> None:
    [row] = read(written(tmp_path, "rows.tsv", "label\ttext\r\n0\ta, b\r\n"))
    assert isinstance(row, Row)
    assert (row.text, row.label) == ("a, b", False)


@pytest.mark.parametrize(
    ("label", "expected"),
    [(0, False), (1, True), (True, True), (False, False), ("safe", False), ("Unsafe", True),
     ("TRUE", True), (" false ", False), (1.0, True), ("0", False)],
)  # fmt: skip
def test_labels(tmp_path: Path, label: object, expected: bool) -> None:
    [row] = read(written(tmp_path, "rows.jsonl", jsonl({"text": "a", "label": label})))
    assert isinstance(row, Row)
    assert row.label is expected


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "a"}, "label: must be 1 or 0, true or false, unsafe or safe"),
        ({"text": "a", "label": 2}, "label: must be 1 or 0"),
        ({"text": "a", "label": [1]}, "label: must be 1 or 0"),
        ({"text": "a", "label": float("nan")}, "label: must be 1 or 0"),
        ({"label": 1}, "text: must be a text that is not empty"),
        ({"text": "  ", "label": 1}, "text: must be a text that is not empty"),
        ({"text": 5, "label": 1}, "text: must be a text"),
        ({"text": "a", "response": {}, "label": 1}, "response: must be a text"),
        ({"text": "a", "label": 1, "category": [1]}, "category: must be a word"),
        ({"text": "a", "label": 1, "subject": "image"}, "subject: must be one of user_input, "),
        ({"text": "a", "response": "b", "label": 1, "subject": "document"}, "subject: must be rep"),
        ({"text": "abc", "label": 1, "spans": [[2, 1]]}, "spans: must be a list of [start, end]"),
        ({"text": "abc", "label": 1, "spans": [[0, 4]]}, "spans: must be a list of [start, end]"),
        ({"text": "abc", "label": 1, "spans": "[[0"}, "spans: must be a list of [start, end]"),
        ({"text": "abc", "label": 1, "spans": 3}, "spans: must be a list of [start, end]"),
        ([1, 2], "line: must be a JSON object"),
    ],
)  # fmt: skip
def test_a_bad_row_names_file_line_field_and_what_is_right(
    tmp_path: Path, row: object, said: str
) -> None:
    path = written(tmp_path, "rows.jsonl", "\n" + jsonl(row))
    assert complaint(path).startswith(f"rows.jsonl:2: {said}")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"text": "a", "label"\n', "a.jsonl:1: line: must be a JSON object on one"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "a.jsonl:1: line: must be a JSON object on one line"),
        ("a.jsonl", b'{"text": "\xff", "label": 1}\n', "a.jsonl:1: line: must be valid UTF-8"),
        ("a.csv", b"text,label\n\xff,1\n", "a.csv:2: line: must be valid UTF-8"),
        ("a.csv", b"text,label\na,1,2\n", "a.csv:2: line: has 3 columns and must have 2"),
        ("a.csv", b'text,label\n"a,1\n', "a.csv:2: line: must be CSV with quotes closed"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    assert complaint(written(tmp_path, name, content)).startswith(said)


def test_the_rest_of_the_file_is_read_after_a_bad_row(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": 1}, {"text": "b"}, {"text": "c", "label": 0}]
    found = read(written(tmp_path, "rows.jsonl", jsonl(*rows)))
    assert [type(row) for row in found] == [Row, BadRow, Row]


def test_an_archive_that_is_cut_short_is_a_bad_row(tmp_path: Path) -> None:
    path = written(
        tmp_path, "rows.jsonl.gz", jsonl(*[{"text": f"{i}" * 99, "label": 1} for i in range(300)])
    )
    path.write_bytes(path.read_bytes()[:-20])
    last = read(path)[-1]
    assert isinstance(last, BadRow)
    assert "damaged or cut short" in last.problem
    written(tmp_path, "plain.jsonl", jsonl({"text": "a", "label": 1})).rename(path)
    assert "damaged or cut short" in complaint(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.txt", "", "rows.txt: the name must end with .jsonl"),
        ("rows", "", "rows: the name must end with .jsonl"),
        ("rows.csv", "prompt,label\n", "--field text=COLUMN"),
        ("rows.csv", "text,unsafe\n", "--field label=COLUMN"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, name, content))
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: cannot be read: No such file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="cannot be read"):
        digest_of(tmp_path)


def test_fields_are_mapped_and_complaints_use_the_files_own_name(tmp_path: Path) -> None:
    naming = Naming(fields={"text": "prompt", "label": "toxic"})
    path = written(tmp_path, "rows.jsonl", jsonl({"prompt": "a", "toxic": 1}))
    [row] = read(path, naming)
    assert isinstance(row, Row)
    path = written(tmp_path, "rows.jsonl", jsonl({"prompt": "a", "label": 1}))
    assert complaint(path, naming).startswith("rows.jsonl:1: toxic: must be 1 or 0")
    with pytest.raises(DataError, match="no field is called 'txt'; there are text, response"):
        Naming(fields={"txt": "a"})
    with pytest.raises(DataError, match="cannot be read from rows"):
        Naming(subject=Subject.IMAGE)


def test_subjects_by_kind_stand_behind_the_rows_own(tmp_path: Path) -> None:
    naming = Naming(subject=Subject.DOCUMENT, subjects={"mail": Subject.TOOL_RESULT})
    rows = [
        {"text": "a", "label": 0},
        {"text": "a", "label": 0, "kind": "mail"},
        {"text": "a", "label": 0, "kind": "mail", "subject": "user_input"},
        {"text": "a", "label": 0, "kind": "mail", "response": "b"},
        {"text": "a", "label": 0, "subject": "reply"},
    ]
    found = read(written(tmp_path, "rows.jsonl", jsonl(*rows)), naming)
    assert [row.subject for row in found if isinstance(row, Row)] == [
        Subject.DOCUMENT,
        Subject.TOOL_RESULT,
        Subject.USER_INPUT,
        Subject.REPLY,
        Subject.REPLY,
    ]


def row_of(**fields: object) -> Row:
    standard = {"text": "a", "label": True, "subject": Subject.USER_INPUT, "file": "f", "line": 1}
    return Row(**(standard | fields))  # type: ignore[arg-type] # a test's shorthand


def test_the_key_depends_on_what_is_said_and_not_on_where() -> None:
    assert row_of().key == row_of(file="g", line=9).key
    others = [
        row_of(text="b"),
        row_of(response="a", subject=Subject.REPLY),
        row_of(label=False),
        row_of(category="c"),
        row_of(kind="c"),
        row_of(lang="c"),
        row_of(subject=Subject.DOCUMENT),
    ]
    assert len({row.key for row in [row_of(), *others]}) == len(others) + 1
    assert len(row_of(text="\ud800").key) == len(row_of().key)


def test_a_reply_is_judged_in_its_context() -> None:
    exchange = exchange_of(row_of(text="ask", response="answer", subject=Subject.REPLY))
    assert (exchange.subject, exchange.text) == (Subject.REPLY, "answer")
    assert exchange.message.role is Role.ASSISTANT
    assert [(m.role, m.text) for m in exchange.context] == [(Role.USER, "ask")]


@pytest.mark.parametrize("subject", [Subject.TOOL_RESULT, Subject.DOCUMENT])
def test_data_is_untrusted(subject: Subject) -> None:
    exchange = exchange_of(row_of(subject=subject))
    assert exchange.message.provenance.integrity is Integrity.UNTRUSTED
    assert exchange.context == ()


@given(st.binary(max_size=400), st.sampled_from(["r.jsonl", "r.csv", "r.tsv", "r.jsonl.gz"]))
def test_no_bytes_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(b"text,label\n" + content if name.endswith("csv") else content)
    try:
        for row in read(path):
            assert isinstance(row, Row | BadRow)
            if isinstance(row, Row):
                exchange_of(row)
    except DataError:
        pass


@given(st.text(min_size=1).filter(str.strip), st.booleans())
def test_json_lines_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, label: bool
) -> None:
    path = written(tmp_path_factory.mktemp("any"), "r.jsonl", jsonl({"text": text, "label": label}))
    [row] = read(path)
    assert isinstance(row, Row)
    assert (row.text, row.label) == (text, label)
