"""The vectors of a folder's pieces, in memory."""

import sqlite3
import threading

import numpy as np

from plugins.index import database
from plugins.index.meaning import NEAR, Vectors

MOST = 100_000
"""Vectors of one folder (150 MB); pieces beyond are found by words only."""


ENOUGH = 0.9
"""Share of pieces that must have a vector before meaning counts: until then the few that have
one would come before better ones that have none."""


class VectorCache:
    """Follows what the database holds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forgotten = -1
        self._ids = np.empty(0, dtype=np.int64)
        self._rows: Vectors = np.empty((0, 0), dtype=np.float32)

    def nearest(
        self, connection: sqlite3.Connection, question: Vectors, limit: int
    ) -> list[tuple[int, float]]:
        """Ids and cosines of the pieces that have to do with ``question``, nearest first.

        None as long as many pieces have no vector yet.
        """
        pieces = database.counts(connection)[1]
        with self._lock:
            self._follow(connection)
            ids, rows = self._ids, self._rows
        if len(ids) < max(1.0, ENOUGH * min(pieces, MOST)) or rows.shape[1] != len(question):
            return []
        cosines = rows @ question
        if len(cosines) > limit:
            places = np.argpartition(-cosines, limit)[:limit]
        else:
            places = np.arange(len(cosines))
        places = places[np.argsort(-cosines[places], kind="stable")]
        return [(int(ids[at]), float(cosines[at])) for at in places if cosines[at] >= NEAR]

    def _follow(self, connection: sqlite3.Connection) -> None:
        forgotten = database.forgotten(connection)
        if forgotten != self._forgotten:
            self._forgotten = forgotten
            self._ids = np.empty(0, dtype=np.int64)
            self._rows = np.empty((0, 0), dtype=np.float32)
        last = int(self._ids[-1]) if len(self._ids) else 0
        fresh = database.vectors_after(connection, last)
        if not fresh:
            return
        ids = np.array([row for row, _ in fresh], dtype=np.int64)
        halves = np.frombuffer(b"".join(value for _, value in fresh), dtype=np.float16)
        rows: Vectors = halves.reshape(len(fresh), -1).astype(np.float32)
        self._rows = np.concatenate((self._rows, rows)) if len(self._ids) else rows
        self._ids = np.concatenate((self._ids, ids))


def packed(vector: Vectors) -> bytes:
    """A vector as it is kept: half precision, which costs nothing in the ranking."""
    return vector.astype(np.float16).tobytes()
