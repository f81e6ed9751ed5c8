"""Every way to tamper with a log is found and named; every honest log is sound."""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audit.chain import Entry, read, seal
from assistant.audit.log import FileDecisionLog
from assistant.audit.segments import segments
from assistant.audit.verify import Head, Problem, Report, heads, verify
from assistant.clock import SystemClock


class _Names:
    """Chains named in order, so that the first is taken up again first."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __call__(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers)}"


def build(folder: Path) -> None:
    """Two processes at once, one of them rotating, then one after a crash, then a last one."""
    ids = _Names()

    def start(segment_bytes: int = 1 << 20) -> FileDecisionLog:
        return FileDecisionLog(
            folder, clock=SystemClock(), ids=ids, fsync=False, segment_bytes=segment_bytes
        )

    first = start(1000)
    second = start()
    for number in range(6):
        first.append("decision", {"n": number})
        second.append("decision", {"m": number})
    second.close()
    first.close()
    torn = start()
    torn.append("decision", {"n": "before the crash"})
    torn.close()
    path = folder / segments(folder)[torn.writer][-1].name
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 21])
    last = start()
    other = start()
    last.append("decision", {"n": "after the crash"})
    other.close()
    last.close()


@pytest.fixture(scope="module")
def sample() -> Iterator[dict[str, bytes]]:
    with TemporaryDirectory() as name:
        build(Path(name))
        yield {path.name: path.read_bytes() for path in Path(name).glob("*.jsonl")}


@pytest.fixture
def folder(sample: dict[str, bytes], tmp_path: Path) -> Path:
    lay_out(tmp_path, sample)
    return tmp_path


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)


def only(report: Report) -> Problem:
    (problem,) = report.problems
    return problem


def entries(path: Path) -> list[Entry]:
    return [read(line) for line in path.read_bytes().splitlines()]


def resealed(entry: Entry, **changes: object) -> bytes:
    fields = {
        name: getattr(entry, name) for name in ("writer", "seq", "prev", "at", "kind", "body")
    }
    return seal(**(fields | changes))[0]  # type: ignore[arg-type] # the fields of an entry


def edit(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def test_an_honest_log_is_sound(folder: Path) -> None:
    report = verify(folder)
    assert report.problems == ()
    assert report.sound
    assert report.segments == len(list(folder.glob("*.jsonl")))
    assert {head.writer for head in report.heads} == {"w0", "w1"}
    assert report.entries == sum(head.seq + 1 for head in report.heads)
    assert report.heads == heads(folder)
    assert report.notes == ()


def test_an_empty_folder_and_none_are_sound(tmp_path: Path) -> None:
    assert verify(tmp_path).sound
    assert verify(tmp_path / "none").entries == 0


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_byte_that_is_changed_is_found_where_it_is(
    sample: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(sample)))
    whole = sample[name]
    # Past the last newline lies what a crash left: no entry, and proven by its length alone.
    offset = data.draw(st.integers(0, whole.rindex(b"\n")))
    changed = bytearray(whole)
    changed[offset] ^= data.draw(st.integers(1, 255))
    line = whole.count(b"\n", 0, offset) + 1
    with TemporaryDirectory() as folder:
        lay_out(Path(folder), sample | {name: bytes(changed)})
        report = verify(Path(folder))
    # There, or at the entry after it, which may be the first of the next segment.
    after = sorted(other for other in sample if other > name)[:1]
    places = {(name, line), (name, line + 1), *((other, 1) for other in after)}
    assert any((p.file, p.line) in places for p in report.problems)


@settings(deadline=None)
@given(st.data())
def test_any_line_that_is_taken_out_doubled_or_moved_is_found(
    sample: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(sample)))
    listed = sample[name].splitlines(keepends=True)
    place = data.draw(st.integers(0, len(listed) - 1))
    target = data.draw(st.integers(0, len(listed)).filter(lambda t: t not in (place, place + 1)))
    line = listed[place]
    match data.draw(st.sampled_from(["take out", "double", "move"])):
        case "take out":
            changed = listed[:place] + listed[place + 1 :]
            if place == len(listed) - 1 and _ends_its_chain(name, sample):
                return  # the loss of the newest entries is a matter of heads
        case "double":
            changed = [*listed[:target], line, *listed[target:]]
        case _:
            rest = listed[:place] + listed[place + 1 :]
            target -= target > place
            changed = [*rest[:target], line, *rest[target:]]
    with TemporaryDirectory() as folder:
        lay_out(Path(folder), sample | {name: b"".join(changed)})
        assert not verify(Path(folder)).sound


def _ends_its_chain(name: str, files: dict[str, bytes]) -> bool:
    writer = name.split(".")[0]
    return name == max(other for other in files if other.startswith(f"{writer}."))


def test_a_changed_entry_with_a_hash_to_match_breaks_the_link(folder: Path) -> None:
    path = folder / "w1.000001.jsonl"
    entry = entries(path)[2]
    edit(path, lambda ls: [*ls[:2], resealed(entry, body={"m": "forged"}), *ls[3:]])
    problem = only(verify(folder))
    assert (problem.file, problem.line, problem.seq) == (path.name, 4, 3)
    assert "bad link" in problem.what
    assert str(problem) == f"{path.name}, line 4, entry w1-3: {problem.what}"


def test_a_chain_forged_to_its_end_is_found_by_the_chain_that_names_it(folder: Path) -> None:
    path = folder / "w1.000001.jsonl"
    forged, prev = [], entries(path)[0].prev
    for entry in entries(path):
        line = resealed(entry, prev=prev, at=1.0)
        forged.append(line)
        prev = read(line[:-1]).hash
    path.write_bytes(b"".join(forged))
    (folder / "w1.000002.jsonl").unlink()
    problem = only(verify(folder))
    assert (problem.writer, problem.file) == ("w1", path.name)
    assert "names another entry" in problem.what


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_segment_that_is_taken_away_is_named(folder: Path, index: int) -> None:
    path = folder / f"w0.00000{index}.jsonl"
    path.unlink()
    problem = only(verify(folder))
    assert (problem.file, problem.line) == (path.name, None)
    assert "missing" in problem.what


def test_a_chain_that_is_taken_away_is_named(folder: Path) -> None:
    for path in folder.glob("w1.*"):
        path.unlink()
    problem = only(verify(folder))
    assert problem.writer == "w1"
    assert "the chain is missing, though entry w0-" in str(problem)


def test_an_end_that_another_chain_names_cannot_be_cut_off(folder: Path) -> None:
    (folder / "w1.000002.jsonl").unlink()
    edit(folder / "w1.000001.jsonl", lambda lines: lines[:-1])
    problem = only(verify(folder))
    assert problem.file == "w1.000001.jsonl"
    assert "the end is missing: entry w0-" in problem.what


def test_an_end_cut_off_beyond_that_is_found_by_a_head_kept_elsewhere(folder: Path) -> None:
    kept = heads(folder)
    last = max(folder.glob("w0.*"))
    edit(last, lambda lines: lines[:-1])
    assert verify(folder).sound
    problem = only(verify(folder, expect_heads=kept))
    assert "an expected head names entry w0-" in problem.what
    assert problem.file == last.name


def test_a_head_kept_elsewhere_stays_good_as_the_log_grows(folder: Path) -> None:
    kept = heads(folder)
    FileDecisionLog(folder, clock=SystemClock(), fsync=False).close()
    assert verify(folder, expect_heads=kept).sound
    assert heads(folder) != kept


def test_a_whole_log_that_is_replaced_is_found_by_a_head(folder: Path) -> None:
    kept = heads(folder)
    for path in folder.glob("*.jsonl"):
        path.unlink()
    assert verify(folder).sound
    assert len(verify(folder, expect_heads=kept).problems) == 2
    build(folder)
    assert len(verify(folder, expect_heads=kept).problems) == 2


def test_an_expected_hash_must_be_there(folder: Path) -> None:
    head = heads(folder)[0]
    assert verify(folder, expect_hashes=[head.hash]).sound
    problem = only(verify(folder, expect_hashes=["0" * 64]))
    assert "expected hash" in str(problem)
    assert isinstance(head, Head)


def test_a_torn_end_is_a_note_at_the_end_of_a_chain(folder: Path) -> None:
    last = max(folder.glob("w0.*"))
    whole = last.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start + 1, len(whole)):
        last.write_bytes(whole[:end])
        report = verify(folder)
        assert report.sound
        assert any("torn" in note and last.name in note for note in report.notes)
        assert any("not closed" in note for note in report.notes)


def test_a_torn_end_that_is_tidied_away_later_is_found(folder: Path) -> None:
    (torn,) = (p for p in folder.glob("*.jsonl") if not p.read_bytes().endswith(b"\n"))
    edit(torn, lambda lines: lines[:-1])
    problem = only(verify(folder))
    assert "not as this entry found them" in problem.what


def test_lines_appended_to_a_segment_of_the_past_are_found(folder: Path) -> None:
    path = folder / "w1.000001.jsonl"
    last = entries(path)[-1]
    line = resealed(last, seq=last.seq + 1, prev=last.hash, kind="decision")
    edit(path, lambda lines: [*lines, line])
    assert only(verify(folder)).file == "w1.000002.jsonl"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"writer": "w9"}, "another chain"),
        ({"seq": 9}, "stands here instead"),
        ({"prev": "0" * 64}, "bad link"),
        ({"kind": "opened", "body": {"others": {}, "torn": {}}}, "middle of a segment"),
    ],
)
def test_an_entry_out_of_place_is_told_apart(
    folder: Path, changes: dict[str, object], what: str
) -> None:
    path = folder / "w1.000001.jsonl"
    entry = entries(path)[3]
    edit(path, lambda lines: [*lines[:3], resealed(entry, **changes), *lines[4:]])
    problem = only(verify(folder))
    assert what in problem.what
    assert problem.line == 4


@pytest.mark.parametrize("record", [b"[]", b"{}", b"nonsense", b'{"v":1}', b'{"v":2}'])
def test_a_line_with_a_fitting_hash_and_no_entry_is_found(folder: Path, record: bytes) -> None:
    path = folder / "w1.000001.jsonl"
    hash_ = hashlib.sha256(record).hexdigest().encode()
    line = b'{"hash":"' + hash_ + b'","entry":' + record + b"}\n"
    edit(path, lambda lines: [*lines[:3], line, *lines[4:]])
    assert only(verify(folder)).line == 4


@pytest.mark.parametrize("change", [{"v": 2}, {"seq": "3"}, {"body": []}, {"at": None}])
def test_an_entry_of_another_shape_is_found(folder: Path, change: dict[str, object]) -> None:
    path = folder / "w1.000001.jsonl"
    record = orjson.loads(path.read_bytes().splitlines()[3])["entry"] | change
    data = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    hash_ = hashlib.sha256(data).hexdigest().encode()
    line = b'{"hash":"' + hash_ + b'","entry":' + data + b"}\n"
    edit(path, lambda lines: [*lines[:3], line, *lines[4:]])
    assert only(verify(folder)).line == 4


def test_other_files_in_the_folder_do_not_matter(folder: Path) -> None:
    for name in ("notes.txt", "w0.lock", "w0.1.jsonl", "w0.x.jsonl", ".jsonl"):
        (folder / name).write_text("something")
    assert verify(folder).sound


def test_a_log_that_is_being_written_can_be_proven(folder: Path) -> None:
    log = FileDecisionLog(folder, clock=SystemClock(), fsync=False)
    log.append("decision", {})
    report = verify(folder)
    assert report.sound
    assert report.notes == (f"{log.writer}: not closed; a process is writing it or died",)
    log.close()


def test_the_sample_has_what_these_tests_rely_on(sample: dict[str, bytes]) -> None:
    assert {"w0.000001.jsonl", "w0.000002.jsonl", "w1.000001.jsonl", "w1.000002.jsonl"} <= set(
        sample
    )
    assert sum(not data.endswith(b"\n") for data in sample.values()) == 1
