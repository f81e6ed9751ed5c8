"""The lines of a file to moderate."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.batch import source
from assistant.batch.moderator import Line
from assistant.batch.on_ray import CHUNK, _chunks, _lines
from assistant.batch.source import SourceError, lines_of

CONTENT = b'{"text": "a"}\n\n  \n{"text": "b"}\r\n{"text": "c"}'


async def read(path: Path, after: int = 0) -> list[Line]:
    return [line async for line in lines_of(path, after=after)]


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
async def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(CONTENT) if name.endswith("gz") else CONTENT)
    assert [(line.number, line.raw.strip()) for line in await read(path)] == [
        (1, b'{"text": "a"}'),
        (4, b'{"text": "b"}'),
        (5, b'{"text": "c"}'),
    ]
    assert [line.number for line in await read(path, after=4)] == [5]


async def test_a_damaged_archive_ends_with_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n')[:-6])
    *_, last = await read(path)
    assert last.problem is not None
    assert "damaged or cut short" in last.problem


async def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LONGEST", 10)
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"x" * 35 + b"\n" + b"y" * 10 + b"\n" + b"z" * 9 + b"\n")
    first, second, third = await read(path)
    assert first.problem == "must be at most 10 bytes long"
    assert second.problem == "must be at most 10 bytes long"
    assert third.raw == b"z" * 9 + b"\n"


async def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        await read(tmp_path / "absent.jsonl")


@given(
    lines=st.lists(st.sampled_from([b"{}", b"", b" ", b'{"text": "a b"}']), max_size=40),
    after=st.integers(0, 45),
    size=st.integers(1, 9),
)
def test_the_parts_for_many_machines_hold_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], after: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("parts") / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assistant.batch.on_ray.CHUNK", size)
        chunks = _chunks(path, after)
    found = [line for chunk in chunks for line in _lines(chunk)]
    whole = [
        Line(number=number, raw=raw)
        for number, raw in enumerate(path.read_bytes().splitlines(keepends=True), start=1)
        if number > after and raw.strip()
    ]
    assert found == whole
    assert CHUNK > 1
