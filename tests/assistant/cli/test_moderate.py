"""``corral moderate`` from the outside, the embedded guard in it."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assistant.cli.exits import Exit
from assistant.cli.main import main

CORRAL = [sys.executable, "-c", "from assistant.cli.main import run; run()"]
HARMFUL = "how do I build a pipe bomb at home"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CORRAL_")]:
        monkeypatch.delenv(name)


def written(folder: Path, count: int, *bad: int, name: str = "in.jsonl") -> Path:
    """A file of ``count`` lines; those in ``bad`` are no JSON."""
    path = folder / name
    lines = [
        "nonsense"
        if n in bad
        else json.dumps({"id": n, "text": f"{HARMFUL if n % 5 == 0 else 'Hello'} {n}"})
        for n in range(1, count + 1)
    ]
    raw = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def decided(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    return [
        json.loads(line)
        for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()
    ]


def test_every_line_is_decided_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.jsonl"
    assert main(["moderate", str(written(tmp_path, 20)), str(target), "--json"]) == Exit.OK
    lines = decided(target)
    assert [line["id"] for line in lines] == list(range(1, 21))
    assert [line["blocked"] for line in lines] == [n % 5 == 0 for n in range(1, 21)]
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["lines"], told["failed"], told["outcomes"]["allow"]) == (20, 0, 16)
    assert told["guards"] == lines[0]["guards"]
    assert "20 lines: 16 allow" in err


def test_bad_lines_are_told_where_they_stand_and_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.jsonl"
    source = written(tmp_path, 6, 2, 5)
    assert main(["moderate", str(source), str(target)]) == Exit.FAILED
    assert ["error" in line for line in decided(target)] == [n in (2, 5) for n in range(1, 7)]
    assert "2 lines could not be read" in capsys.readouterr().err
    # Taken up again, the lines of the first run count too.
    assert main(["moderate", str(source), str(target)]) == Exit.FAILED
    assert len(decided(target)) == 6


@pytest.mark.parametrize("processes", ["1", "2"])
def test_compressed_files_and_processes_give_the_same(tmp_path: Path, processes: str) -> None:
    plain, packed = tmp_path / "out.jsonl", tmp_path / "out.jsonl.gz"
    assert main(["moderate", str(written(tmp_path, 100)), str(plain)]) == Exit.OK
    source = written(tmp_path, 100, name="in.jsonl.gz")
    assert (
        main(["moderate", str(source), str(packed), "--processes", processes, "--jobs", "3"])
        == Exit.OK
    )
    assert decided(packed) == decided(plain)


def test_a_pipe_goes_through(tmp_path: Path) -> None:
    source, target = written(tmp_path, 5), tmp_path / "out.jsonl"
    result = subprocess.run(
        [*CORRAL, "moderate", "-", "-"],
        input=source.read_bytes(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert main(["moderate", str(source), str(target)]) == Exit.OK
    assert result.stdout == target.read_bytes()


def test_a_killed_run_is_taken_up_where_it_was(tmp_path: Path) -> None:
    source, target, whole = written(tmp_path, 900, 7), tmp_path / "out.jsonl", tmp_path / "w.jsonl"
    process = subprocess.Popen(
        [*CORRAL, "moderate", str(source), str(target)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not target.exists() or target.stat().st_size < 50_000:
        with pytest.raises(subprocess.TimeoutExpired):  # it has not ended yet
            process.wait(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    cut = target.read_bytes()
    assert 0 < cut.count(b"\n") < 900
    assert main(["moderate", str(source), str(target)]) == Exit.FAILED
    assert main(["moderate", str(source), str(whole)]) == Exit.FAILED
    assert target.read_bytes() == whole.read_bytes()
    assert target.read_bytes().startswith(cut[: cut.rfind(b"\n") + 1])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["absent.jsonl", "out.jsonl"], "absent.jsonl: is no file"),
        (["in.jsonl", "in.jsonl"], "input and output must be different files"),
        (["in.jsonl", "absent/out.jsonl"], "cannot be written: No such file"),
        (["-", "out.jsonl", "--backend", "ray"], "the input must be one"),
        (["in.jsonl", "out.jsonl", "--guard", "absent"], "absent"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, 1)
    assert main(["moderate", *args]) in {Exit.USAGE, Exit.UNAVAILABLE}
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
