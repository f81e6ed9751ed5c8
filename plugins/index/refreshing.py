"""Brings the database up to what the folder holds."""

import hashlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plugins.index import database
from plugins.index.chunks import chunked
from plugins.index.database import Known
from plugins.index.files import File, Skipped, content, listed
from plugins.index.reading import Document, UnreadableError, read_document

UNSETTLED = 2_000_000_000
"""Nanoseconds within which a file may change again without its time of change telling."""


class StoppedError(Exception):
    """The work was given up because its owner closes; nothing of it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a refresh did. ``skipped`` counts the files that were not read, by reason."""

    added: int
    changed: int
    removed: int
    skipped: dict[str, int]

    @property
    def total(self) -> int:
        """Documents that are different now."""
        return self.added + self.changed + self.removed


def refresh(
    connection: sqlite3.Connection, root: Path, *, now: int, stop: threading.Event
) -> Changes:
    """Read what is new or changed in ``root`` and forget what is gone, as one transaction.

    Args:
        now: nanoseconds since the epoch.
        stop: gives up when set.

    Raises:
        OSError: the folder cannot be read; the index stays as it is.
        StoppedError: ``stop`` was set.
    """
    there = list(listed(root))
    files = [each for each in there if isinstance(each, File)]
    skipped = [each for each in there if isinstance(each, Skipped)]
    if _up_to_date(connection, files, skipped):
        return Changes(added=0, changed=0, removed=0, skipped={})
    with database.writing(connection):
        known = database.known_files(connection)
        seen: set[str] = set()
        added = changed = 0
        for entry in files:
            if stop.is_set():
                raise StoppedError
            before = known.get(entry.path)
            if before is None or not _same(before, entry):
                try:
                    new = _taken_in(connection, root, entry, before, now)
                except UnreadableError as error:
                    skipped.append(Skipped(path=entry.path, reason=str(error)))
                    continue
                added += new and before is None
                changed += new and before is not None
            seen.add(entry.path)
        gone = [before.id for path, before in known.items() if path not in seen]
        for key in gone:
            database.remove_file(connection, key)
        database.put_skipped(connection, skipped)
        database.settle(connection, added + changed + len(gone))
        unread = database.unread_files(connection)
    return Changes(
        added=added,
        changed=changed,
        removed=len(gone),
        skipped=dict(Counter(each.reason for each in unread)),
    )


def _up_to_date(
    connection: sqlite3.Connection, files: Sequence[File], skipped: Sequence[Skipped]
) -> bool:
    """Whether there is nothing to do, found out without keeping other processes waiting."""
    known = database.known_files(connection)
    return (
        len(known) == len(files)
        and all(entry.path in known and _same(known[entry.path], entry) for entry in files)
        and set(database.skipped_files(connection)) == set(skipped)
    )


def _same(before: Known, entry: File) -> bool:
    return before.settled and (before.size, before.changed) == (entry.size, entry.changed)


def _taken_in(
    connection: sqlite3.Connection, root: Path, entry: File, before: Known | None, now: int
) -> bool:
    """Whether the file says something new; if so it is in the index now."""
    body = content(root, entry.path)
    digest = hashlib.sha256(body).digest()
    settled = now - entry.changed > UNSETTLED
    if before is not None and before.digest == digest:
        database.touch_file(connection, before.id, entry, settled=settled)
        return False
    if before is not None:
        database.remove_file(connection, before.id)
    try:
        document, reason = read_document(entry.path, body), ""
    except UnreadableError as error:
        # Noted as a file, so that it is not read again until it changes.
        document, reason = Document(title="", sections=()), str(error)
    database.put_file(
        connection,
        entry,
        title=document.title,
        digest=digest,
        settled=settled,
        chunks=chunked(document.sections),
        reason=reason,
    )
    return True
