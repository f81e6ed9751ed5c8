"""The SQLite file behind a folder: documents, their pieces, words and vectors."""

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from plugins.index.chunks import Chunk
from plugins.index.files import File, Skipped
from plugins.index.hits import Hit
from plugins.index.terms import tokens

_VERSION = f"2 unicode {unicodedata.unidata_version}"
"""Of the tables and of how terms are made; another one means building anew."""

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    changed INTEGER NOT NULL, digest BLOB NOT NULL, settled INTEGER NOT NULL, title TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL, heading TEXT NOT NULL,
    anchor TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX chunk_file ON chunk (file);
CREATE TABLE vector (chunk INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE skipped (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    title, heading, text, content='', prefix='5',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
"""
_BUSY_SECONDS = 60.0
_OPTIMISE_FROM = 500
"""Documents changed at once from which it pays to put the words' parts together."""

_FOUND = """
SELECT chunk.id, file.path, file.title, chunk.heading, chunk.anchor, chunk.text, file.changed
FROM chunk JOIN file ON file.id = chunk.file WHERE chunk.id IN
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was last seen of a file. ``settled`` when its time of change can be relied on."""

    id: int
    size: int
    changed: int
    digest: bytes
    settled: bool


def open_database(path: Path, revision: str) -> sqlite3.Connection:
    """The database at ``path``, built anew if it is damaged, outdated or not one.

    Args:
        path: may not exist.
        revision: of what makes vectors; when it changes they are dropped.
    """
    try:
        return _opened(path, revision)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # Everything in it can be made again from the folder.
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            name.unlink(missing_ok=True)
        return _opened(path, revision)


def connected(path: Path) -> sqlite3.Connection:
    """A connection; used by one thread at a time, whichever."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _opened(path: Path, revision: str) -> sqlite3.Connection:
    connection = connected(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the file is damaged")
        with writing(connection):
            if _value(connection, "version") != _VERSION:
                _drop_all(connection)
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
                _set(connection, "version", _VERSION)
            if _value(connection, "revision") != revision:
                connection.execute("DELETE FROM vector")
                _set(connection, "revision", revision)
                _forgotten(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction: all of it is kept or nothing; readers see the state before until then."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _drop_all(connection: sqlite3.Connection) -> None:
    kept = "name NOT LIKE 'sqlite_%' AND name NOT LIKE 'words_%'"
    for (name,) in connection.execute(
        f"SELECT name FROM sqlite_master WHERE type = 'table' AND {kept}"  # noqa: S608 - fixed
    ).fetchall():
        connection.execute(f'DROP TABLE "{name.replace(chr(34), chr(34) * 2)}"')


def _value(connection: sqlite3.Connection, name: str) -> str | None:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
    if there is None:
        return None
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _set(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def known_files(connection: sqlite3.Connection) -> dict[str, Known]:
    """All files in the index, by path."""
    rows = connection.execute("SELECT path, id, size, changed, digest, settled FROM file")
    return {
        path: Known(id=key, size=size, changed=changed, digest=digest, settled=bool(settled))
        for path, key, size, changed, digest, settled in rows
    }


def put_file(
    connection: sqlite3.Connection,
    file: File,
    *,
    title: str,
    digest: bytes,
    settled: bool,
    chunks: Iterable[Chunk],
    reason: str = "",
) -> None:
    """Add a file that is not in the index; with the ``reason`` if it cannot be read as text."""
    key = connection.execute(
        "INSERT INTO file (path, size, changed, digest, settled, title, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (file.path, file.size, file.changed, digest, settled, title, reason),
    ).lastrowid
    named = _terms(title)
    for chunk in chunks:
        row = connection.execute(
            "INSERT INTO chunk (file, heading, anchor, text) VALUES (?, ?, ?, ?)",
            (key, chunk.heading, chunk.anchor, chunk.text),
        ).lastrowid
        connection.execute(
            "INSERT INTO words (rowid, title, heading, text) VALUES (?, ?, ?, ?)",
            (row, named, _terms(chunk.heading), _terms(chunk.text)),
        )


def touch_file(connection: sqlite3.Connection, key: int, file: File, *, settled: bool) -> None:
    """Note that a file was looked at again, and says the same."""
    connection.execute(
        "UPDATE file SET size = ?, changed = ?, settled = ? WHERE id = ?",
        (file.size, file.changed, settled, key),
    )


def remove_file(connection: sqlite3.Connection, key: int) -> None:
    """Take a file out of the index."""
    rows = connection.execute(
        "SELECT chunk.id, file.title, heading, text FROM chunk JOIN file ON file.id = file "
        "WHERE file = ?",
        (key,),
    ).fetchall()
    for row, title, heading, text in rows:
        # The index of words keeps no text of its own; it is told what it had been given.
        connection.execute(
            "INSERT INTO words (words, rowid, title, heading, text) VALUES ('delete', ?, ?, ?, ?)",
            (row, _terms(title), _terms(heading), _terms(text)),
        )
        connection.execute("DELETE FROM vector WHERE chunk = ?", (row,))
    connection.execute("DELETE FROM chunk WHERE file = ?", (key,))
    connection.execute("DELETE FROM file WHERE id = ?", (key,))
    if rows:
        _forgotten(connection)


def put_skipped(connection: sqlite3.Connection, skipped: Iterable[Skipped]) -> None:
    """Replace the notes on files that were not looked into."""
    connection.execute("DELETE FROM skipped")
    connection.executemany(
        "INSERT OR REPLACE INTO skipped VALUES (?, ?)",
        ((each.path, each.reason) for each in skipped),
    )


def skipped_files(connection: sqlite3.Connection) -> tuple[Skipped, ...]:
    """The notes on files that were not looked into."""
    rows = connection.execute("SELECT path, reason FROM skipped ORDER BY path")
    return tuple(Skipped(path=path, reason=reason) for path, reason in rows)


def unread_files(connection: sqlite3.Connection) -> tuple[Skipped, ...]:
    """Every file that is not found, for whatever reason."""
    rows = connection.execute("SELECT path, reason FROM file WHERE reason != '' ORDER BY path")
    unreadable = (Skipped(path=path, reason=reason) for path, reason in rows)
    return (*skipped_files(connection), *unreadable)


def settle(connection: sqlite3.Connection, changes: int) -> None:
    """After ``changes`` documents were changed: keep the index of words quick."""
    if changes >= _OPTIMISE_FROM:
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")


def by_words(connection: sqlite3.Connection, query: str, limit: int) -> list[tuple[int, float]]:
    """Pieces that match an FTS5 ``query``, best first, with scores of which higher is better."""
    rows = connection.execute(
        "SELECT rowid, bm25(words, 3.0, 2.0, 1.0) AS score FROM words WHERE words MATCH ? "
        "ORDER BY score LIMIT ?",
        (query, limit),
    )
    return [(row, -score) for row, score in rows]


def without_vector(connection: sqlite3.Connection, limit: int) -> list[tuple[int, str]]:
    """Pieces that have no vector yet, lowest first, with what the vector is to be of."""
    rows = connection.execute(
        "SELECT chunk.id, file.title, heading, text FROM chunk JOIN file ON file.id = chunk.file "
        "WHERE chunk.id > (SELECT coalesce(max(chunk), 0) FROM vector) ORDER BY chunk.id LIMIT ?",
        (limit,),
    )
    return [
        (row, "\n".join(part for part in (title, heading, text) if part))
        for row, title, heading, text in rows
    ]


def put_vectors(connection: sqlite3.Connection, vectors: Iterable[tuple[int, bytes]]) -> None:
    """Keep the vectors of those pieces that are still there."""
    connection.executemany(
        "INSERT OR REPLACE INTO vector SELECT id, ?2 FROM chunk WHERE id = ?1", vectors
    )


def vectors_after(connection: sqlite3.Connection, chunk: int) -> list[tuple[int, bytes]]:
    """The vectors of pieces above ``chunk``, lowest first."""
    return connection.execute(
        "SELECT chunk, value FROM vector WHERE chunk > ? ORDER BY chunk", (chunk,)
    ).fetchall()


def forgotten(connection: sqlite3.Connection) -> int:
    """Changes whenever a vector may have gone."""
    return int(_value(connection, "forgotten") or 0)


def _forgotten(connection: sqlite3.Connection) -> None:
    _set(connection, "forgotten", str(forgotten(connection) + 1))


def hits(connection: sqlite3.Connection, chunks: Sequence[int]) -> dict[int, Hit]:
    """The pieces with these ids that are there."""
    marks = ", ".join("?" * len(chunks))
    with closing(connection.execute(f"{_FOUND} ({marks})", chunks)) as rows:
        return {
            row: Hit(
                path=path,
                title=title,
                heading=heading,
                anchor=anchor,
                text=text,
                changed=datetime.fromtimestamp(changed / 1e9, UTC),
            )
            for row, path, title, heading, anchor, text, changed in rows
        }


def counts(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """How many documents, pieces and vectors there are."""
    files, chunks, vectors = connection.execute(
        "SELECT (SELECT count(*) FROM file WHERE reason = ''), (SELECT count(*) FROM chunk),"
        " (SELECT count(*) FROM vector)"
    ).fetchone()
    return files, chunks, vectors


def _terms(text: str) -> str:
    return " ".join(tokens(text))
