"""Searching a folder while it changes."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from plugins.index import FolderIndex, database, refreshing
from plugins.index.folder import CHECK_SECONDS, NotReadyError, open_index
from plugins.index.hits import Hit, fused, ranked
from plugins.index.meaning import E5, Vectors, available

LATE = 2**62
"""A time by which every file has long settled."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def later(self) -> None:
        self.now += CHECK_SECONDS


class Subjects:
    """A stand-in for an encoder: a direction for each of a few subjects."""

    revision = "subjects-1"
    subjects = ("leave holiday urlaub vacation", "food lunch", "laptop computer")

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def question(self, text: str) -> Vectors:
        return self._vector(text)

    def pieces(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        low = text.lower()
        held = [any(word in low for word in names.split()) for names in self.subjects]
        vector = np.array([*held, 0.05], dtype=np.float32)
        return vector / np.linalg.norm(vector)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\nEverybody has thirty days of leave a year.\n")
    (folder / "canteen.md").write_text("# Canteen\nLunch is served from eleven to two.\n")
    (folder / "kurz.md").write_text("# Ablauf\nDie Rückerstattung dauert zwei Wochen.\n")
    (folder / "年假.md").write_text("# 年假\n员工每年有三十天的带薪年假。\n")
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opening(root: Path, tmp_path: Path, clock: Clock):
    def opened(embedder: Subjects | None = None, wall: int = LATE):
        return open_index(
            root, tmp_path / "index.sqlite3", embedder=embedder, clock=clock, wall=lambda: wall
        )

    return opened


@pytest.fixture
async def index(opening) -> AsyncIterator[FolderIndex]:
    async with opening() as index:
        yield index


async def found(index: FolderIndex, question: str) -> list[str]:
    return [hit.path for hit in ranked(await index.search(question))]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("How many days of leave do I have?", "leave.md"),
        ("LUNCH", "canteen.md"),
        ("Wie lange dauern Ruckerstattungen?", "kurz.md"),
        ("年假有几天", "年假.md"),
        ("假", "年假.md"),
        ("canteens", "canteen.md"),
    ],
)
async def test_documents_are_found_by_their_words(
    index: FolderIndex, question: str, path: str
) -> None:
    assert await found(index, question) == [path]


@pytest.mark.parametrize("question", ["", "?", "the capital of France and Napoleon", '"', "\0"])
async def test_nothing_is_found_where_there_is_nothing(index: FolderIndex, question: str) -> None:
    assert await index.search(question) == []


async def test_a_hit_says_where_it_is_from(index: FolderIndex) -> None:
    (hit,) = await index.search("lunch")
    assert (hit.title, hit.heading, hit.place) == ("Canteen", "Canteen", "canteen.md#canteen")
    assert "eleven to two" in hit.text
    assert hit.words is not None
    assert hit.meaning is None


async def test_changes_are_seen_after_a_moment(
    index: FolderIndex, root: Path, clock: Clock
) -> None:
    (root / "leave.md").write_text("# Leave\nNobody has any.\n")
    (root / "canteen.md").unlink()
    (root / "new").mkdir()
    (root / "new" / "laptops.txt").write_text("Laptops are replaced after four years.")
    assert await found(index, "thirty days") == ["leave.md"]
    clock.later()
    assert await found(index, "thirty days") == []
    assert await found(index, "nobody has any leave") == ["leave.md"]
    assert await found(index, "lunch") == []
    assert await found(index, "laptop") == ["new/laptops.txt"]
    assert (await index.counts())[0] == 4


