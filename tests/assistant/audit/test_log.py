"""The decision log on disk: appending, rotating, continuing, failing."""

import asyncio
import contextlib
import itertools
import os
from pathlib import Path

import pytest

from assistant.audit.chain import CLOSED, OPENED, START, Entry, read
from assistant.audit.log import FileDecisionLog
from assistant.audit.segments import lines, segments
from assistant.clock import SystemClock
from assistant.errors import LogUnavailableError


def new_log(folder: Path, **options: object) -> FileDecisionLog:
    return FileDecisionLog(folder, clock=SystemClock(), **options)  # type: ignore[arg-type] # options of the constructor


def entries_of(folder: Path, writer: str) -> list[Entry]:
    return [
        read(line.data)
        for segment in segments(folder)[writer]
        for line in lines(folder / segment.name)
        if line.whole
    ]


def test_entries_are_chained_and_named(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    ids = [log.append("decision", {"n": n}) for n in range(3)]
    log.close()
    entries = entries_of(tmp_path, log.writer)
    assert [entry.kind for entry in entries] == [OPENED, *["decision"] * 3, CLOSED]
    assert [entry.id for entry in entries][1:4] == ids
    assert [entry.body for entry in entries][1:4] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [entry.prev for entry in entries] == [START, *(entry.hash for entry in entries[:-1])]
    assert [entry.seq for entry in entries] == list(range(5))


def test_what_is_appended_is_in_the_file_at_once(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    log.append("decision", {"n": 1})
    assert entries_of(tmp_path, log.writer)[-1].body == {"n": 1}
    log.close()


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    log = new_log(folder)
    log.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_segments_rotate_by_size_and_the_chain_goes_on(tmp_path: Path) -> None:
    log = new_log(tmp_path, segment_bytes=2000)
    for n in range(30):
        log.append("decision", {"n": n})
    log.close()
    files = segments(tmp_path)[log.writer]
    assert [segment.index for segment in files] == list(range(1, len(files) + 1))
    assert len(files) > 3
    assert all((tmp_path / segment.name).stat().st_size <= 2000 for segment in files)
    entries = entries_of(tmp_path, log.writer)
    assert [entry.seq for entry in entries] == list(range(32))
    assert all(a.hash == b.prev for a, b in itertools.pairwise(entries))


def test_an_entry_larger_than_a_segment_has_one_of_its_own(tmp_path: Path) -> None:
    log = new_log(tmp_path, segment_bytes=500)
    log.append("decision", {"large": "x" * 3000})
    log.append("decision", {"small": "x"})
    log.close()
    assert [entry.seq for entry in entries_of(tmp_path, log.writer)] == [0, 1, 2, 3]


def test_the_next_process_continues_the_chain_in_a_segment_of_its_own(tmp_path: Path) -> None:
    first = new_log(tmp_path)
    first.append("decision", {})
    first.close()
    written = {path: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
    second = new_log(tmp_path)
    second.close()
    assert second.writer == first.writer
    assert {path: path.read_bytes() for path in written} == written
    assert [entry.kind for entry in entries_of(tmp_path, first.writer)] == [
        OPENED,
        "decision",
        CLOSED,
        OPENED,
        CLOSED,
    ]


def test_two_processes_write_two_chains_that_name_each_other(tmp_path: Path) -> None:
    first = new_log(tmp_path)
    first.append("decision", {})
    head = first.head
    second = new_log(tmp_path)
    assert second.writer != first.writer
    assert entries_of(tmp_path, second.writer)[0].body["others"] == {first.writer: [1, head]}
    first.close()
    second.close()


def test_a_torn_entry_is_left_alone_and_named_by_the_next_process(tmp_path: Path) -> None:
    first = new_log(tmp_path)
    first.append("decision", {"n": 1})
    path = tmp_path / segments(tmp_path)[first.writer][0].name
    first.close()
    whole = path.read_bytes()
    without_close = whole[: whole.rindex(b"\n", 0, -1) + 1]
    path.write_bytes(without_close + b'{"hash":"12')
    second = new_log(tmp_path)
    second.close()
    assert path.read_bytes() == without_close + b'{"hash":"12'
    opened = entries_of(tmp_path, first.writer)[2]
    assert opened.kind == OPENED
    assert opened.body["torn"] == {path.name: 11}
    assert opened.seq == 2


def test_a_segment_without_any_entry_is_stepped_over(tmp_path: Path) -> None:
    first = new_log(tmp_path)
    first.close()
    empty = tmp_path / f"{first.writer}.000002.jsonl"
    empty.touch()
    second = new_log(tmp_path)
    second.close()
    opened = entries_of(tmp_path, first.writer)[2]
    assert (opened.kind, opened.seq, opened.body["torn"]) == (OPENED, 2, {empty.name: 0})


def test_a_chain_with_a_damaged_end_is_not_continued(tmp_path: Path) -> None:
    first = new_log(tmp_path)
    first.close()
    path = tmp_path / segments(tmp_path)[first.writer][0].name
    path.write_bytes(path.read_bytes().replace(b'"kind":"closed"', b'"kind":"clos3d"'))
    second = new_log(tmp_path)
    second.close()
    assert second.writer != first.writer


def test_what_is_not_json_is_refused_and_the_chain_goes_on(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    for body in ({"x": object()}, {1: "x"}, {"x": 1 << 70}):
        with pytest.raises(LogUnavailableError, match="JSON") as caught:
            log.append("decision", body)  # type: ignore[arg-type] # wrong on purpose
        assert caught.value.__cause__ is None
    log.append("decision", {"fine": True})
    log.close()
    assert [entry.seq for entry in entries_of(tmp_path, log.writer)] == [0, 1, 2]


def test_lone_surrogates_are_written_visibly(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    log.append("decision", {"text": "a\ud800b", "list": ["\udfff"]})
    log.close()
    assert entries_of(tmp_path, log.writer)[1].body == {"text": "a\\ud800b", "list": ["\\udfff"]}


def test_nothing_is_taken_after_closing(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    log.close()
    log.close()
    with pytest.raises(LogUnavailableError, match="closed"):
        log.append("decision", {})


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailableError, match="decisions"):
        new_log(tmp_path / "file" / "decisions")


async def test_waiters_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = new_log(tmp_path)
    await log.durable()
    syncs = 0
    real = os.fsync

    def counted(fd: int) -> None:
        nonlocal syncs
        syncs += 1
        real(fd)

    monkeypatch.setattr(os, "fsync", counted)

    async def turn() -> None:
        log.append("decision", {})
        await log.durable()

    await asyncio.gather(*(turn() for _ in range(50)))
    assert 1 <= syncs <= 3
    await log.durable()
    assert syncs <= 3
    log.close()


async def test_a_cancelled_waiter_takes_the_sync_from_nobody(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    log.append("decision", {})
    waiters = [asyncio.create_task(log.durable()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None, None]
    log.close()


async def test_a_failed_sync_makes_the_log_refuse_until_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log(tmp_path)

    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    waiters = [log.durable(), log.durable()]
    for result in await asyncio.gather(*waiters, return_exceptions=True):
        assert isinstance(result, LogUnavailableError)
    monkeypatch.undo()
    with pytest.raises(LogUnavailableError, match="restart"):
        log.append("decision", {})
    with pytest.raises(LogUnavailableError, match="restart"):
        await log.durable()
    log.close()


async def test_rotated_segments_are_synced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log(tmp_path, segment_bytes=1000)
    await log.durable()
    synced: set[str] = set()
    real = os.fsync

    def noted(fd: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real(fd)

    monkeypatch.setattr(os, "fsync", noted)
    for n in range(10):
        log.append("decision", {"n": n})
    await log.durable()
    names = [segment.name for segment in segments(tmp_path)[log.writer]]
    assert synced == {str(tmp_path), *(str(tmp_path / name) for name in names)}
    log.close()


async def test_without_fsync_nothing_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log(tmp_path, fsync=False, segment_bytes=1000)

    def never(fd: int) -> None:
        raise AssertionError("synced")

    monkeypatch.setattr(os, "fsync", never)
    for n in range(10):
        log.append("decision", {"n": n})
        await log.durable()
    log.close()
    assert len(entries_of(tmp_path, log.writer)) == 12


async def test_many_writers_wait_for_one_another_without_spinning(tmp_path: Path) -> None:
    with contextlib.closing(new_log(tmp_path)) as log:

        async def write() -> None:
            for _ in range(40):
                log.append("note", {})
                await log.durable()

        await asyncio.gather(*(write() for _ in range(16)))
