"""Files as documents, and documents in pieces."""

import contextlib
import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.index.chunks import CHUNK_CHARS, Section, anchor, chunked
from plugins.index.reading import READERS, UnreadableError, read_document

HANDBOOK = """---
title: "Handbook"
owner: nobody
---
Everything of
use.

# Staff

## Leave

Thirty days
a year.

- one
- two

```
# no heading
```

### Parental leave ###
Twelve months.
"""


def test_markdown_has_sections_under_headings() -> None:
    document = read_document("a/b.md", HANDBOOK.encode())
    assert document.title == "Handbook"
    assert [section.heading for section in document.sections] == [
        "",
        "Leave",
        "Leave › Parental leave",
    ]
    leave = document.sections[1].text
    assert "Thirty days a year." in leave
    assert "\n- one\n- two" in leave
    assert "# no heading" in leave


def test_without_a_title_the_first_heading_or_the_name_is_it() -> None:
    assert read_document("x.md", b"text\n# Top\nmore").title == "Top"
    assert read_document("leave.md", b"text").title == "leave"
    assert read_document("notes.txt", b"# not markdown").title == "notes"


def test_html_has_sections_and_no_scripts() -> None:
    document = read_document(
        "a.html",
        b"<title>Site &amp; co</title><script>alert(1)</script><nav>Home</nav>"
        b"<h1>Top</h1><p>One.</p><h2>Deep <b>er</b></h2><p>Two.<style>x{}</style></p>"
        b"<table><tr><td>a</td><td>b</td></tr></table>",
    )
    text = " ".join(section.text for section in document.sections)
    assert document.title == "Site & co"
    assert [section.heading for section in document.sections] == ["Top", "Deep er"]
    assert text.split() == ["One.", "Two.", "a", "b"]


def test_tables_name_their_columns_in_every_row() -> None:
    document = read_document("a.csv", "name;price\nBolt;3 €\nNut;\n".encode())
    assert document.sections[0].text == "name: Bolt; price: 3 €\nname: Nut"
    assert document.sections[0].heading == "rows 1–2"


def test_json_says_the_way_to_each_value() -> None:
    body = json.dumps({"title": "Prices", "items": [{"name": "Bolt", "price": 3}, None]})
    document = read_document("a.json", body.encode())
    assert document.title == "Prices"
    assert document.sections[0].text == "title: Prices\nitems.name: Bolt\nitems.price: 3"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("a.txt", b"PK\3\4\0\0\0"),
        ("a.json", b"{"),
        ("a.json", b"[" * 100_000),
        ("a.csv", b"a,b\n" + b"x" * 200_000 + b",1\n"),
    ],
)
def test_what_is_not_what_it_says_is_not_read(path: str, body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_document(path, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Die Größe der Tür lässt sich ändern. Früher ging das nicht.".encode("cp1252"), "Größe"),
        (b"\xff\xfe" + "Größe".encode("utf-16-le"), "Größe"),
        ("这是一个关于年假的说明文件，请仔细阅读。".encode("gb18030"), "年假"),
    ],
)
def test_older_ways_of_writing_are_read(body: bytes, expected: str) -> None:
    assert expected in read_document("a.txt", body).sections[0].text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("a.html", "<!--" * 75_000),
        ("a.html", "<a b=" * 60_000),
        ("a.html", "<![" * 100_000),
        ("a.html", "<div>" * 60_000),
        ("a.md", "# x" + " " * 300_000 + "y"),
        ("a.md", "---\ntitle: " + " " * 300_000 + "x\n---\n"),
        ("a.csv", '",' * 150_000),
    ],
)
def test_what_is_made_to_take_long_does_not(path: str, body: str) -> None:
    started = time.thread_time()
    with contextlib.suppress(UnreadableError):
        list(chunked(read_document(path, body.encode()).sections))
    assert time.thread_time() - started < 3.0


@given(body=st.binary(max_size=400), suffix=st.sampled_from(sorted(READERS)))
def test_any_bytes_are_a_document_or_unreadable(body: bytes, suffix: str) -> None:
    try:
        document = read_document(f"x{suffix}", body)
    except UnreadableError:
        return
    assert document.title
    assert all(len(chunk.text) <= CHUNK_CHARS for chunk in chunked(document.sections))


@given(text=st.text(max_size=3_000))
def test_pieces_are_short_and_hold_everything(text: str) -> None:
    pieces = [chunk.text for chunk in chunked([Section(heading="", text=text)])]
    assert all(0 < len(piece) <= CHUNK_CHARS for piece in pieces)
    held = {character for piece in pieces for character in piece}
    assert {character for character in text if not character.isspace()} <= held


def test_pieces_overlap_by_a_sentence() -> None:
    text = " ".join(f"Sentence number {n} says a thing that is {n * 7}." for n in range(60))
    pieces = [chunk.text for chunk in chunked([Section(heading="", text=text)])]
    assert len(pieces) > 2
    for before, after in pairwise(pieces):
        last = before.rsplit(". ", 1)[-1]
        assert after.startswith(last)
    assert all(f"number {n} " in " ".join(pieces) for n in range(60))


def test_a_sentence_without_end_is_cut() -> None:
    pieces = [chunk.text for chunk in chunked([Section(heading="", text="字" * 5_000)])]
    assert "".join(pieces) == "字" * 5_000
    assert len(pieces) == 7


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Leave › Parental leave", "parental-leave"),
        ("What is kept, and where?", "what-is-kept-and-where"),
        ("年假", "年假"),
        ("", ""),
    ],
)
def test_headings_are_linked_as_renderers_do(heading: str, expected: str) -> None:
    assert anchor(heading) == expected