async def test_a_file_that_only_got_a_new_time_is_not_read_anew(
    index: FolderIndex, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = refreshing.read_document
    monkeypatch.setattr(
        refreshing, "read_document", lambda path, body: read.append(path) or original(path, body)
    )
    os.utime(root / "leave.md", ns=(5, 5))
    clock.later()
    assert await found(index, "leave") == ["leave.md"]
    assert read == []


async def test_a_change_within_the_same_tick_is_seen(opening, root: Path, clock: Clock) -> None:
    changed = (root / "leave.md").stat().st_mtime_ns
    async with opening(wall=changed + 1) as index:
        (root / "leave.md").write_text("# Leave\nEverybody has forty2 days of leave a year.\n")
        assert (root / "leave.md").stat().st_size == 51
        (root / "leave.md").write_text("# Leave\nEverybody has twelve days of leave a year.\n")
        os.utime(root / "leave.md", ns=(changed, changed))
        clock.later()
        assert await found(index, "twelve days") == ["leave.md"]


async def test_a_second_opening_reads_nothing_again(
    opening, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening():
        pass
    monkeypatch.setattr(refreshing, "read_document", None)
    clock.later()
    async with opening() as index:
        assert await found(index, "lunch") == ["canteen.md"]


async def test_a_crash_while_indexing_leaves_the_index_as_it_was(
    index: FolderIndex, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        (root / f"new{n}.md").write_text(f"Novelty number {n}.")
    (root / "canteen.md").unlink()
    original = refreshing.read_document

    def broken(path: str, body: bytes):
        if path == "new3.md":
            raise OSError("the disk is gone")
        return original(path, body)

    monkeypatch.setattr(refreshing, "read_document", broken)
    clock.later()
    assert await found(index, "novelty") == []
    assert await found(index, "lunch") == ["canteen.md"]
    monkeypatch.setattr(refreshing, "read_document", original)
    clock.later()
    assert len(await found(index, "novelty")) == 5
    assert await found(index, "lunch") == []


async def test_a_folder_that_goes_away_keeps_its_index(
    index: FolderIndex, root: Path, clock: Clock
) -> None:
    await asyncio.to_thread(root.rename, root.with_name("moved"))
    clock.later()
    assert await found(index, "lunch") == ["canteen.md"]


async def test_a_damaged_or_foreign_file_is_built_anew(opening, tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite3"
    path.write_bytes(b"this is no database" * 1000)
    async with opening() as index:
        assert await found(index, "lunch") == ["canteen.md"]
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    async with opening() as index:
        assert await found(index, "lunch") == ["canteen.md"]


async def test_an_index_of_another_version_is_built_anew(opening, tmp_path: Path) -> None:
    async with opening():
        pass
    with closing(sqlite3.connect(tmp_path / "index.sqlite3")) as connection, connection:
        connection.execute("UPDATE meta SET value = '0' WHERE name = 'version'")
        connection.execute("UPDATE chunk SET text = 'stale'")
    async with opening() as index:
        assert await found(index, "lunch") == ["canteen.md"]
        assert "stale" not in (await index.search("lunch"))[0].text


async def test_two_processes_may_share_the_file(opening, root: Path, clock: Clock) -> None:
    async with opening() as one, opening() as other:
        (root / "new.md").write_text("A novelty.")
        clock.later()
        assert await asyncio.gather(found(one, "novelty"), found(other, "novelty")) == [
            ["new.md"],
            ["new.md"],
        ]
        assert (await one.counts())[:2] == (5, 5)


async def test_a_folder_that_is_still_being_read_says_so(
    opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    original = refreshing.read_document
    monkeypatch.setattr("plugins.index.folder.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("plugins.index.folder.WAIT_SECONDS", 0.01)
    monkeypatch.setattr(
        refreshing, "read_document", lambda path, body: go.wait() and original(path, body)
    )
    async with opening() as index:
        with pytest.raises(NotReadyError):
            await index.search("lunch")
        go.set()
        await index.settled()
        assert await found(index, "lunch") == ["canteen.md"]


async def test_closing_gives_up_what_is_under_way(
    opening, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go = threading.Event(), threading.Event()
    original = refreshing.read_document

    def slow(path: str, body: bytes):
        started.set()
        go.wait()
        return original(path, body)

    monkeypatch.setattr("plugins.index.folder.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(refreshing, "read_document", slow)
    async with opening() as index:
        await asyncio.to_thread(started.wait)
        closing_it = asyncio.create_task(index.close())
        await asyncio.sleep(0)
        go.set()
        await closing_it
    monkeypatch.setattr(refreshing, "read_document", original)
    async with opening() as index:
        assert (await index.counts())[0] == 4


async def test_a_folder_must_be_one(root: Path, tmp_path: Path) -> None:
    for place in (root / "leave.md", root / "gone"):
        with pytest.raises(NotADirectoryError):
            async with open_index(place, tmp_path / "x.sqlite3"):
                pass


async def test_what_is_not_read_is_noted(index: FolderIndex, root: Path, clock: Clock) -> None:
    (root / "bad.json").write_text("{")
    (root / "link.md").symlink_to("/etc/hostname")
    clock.later()
    await index.search("lunch")
    assert {each.path: each.reason for each in await index.skipped()} == {
        "bad.json": "is not JSON",
        "link.md": "is a link that leads out of the folder",
    }
    assert (await index.counts())[0] == 4


async def test_what_cannot_be_read_is_not_tried_again_until_it_changes(
    index: FolderIndex, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "bad.json").write_text("{")
    read: list[str] = []
    original = refreshing.read_document
    monkeypatch.setattr(
        refreshing, "read_document", lambda path, body: read.append(path) or original(path, body)
    )
    for _ in range(3):
        clock.later()
        await index.search("lunch")
    assert read == ["bad.json"]
    (root / "bad.json").write_text('{"mended": "novelty"}')
    clock.later()
    assert await found(index, "novelty") == ["bad.json"]
    assert await index.skipped() == ()


async def test_looking_for_changes_keeps_nobody_waiting(
    index: FolderIndex, clock: Clock, tmp_path: Path
) -> None:
    with closing(database.connected(tmp_path / "index.sqlite3")) as other, database.writing(other):
        clock.later()
        await index.refresh()
        assert await found(index, "lunch") == ["canteen.md"]


@pytest.mark.parametrize(
    "name", ["a b.md", "#x?y=1%.md", "<script>.md", "new\nline.md", "'; DROP TABLE file;--.md"]
)
async def test_hostile_names_are_names(
    index: FolderIndex, root: Path, clock: Clock, name: str
) -> None:
    (root / name).write_text("Something unheard of.")
    clock.later()
    (hit,) = await index.search("unheard")
    assert hit.path == name
    assert not set(hit.place) & set(" #?<>\n'\"")
    assert (await index.counts())[0] == 5


async def test_meaning_finds_what_words_do_not(opening) -> None:
    embedder = Subjects()
    async with opening(embedder) as index:
        await index.settled()
        assert index.by_meaning
        assert (await index.counts())[2] == 4
        hits = ranked(await index.search("vacation"))
        assert [hit.path for hit in hits] == ["leave.md"]
        assert hits[0].words is None
        assert hits[0].meaning == pytest.approx(1.0, abs=0.01)


async def test_vectors_follow_the_documents(opening, root: Path, clock: Clock) -> None:
    embedder = Subjects()
    async with opening(embedder) as index:
        await index.settled()
        assert await found(index, "food") == ["canteen.md"]
        (root / "canteen.md").write_text("Closed for ever.")
        (root / "pc.md").write_text("A computer for everybody.")
        clock.later()
        await index.search("x")
        await index.settled()
        assert await found(index, "food") == []
        assert await found(index, "laptop") == ["pc.md"]
        assert len(embedder.embedded) == 6
    other = Subjects()
    async with opening(other) as index:
        await index.settled()
    assert other.embedded == []


async def test_another_encoder_makes_all_vectors_anew(opening) -> None:
    async with opening(Subjects()) as index:
        await index.settled()
    other = Subjects()
    other.revision = "subjects-2"
    async with opening(other) as index:
        await index.settled()
    assert len(other.embedded) == 4


async def test_an_encoder_that_fails_leaves_the_words(
    opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Subjects()

    def broken(texts: Sequence[str]) -> Vectors:
        raise ArithmeticError

    monkeypatch.setattr(embedder, "pieces", broken)
    async with opening(embedder) as index:
        await index.settled()
        assert await found(index, "lunch") == ["canteen.md"]
        assert (await index.counts())[2] == 0


async def test_meaning_counts_once_nearly_every_piece_has_a_vector(
    opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Subjects()
    whole = embedder.pieces

    def three(texts: Sequence[str]) -> Vectors:
        if len(embedder.embedded) == 3:
            raise ArithmeticError
        return whole(texts)

    monkeypatch.setattr("plugins.index.folder._BATCH", 1)
    monkeypatch.setattr(embedder, "pieces", three)
    async with opening(embedder) as index:
        await index.settled()
        assert (await index.counts())[2] == 3
        assert await index.search("vacation") == []
    monkeypatch.setattr(embedder, "pieces", whole)
    async with opening(embedder) as index:
        await index.settled()
        assert await found(index, "vacation") == ["leave.md"]


async def test_the_real_encoder_finds_across_languages(root: Path, tmp_path: Path) -> None:
    embedder = available()
    assert isinstance(embedder, E5)
    async with open_index(root, tmp_path / "real.sqlite3", embedder=embedder) as index:
        await index.settled()
        best = ranked(await index.search("Wann gibt es Mittagessen in der Kantine?"))[0]
    assert best.path == "canteen.md"


def test_ranks_are_fused() -> None:
    assert [key for key, _ in fused([["a", "b", "c"], ["c", "b"]])] == ["c", "b", "a"]
    assert fused([]) == []


def test_both_ways_of_finding_count_alike() -> None:
    def hit(path: str, words: float | None, meaning: float | None) -> Hit:
        return Hit(
            path=path,
            title="",
            heading="",
            anchor="",
            text="",
            changed=datetime(2026, 1, 1, tzinfo=UTC),
            words=words,
            meaning=meaning,
        )

    order = ranked([hit("a", 9.0, None), hit("b", 5.0, 0.9), hit("c", None, 0.95)])
    assert [each.path for each in order] == ["b", "a", "c"]


def test_a_half_written_index_is_never_seen(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    stop = threading.Event()
    stop.set()
    with (
        closing(database.open_database(path, "")) as writer,
        closing(database.connected(path)) as reader,
    ):
        with pytest.raises(refreshing.StoppedError):
            refreshing.refresh(writer, root, now=LATE, stop=stop)
        assert database.counts(reader) == (0, 0, 0)
        with database.writing(writer):
            writer.execute("INSERT INTO skipped VALUES ('x', 'y')")
            assert database.skipped_files(reader) == ()
        assert len(database.skipped_files(reader)) == 1
