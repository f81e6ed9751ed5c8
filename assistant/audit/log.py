"""The decision log on disk."""

import asyncio
import contextlib
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.audit.chain import CLOSED, OPENED, START, BrokenEntryError, entry_id, seal
from assistant.audit.segments import LONGEST_LINE, Segment, segments, tail
from assistant.clock import Clock, Ids, random_id
from assistant.errors import LogUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Position:
    """Where a chain continues. ``torn`` maps segments that a crash cut short to the bytes lost."""

    writer: str
    index: int
    seq: int
    prev: str
    torn: dict[str, int]


class FileDecisionLog:
    """Hash-chained segments in a folder, one chain for each process that writes at a time.

    A process locks a chain that nobody writes any more and continues it in a new segment, or
    begins a chain of its own; it never changes a segment that another process wrote. Its first
    entry names the newest hash of every other chain, so that no chain can be taken away, nor its
    end cut off below that hash, without a trace.

    Args:
        folder: made when missing, readable by its owner only.
        clock: the time of each entry.
        ids: names a new chain.
        fsync: whether :meth:`durable` waits for the disk.
        segment_bytes: a segment is closed before it would grow beyond this.

    Raises:
        LogUnavailableError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        ids: Ids = random_id,
        fsync: bool = True,
        segment_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._appended = 0
        self._synced = 0
        self._sync: asyncio.Task[None] | None = None
        self._unusable: str | None = None
        self._torn = False
        self._size = 0
        self._fd = -1
        self._lock = -1
        self._old: list[int] = []
        """Descriptors to sync and then close: full segments and the folder they are in."""
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="corral-log")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            position = self._take_chain(ids)
            self._writer, self._index = position.writer, position.index
            self._seq, self._prev = position.seq, position.prev
            others = self._heads_of_others()
            self._open_segment()
            self.append(OPENED, {"others": others, "torn": position.torn})
        except OSError as error:
            self._drop()
            raise LogUnavailableError(
                f"decision log: cannot write to {folder} ({error.strerror})"
            ) from error
        except LogUnavailableError:
            self._drop()
            raise

    @property
    def writer(self) -> str:
        """The chain this process writes."""
        return self._writer

    @property
    def head(self) -> str:
        """Hash of the newest entry."""
        return self._prev

    def append(self, kind: str, body: dict[str, Any]) -> str:
        """See :class:`DecisionLog`."""
        if self._unusable is not None:
            raise LogUnavailableError(self._unusable)
        seq = self._seq
        try:
            line, digest = seal(
                writer=self._writer,
                seq=seq,
                prev=self._prev,
                at=self._clock.now(),
                kind=kind,
                body=body,
            )
        except TypeError:
            # From None: the original may quote the body.
            raise LogUnavailableError("decision log: an entry is not JSON-able") from None
        if len(line) > LONGEST_LINE:
            raise LogUnavailableError(f"decision log: an entry exceeds {LONGEST_LINE} bytes")
        self._write(line)
        self._seq = seq + 1
        self._prev = digest
        self._appended += 1
        return entry_id(self._writer, seq)

    async def durable(self) -> None:
        """See :class:`DecisionLog`. All that wait at the same time share one sync."""
        if not self._fsync:
            return
        target = self._appended
        while self._synced < target:
            if self._unusable is not None:
                raise LogUnavailableError(self._unusable)
            if self._sync is None:
                self._sync = asyncio.create_task(self._sync_all())
            # Shielded: one waiter's cancellation must not take the sync from the others.
            with contextlib.suppress(OSError):
                await asyncio.shield(self._sync)

    def close(self) -> None:
        """End the chain in good order; the log takes nothing after that. Closing twice is fine."""
        if self._fd < 0:
            return
        if self._unusable is None:
            with contextlib.suppress(LogUnavailableError):
                self.append(CLOSED, {})
        self._unusable = "decision log: closed"
        self._worker.shutdown(wait=True)
        if self._fsync:
            for fd in (*self._old, self._fd):
                with contextlib.suppress(OSError):
                    os.fsync(fd)
        self._drop()

    def _drop(self) -> None:
        self._worker.shutdown(wait=True)
        for fd in (*self._old, self._fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self._old, self._fd, self._lock = [], -1, -1

    # --- writing

    def _write(self, line: bytes) -> None:
        try:
            if self._torn:
                self._mend()
            if self._size and self._size + len(line) > self._segment_bytes:
                self._index += 1
                try:
                    self._open_segment()
                except OSError:
                    self._index -= 1
                    raise
            self._torn = True
            written = os.write(self._fd, line)
        except OSError as error:
            self._mend_quietly()
            raise LogUnavailableError(
                f"decision log: cannot be written ({error.strerror})"
            ) from error
        if written != len(line):
            self._mend_quietly()
            raise LogUnavailableError("decision log: cannot be written (no space left)")
        self._torn = False
        self._size += written

    def _mend(self) -> None:
        """Take back the part of an entry that was written before the disk was full."""
        os.ftruncate(self._fd, self._size)
        self._torn = False

    def _mend_quietly(self) -> None:
        # When this fails too, the next append tries again before it writes.
        with contextlib.suppress(OSError):
            self._mend()

    def _open_segment(self) -> None:
        path = self._folder / Segment(writer=self._writer, index=self._index).name
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        if self._fd >= 0:
            self._old.append(self._fd)
        self._fd, self._size = fd, 0
        if self._fsync:
            self._old.append(os.open(self._folder, os.O_RDONLY))
        else:
            for old in self._old:
                os.close(old)
            self._old = []

    # --- syncing

    async def _sync_all(self) -> None:
        covered, old = self._appended, self._old
        self._old = []
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._worker, _sync, [*old, self._fd])
            self._synced = covered
        except BaseException:
            # After a failed sync the kernel may have dropped the data and calls the next one a
            # success, so nothing this process writes can be called durable again.
            self._unusable = "decision log: the disk failed to sync; restart when it is sound"
            raise
        finally:
            # Before the task ends: whoever finds a finished one would wait for it in vain.
            self._sync = None
            for fd in old:
                os.close(fd)

    # --- starting

    def _take_chain(self, ids: Ids) -> _Position:
        for writer, files in segments(self._folder).items():
            lock = self._try_lock(writer)
            if lock is None:
                continue
            position = self._continuation(writer, files)
            if position is not None:
                self._lock = lock
                return position
            os.close(lock)
        writer = ids("w")
        lock = self._try_lock(writer)
        if lock is None:
            raise LogUnavailableError("decision log: the id of a new chain is taken")
        self._lock = lock
        return _Position(writer=writer, index=1, seq=0, prev=START, torn={})

    def _try_lock(self, writer: str) -> int | None:
        fd = os.open(self._folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def _continuation(self, writer: str, files: list[Segment]) -> _Position | None:
        """Where a chain nobody writes goes on; ``None`` for one whose end is damaged."""
        torn: dict[str, int] = {}
        seq, prev = 0, START
        for segment in reversed(files):
            path = self._folder / segment.name
            try:
                end = tail(path)
            except BrokenEntryError:
                return None
            if self._fsync:
                _sync_path(path)
            if end.torn or end.last is None:
                torn[segment.name] = end.torn
            if end.last is not None:
                seq, prev = end.last.seq + 1, end.last.hash
                break
        return _Position(writer=writer, index=files[-1].index + 1, seq=seq, prev=prev, torn=torn)

    def _heads_of_others(self) -> dict[str, list[int | str]]:
        heads: dict[str, list[int | str]] = {}
        for writer, files in segments(self._folder).items():
            if writer == self._writer:
                continue
            for segment in reversed(files):
                path = self._folder / segment.name
                try:
                    last = tail(path).last
                except BrokenEntryError:
                    break
                if self._fsync:
                    # What is named here must not be lost while the name survives.
                    _sync_path(path)
                if last is not None:
                    heads[writer] = [last.seq, last.hash]
                    break
        return heads


def _sync(fds: list[int]) -> None:
    for fd in fds:
        os.fsync(fd)


def _sync_path(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
