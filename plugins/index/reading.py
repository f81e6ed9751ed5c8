"""Files as documents with sections."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

import orjson

from plugins.index.chunks import Section
from plugins.pages.charset import decoded

MOST_BYTES = 5 * 1024 * 1024
TITLE_CHARS = 200
_ROWS = 50
"""Rows of a table under one heading."""
_CELL = 100_000
"""Characters of a cell; more is no table."""

_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_GOES_ON = re.compile(r"[ \t]*(?!\d+[.)] |[-*+] |[|>#])\S")
_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)")
_FRONT = re.compile(r"\A---\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_FRONT_TITLE = re.compile(r"^title:(.*)$", re.MULTILINE)


class UnreadableError(Exception):
    """A file that holds no text Corral can read; the message says why in a fixed phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's title and what stands in it, section by section."""

    title: str
    sections: tuple[Section, ...]


def read_document(path: str, body: bytes) -> Document:
    """The document of which ``body`` is the file; ``path`` says of what kind it is.

    Raises:
        UnreadableError: it is not what its name says.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if b"\0" in body[:4096] and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("is not text")
    text = decoded(body, None, html=suffix in (".html", ".htm")).replace("\0", " ")
    title, sections = READERS[suffix](text)
    named = " ".join((title or PurePosixPath(path).stem).split())[:TITLE_CHARS]
    return Document(title=named or path, sections=tuple(s for s in sections if s.text.strip()))


def _markdown(text: str) -> tuple[str, list[Section]]:
    title = ""
    front = _FRONT.match(text)
    if front is not None:
        named = _FRONT_TITLE.search(front[1])
        title = named[1].strip().strip("\"'") if named else ""
        text = text[front.end() :]
    outline = _Outline()
    fence: str | None = None
    wrapped = False
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark is not None:
            if fence is None:
                fence = mark[1][:3]
            elif mark[1].startswith(fence):
                fence = None
        heading = _HEADING.match(line) if fence is None else None
        if heading is not None:
            outline.open(len(heading[1]), heading[2].rstrip(" \t#"))
            wrapped = False
            continue
        # A line that only goes on is part of the sentence before it.
        goes_on = wrapped and mark is None and _GOES_ON.match(line) is not None
        outline.write(f" {line.strip()}" if goes_on else f"\n{line}")
        wrapped = fence is None and mark is None and bool(line.strip()) and line[0] != "|"
    return title or outline.title, outline.sections()


class _Outline:
    """Gathers text under the headings above it."""

    def __init__(self) -> None:
        self.title = ""
        self._above: list[tuple[int, str]] = []
        self._parts: list[tuple[str, list[str]]] = [("", [])]

    def open(self, level: int, heading: str) -> None:
        named = " ".join(heading.split())
        self.title = self.title or named
        self._above = [(depth, name) for depth, name in self._above if depth < level]
        self._above.append((level, named))
        # The document's own title stands above everything, and says nothing of where one is.
        inner = [name for depth, name in self._above if depth > 1] or [named]
        self._parts.append((" › ".join(inner), []))

    def write(self, text: str) -> None:
        self._parts[-1][1].append(text)

    def sections(self) -> list[Section]:
        return [Section(heading=heading, text="".join(text)) for heading, text in self._parts]


def _plain(text: str) -> tuple[str, list[Section]]:
    return "", [Section(heading="", text=text)]


def _html(text: str) -> tuple[str, list[Section]]:
    # Imported here: only those need it who have such documents.
    from lxml.etree import HTMLParser, XMLSyntaxError

    page = _Page()
    # Python's own parser takes hours for a few megabytes that are made to harm; this one does not.
    parser = HTMLParser(target=page, encoding="utf-8", no_network=True, remove_comments=True)
    try:
        parser.feed(text.encode("utf-8", "replace"))
        parser.close()
    except XMLSyntaxError as error:
        raise UnreadableError("is not HTML") from error
    return page.title or page.outline.title, page.outline.sections()


class _Page:
    """An HTML document's outline, as a target for the parser.

    Documents of an operator are written for reading: what stands around the text is told by the
    elements' names alone.
    """

    _SILENT = frozenset({"script", "style", "noscript", "template", "nav", "svg", "iframe"})
    _BLOCKS = frozenset(
        {"p", "div", "br", "li", "ul", "ol", "dl", "dt", "dd", "tr", "table", "section", "article"}
        | {"header", "footer", "main", "blockquote", "pre", "hr", "aside", "figure", "figcaption"}
        | {"details", "summary"}
    )

    def __init__(self) -> None:
        self.title = ""
        self.outline = _Outline()
        self._silent = 0
        self._heading: tuple[int, list[str]] | None = None
        self._in_title = False

    def start(self, tag: str, _attributes: object) -> None:
        """An element begins."""
        if tag in self._SILENT:
            self._silent += 1
        elif tag == "title":
            self._in_title = True
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._heading = (int(tag[1]), [])
        elif tag in self._BLOCKS:
            self._write("\n")
        elif tag in ("td", "th"):
            self._write(" ")

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "title":
            self._in_title = False
        elif self._heading is not None and tag == f"h{self._heading[0]}":
            level, words = self._heading
            self._heading = None
            if "".join(words).strip():
                self.outline.open(level, "".join(words))
        elif tag in self._BLOCKS:
            self._write("\n")

    def data(self, data: str) -> None:
        """Text."""
        if self._in_title:
            self.title = (self.title + data)[:TITLE_CHARS]
        elif not self._silent:
            self._write(data)

    def close(self) -> None:
        """The document ends."""

    def _write(self, text: str) -> None:
        if self._heading is not None:
            self._heading[1].append(text)
        else:
            self.outline.write(text)


def _csv(text: str) -> tuple[str, list[Section]]:
    return "", list(_tables(text))


def _tables(text: str) -> Iterator[Section]:
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:4096], ",;\t|")
    except csv.Error:
        dialect = "excel"
    rows = csv.reader(io.StringIO(text, newline=""), dialect)
    try:
        names = next(rows, [])
        first = 1
        while some := list(islice(rows, _ROWS)):
            # The csv module has a bound of its own, which any library may have lifted.
            if any(len(cell) > _CELL for row in some for cell in row):
                raise UnreadableError("is not a table")
            lines = ("; ".join(_cells(names, row)) for row in some)
            yield Section(heading=f"rows {first}–{first + len(some) - 1}", text="\n".join(lines))
            first += len(some)
        if first == 1:
            yield Section(heading="", text="; ".join(names))
    except csv.Error as error:
        raise UnreadableError("is not a table") from error


def _cells(names: list[str], row: list[str]) -> Iterator[str]:
    for place, cell in enumerate(row):
        if cell.strip():
            name = names[place].strip() if place < len(names) else ""
            yield f"{name}: {cell.strip()}" if name else cell.strip()


def _json(text: str) -> tuple[str, list[Section]]:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreadableError("is not JSON") from error
    title = parsed.get("title") if isinstance(parsed, dict) else None
    lines = "\n".join(_leaves(parsed))
    return title if isinstance(title, str) else "", [Section(heading="", text=lines)]


def _leaves(parsed: object) -> Iterator[str]:
    """Each value with the names that lead to it; walked without recursion, however deep."""
    waiting: list[tuple[str, object]] = [("", parsed)]
    while waiting:
        path, value = waiting.pop()
        match value:
            case dict():
                inner = [(f"{path}.{name}".lstrip("."), each) for name, each in value.items()]
                waiting += reversed(inner)
            case list():
                waiting += [(path, each) for each in reversed(value)]
            case None:
                pass
            case _:
                yield f"{path[-120:]}: {value}" if path else str(value)


READERS: dict[str, Callable[[str], tuple[str, list[Section]]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
    ".html": _html,
    ".htm": _html,
    ".csv": _csv,
    ".json": _json,
}
"""What is read, by the end of a file's name."""
