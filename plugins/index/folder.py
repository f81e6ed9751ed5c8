"""A folder of documents that can be searched while it changes."""

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from plugins.index import database
from plugins.index.files import Skipped
from plugins.index.hits import Hit
from plugins.index.match import match_query
from plugins.index.meaning import Embedder
from plugins.index.refreshing import Changes, StoppedError, refresh
from plugins.index.terms import is_wide, keywords, stem, tokens
from plugins.index.vectors import MOST, VectorCache, packed

CHECK_SECONDS = 3.0
"""How long the folder is taken to be as it was last seen."""

WAIT_SECONDS = 0.5
"""How long a question waits for changes to be read; after that it is answered without them."""

FIRST_WAIT_SECONDS = 5.0
"""How long opening waits for the first reading of the folder."""

_CANDIDATES = 50
_BATCH = 8

T = TypeVar("T")

_log = logging.getLogger(__name__)


class NotReadyError(Exception):
    """The folder is being read for the first time."""


class FolderIndex:
    """A folder's index. Made by :func:`open_index`."""

    def __init__(
        self,
        root: Path,
        path: Path,
        *,
        embedder: Embedder | None,
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self._root, self._path, self._embedder = root, path, embedder
        self._clock, self._wall = clock, wall
        self._stop = threading.Event()
        self._idle: list[sqlite3.Connection] = []
        self._vectors = VectorCache()
        # Of its own: reading a folder may take minutes, and others need the event loop's threads.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="corral-index")
        self._checked = -math.inf
        self._ready = False
        self._refreshing: asyncio.Task[Changes | None] | None = None
        self._embedding: asyncio.Task[None] | None = None

    @property
    def by_meaning(self) -> bool:
        """Whether documents are found by meaning too, not only by words."""
        return self._embedder is not None

    async def search(self, question: str, *, limit: int = 20) -> list[Hit]:
        """Pieces of documents that may answer ``question``, with scores for ``hits.ranked``.

        Raises:
            NotReadyError: the folder is being read for the first time.
        """
        await self.refresh(wait=WAIT_SECONDS)
        if not self._ready:
            raise NotReadyError
        return await asyncio.to_thread(self._search, question, limit)

    async def refresh(self, *, wait: float | None = None) -> None:
        """Look whether documents have changed, unless that was done a moment ago.

        ``wait`` seconds at most (``None``: until it is done); it goes on behind.
        """
        if self._refreshing is None and self._clock() - self._checked >= CHECK_SECONDS:
            self._refreshing = asyncio.create_task(self._refresh())
        if self._refreshing is not None:
            await asyncio.wait((self._refreshing,), timeout=wait)

    async def settled(self) -> None:
        """Return once everything found so far is indexed, by meaning too."""
        for task in (self._refreshing, self._embedding):
            if task is not None:
                await asyncio.wait((task,))
        if self._embedding is not None:
            await asyncio.wait((self._embedding,))

    async def counts(self) -> tuple[int, int, int]:
        """How many documents, pieces and vectors there are."""
        return await asyncio.to_thread(self._with, database.counts)

    async def skipped(self) -> tuple[Skipped, ...]:
        """The files that were not read, and why."""
        return await asyncio.to_thread(self._with, database.unread_files)

    async def _refresh(self) -> Changes | None:
        loop = asyncio.get_running_loop()
        try:
            changes = await loop.run_in_executor(self._threads, self._read_folder)
        except StoppedError:
            return None
        except (OSError, sqlite3.Error) as error:
            # The index stays as it was; the next question tries again.
            _log.warning("a folder of documents cannot be read: %s", type(error).__name__)
            return None
        finally:
            self._checked = self._clock()
            self._refreshing = None
        self._ready = True
        if changes.total:
            reasons = ", ".join(f"{count} {why}" for why, count in changes.skipped.items())
            _log.info(
                "documents: %d new, %d changed, %d gone; not read: %s",
                *(changes.added, changes.changed, changes.removed, reasons or "none"),
            )
        if self._embedder is not None and self._embedding is None and not self._stop.is_set():
            self._embedding = asyncio.create_task(self._embed(self._embedder))
        return changes

    async def _embed(self, embedder: Embedder) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._add_vectors, embedder)
        except (ArithmeticError, sqlite3.Error) as error:
            _log.warning("documents are found by words only: %s", type(error).__name__)
        finally:
            self._embedding = None

    async def close(self) -> None:
        """Give up what is under way and let go of the files."""
        self._stop.set()
        for task in (self._refreshing, self._embedding):
            if task is not None:
                await asyncio.wait((task,))
        self._threads.shutdown(wait=False)
        while self._idle:
            self._idle.pop().close()

    # What follows runs in threads.

    def open_database(self) -> None:
        """Make or check the file, before anything else.

        Raises:
            NotADirectoryError: the folder is none.
            sqlite3.Error: the file cannot be used.
        """
        if not self._root.is_dir():
            raise NotADirectoryError(f"{self._root} is not a folder")
        revision = "" if self._embedder is None else self._embedder.revision
        self._idle.append(database.open_database(self._path, revision))
        self._ready = bool(self._with(database.counts)[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = database.connected(self._path)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if self._stop.is_set():
            connection.close()
        else:
            self._idle.append(connection)

    def _with(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        with self._connection() as connection:
            return ask(connection)

    def _read_folder(self) -> Changes:
        with self._connection() as connection:
            return refresh(connection, self._root, now=self._wall(), stop=self._stop)

    def _add_vectors(self, embedder: Embedder) -> None:
        with self._connection() as connection:
            while not self._stop.is_set() and database.counts(connection)[2] < MOST:
                batch = database.without_vector(connection, _BATCH)
                if not batch:
                    return
                vectors = embedder.pieces([text for _, text in batch])
                rows = [
                    (row, packed(vector)) for (row, _), vector in zip(batch, vectors, strict=True)
                ]
                with database.writing(connection):
                    database.put_vectors(connection, rows)

    def _search(self, question: str, limit: int) -> list[Hit]:
        terms = keywords(question)
        query = match_query(terms)
        with self._connection() as connection:
            words = dict(database.by_words(connection, query, _CANDIDATES)) if query else {}
            near: dict[int, float] = {}
            if self._embedder is not None:
                vector = self._embedder.question(question)
                near = dict(self._vectors.nearest(connection, vector, limit))
            found = database.hits(connection, [*dict.fromkeys((*words, *near))])
        covered = {row for row in words if row in found and _covers(found[row], terms)}
        return [
            replace(
                hit,
                words=words[row] if row in covered else None,
                meaning=near.get(row),
            )
            for row, hit in found.items()
            if row in covered or row in near
        ]


def _covers(hit: Hit, terms: Sequence[str]) -> bool:
    """Whether a piece holds enough of what was asked for to have to do with it: a third.

    Of scripts without blanks half of that: only every other pair of characters is a word. What
    only the document's title holds does not make each of its pieces an answer.
    """
    wanted = {stem(term) for term in terms}
    own = wanted & {stem(term) for term in tokens(f"{hit.heading} {hit.text}")}
    held = own | (wanted & {stem(term) for term in tokens(hit.title)})
    asked = sum(0.5 if is_wide(term) else 1.0 for term in wanted)
    return bool(own) and len(held) * 3 >= asked


@asynccontextmanager
async def open_index(
    root: Path,
    path: Path,
    *,
    embedder: Embedder | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], int] = time.time_ns,
) -> AsyncIterator[FolderIndex]:
    """The index of the documents in ``root``, kept in the SQLite file ``path``.

    Raises:
        NotADirectoryError: ``root`` is no folder.
        sqlite3.Error: ``path`` cannot be used.
    """
    index = FolderIndex(root, path, embedder=embedder, clock=clock, wall=wall)
    await asyncio.to_thread(index.open_database)
    try:
        await index.refresh(wait=FIRST_WAIT_SECONDS)
        yield index
    finally:
        await index.close()
