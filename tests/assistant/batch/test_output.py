"""The file of decisions: what is kept, cut and refused."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.batch.moderator import ERROR, Outcome
from assistant.batch.output import OutputError, opened_output

BASIS: dict[str, Any] = {"policy": "p@1", "digest": "d", "guards": {"g": "1"}}


def outcome(number: int, name: str = "allow", *, failed: bool = False) -> Outcome:
    told: dict[str, Any] = {"line": number}
    if name == ERROR:
        told["error"] = {"field": "text", "message": "must be a text"}
    else:
        told |= {"decision": name, "failures": [{"guard": "g"}] if failed else [], **BASIS}
    return Outcome(
        number=number, name=name, failed=failed, output=json.dumps(told).encode() + b"\n"
    )


def write(path: Path, outcomes: Sequence[Outcome], **fields: Any) -> None:
    with opened_output(path, fields.pop("basis", BASIS), fresh=fields.pop("fresh", False)) as out:
        for one in outcomes:
            out.write(one)


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


NAMES = ["out.jsonl", "out.jsonl.gz"]
EVERY = [
    outcome(1),
    outcome(3, "refuse", failed=True),
    outcome(4, ERROR),
    outcome(5, "refuse"),
    outcome(9),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_second_run_goes_on_behind_the_first(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, EVERY[:3])
    with opened_output(path, BASIS, fresh=False) as out:
        account = out.account
        assert (account.lines, account.last, account.failed) == (3, 4, 1)
        assert account.outcomes == {"allow": 1, "refuse": 1, ERROR: 1}
        for one in EVERY[3:]:
            out.write(one)
        assert (account.lines, account.last) == (5, 9)
    assert content(path) == b"".join(one.output for one in EVERY)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
@given(cut=st.integers(0, 1000))
def test_what_was_cut_short_is_dropped_and_written_again(
    tmp_path_factory: pytest.TempPathFactory, name: str, cut: int
) -> None:
    path = tmp_path_factory.mktemp("out") / name
    write(path, EVERY)
    path.write_bytes(path.read_bytes()[:cut])
    with opened_output(path, BASIS, fresh=False) as out:
        known = out.account.lines
        assert out.account.last == ([0] + [one.number for one in EVERY])[known]
        for one in EVERY[known:]:
            out.write(one)
    assert content(path) == b"".join(one.output for one in EVERY)


@pytest.mark.parametrize("name", NAMES)
def test_fresh_begins_anew(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"something else\n")
    write(path, EVERY[:1], fresh=True)
    assert content(path) == EVERY[0].output


@pytest.mark.parametrize(
    "change", [{"policy": "p@2"}, {"digest": "e"}, {"guards": {"g": "2"}}], ids=str
)
def test_half_a_file_by_another_policy_or_guard_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "out.jsonl"
    write(path, [outcome(1, ERROR), outcome(2)])
    with pytest.raises(OutputError, match="line 2 was decided by another policy or guard"):
        write(path, [], basis=BASIS | change)
    assert content(path).count(b"\n") == 2


@pytest.mark.parametrize("line", [b"words\n", b"[]\n", b"{}\n", b'{"line": "x"}\n'])
def test_another_file_is_not_written_to(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(EVERY[0].output + line)
    with pytest.raises(OutputError, match="line 2 is no decision"):
        write(path, EVERY)
    assert path.read_bytes() == EVERY[0].output + line


def test_one_run_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with (
        opened_output(path, BASIS, fresh=False),
        pytest.raises(OutputError, match="another run is writing"),
        opened_output(path, BASIS, fresh=False),
    ):
        pass


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        write(tmp_path / "absent" / "out.jsonl", [])
