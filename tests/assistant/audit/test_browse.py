"""Finding entries by name, by turn and by age."""

from pathlib import Path

import pytest

from assistant.audit.browse import decisions_of, find, latest
from assistant.audit.chain import BrokenEntryError
from assistant.audit.log import FileDecisionLog
from assistant.audit.segments import segments


class Ticking:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        self.seconds += 1
        return self.seconds


def start(folder: Path, clock: Ticking, segment_bytes: int = 1 << 20) -> FileDecisionLog:
    return FileDecisionLog(folder, clock=clock, fsync=False, segment_bytes=segment_bytes)


def test_an_entry_is_found_in_whatever_segment_it_is(tmp_path: Path) -> None:
    log = start(tmp_path, Ticking(), 900)
    names = {log.append("decision", {"n": n}): n for n in range(40)}
    log.close()
    (tmp_path / f"{log.writer}.999999.jsonl").touch()
    assert len(segments(tmp_path)[log.writer]) > 10
    for name, number in names.items():
        entry = find(tmp_path, name)
        assert entry is not None
        assert (entry.id, entry.body) == (name, {"n": number})


@pytest.mark.parametrize(
    "name", ["", "w", "w-", "-1", "w-1", "w-x", "w-²", "{writer}-99", "../w-1"]
)
def test_what_is_not_there_is_none(tmp_path: Path, name: str) -> None:
    log = start(tmp_path, Ticking())
    log.close()
    assert find(tmp_path, name.format(writer=log.writer)) is None


def test_the_decisions_of_a_turn_are_found_across_segments(tmp_path: Path) -> None:
    log = start(tmp_path, Ticking(), 1200)
    expected = []
    for number in range(12):
        log.append("decision", {"turn": "other", "n": number})
        expected.append(log.append("decision", {"turn": "mine", "n": number}))
    log.append("failure", {"turn": "mine"})
    end = find(tmp_path, log.append("turn", {"turn": "mine"}))
    log.append("decision", {"turn": "mine", "n": "of the same id later"})
    log.close()
    assert end is not None
    assert [entry.id for entry in decisions_of(tmp_path, end)] == expected


def test_an_equal_turn_of_long_ago_is_not_meant(tmp_path: Path) -> None:
    clock = Ticking()
    log = start(tmp_path, clock, 700)
    log.append("decision", {"turn": "mine", "n": "long ago"})
    clock.seconds += 7200
    recent = log.append("decision", {"turn": "mine", "n": "now"})
    end = find(tmp_path, log.append("turn", {"turn": "mine"}))
    log.close()
    assert end is not None
    assert [entry.id for entry in decisions_of(tmp_path, end)] == [recent]


def test_the_latest_of_all_chains_come_in_order_of_time(tmp_path: Path) -> None:
    clock = Ticking()
    one, other = start(tmp_path, clock, 600), start(tmp_path, clock, 600)
    names = []
    for number in range(10):
        names.append(one.append("decision", {"n": number}))
        names.append(other.append("decision", {"n": number}))
    assert [entry.id for entry in latest(tmp_path, 7)] == names[-7:]
    assert [entry.id for entry in latest(tmp_path, 1000)][2:] == names
    one.close()
    other.close()


def test_damage_on_the_way_is_an_error_that_names_its_place(tmp_path: Path) -> None:
    log = start(tmp_path, Ticking())
    name = log.append("decision", {"n": 1})
    log.close()
    path = tmp_path / segments(tmp_path)[log.writer][0].name
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":2'))
    with pytest.raises(BrokenEntryError, match=rf"{path.name}, line 2: hash mismatch"):
        find(tmp_path, name)
    with pytest.raises(BrokenEntryError, match="line 2"):
        latest(tmp_path, 5)
