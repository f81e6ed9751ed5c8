"""The command that says how good the guard is."""

import gzip
import json
from pathlib import Path

import pytest

from guards.insecure_code.evaluate import main

BAD = "cur.execute(\"SELECT a FROM t WHERE b = '%s'\" % name)"
GOOD = 'cur.execute("SELECT a FROM t WHERE b = %s", (name,))'


def row(text: str, label: int, **more: object) -> str:
    fields = {"text": text, "label": label, "kind": "code", "lang": "python"}
    return json.dumps({**fields, "category": "cwe-089", **more}) + "\n"


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(arguments) == 0
    figures: dict[str, object] = json.loads(capsys.readouterr().out)
    return figures


def test_rates_are_counted_by_language_and_weakness(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        row(BAD, 1, group="a"),
        row(GOOD, 0, group="a"),
        row(BAD, 1, group="b"),
        row(BAD, 0, group="b"),
        row("x = 1", 1),
        row("one two", 0, kind="prompt"),
    ]
    with gzip.open(tmp_path / "pairs.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(lines)
    figures = measured(capsys, "--data", str(tmp_path), "--rules")
    assert figures["tier"] == "fast"
    sets = figures["sets"]
    assert isinstance(sets, dict)
    pairs = sets["pairs"]
    assert pairs["all"] == {
        "insecure": 3,
        "secure": 2,
        "recall": 0.6667,
        "recall_same_cwe": 0.6667,
        "flag_rate_secure": 0.5,
        "pairs": 2,
        "pair_accuracy": 0.5,
    }
    assert pairs["by_language"]["python"] == pairs["all"]
    assert pairs["by_cwe"]["python CWE-89"] == pairs["all"]
    assert pairs["by_rule"]["python-sql-built"] == {"insecure": 2, "same_cwe": 2, "secure": 1}
    assert pairs["latency_100_lines"] == {}


def test_latency_is_measured_on_a_hundred_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.jsonl").write_text(row(f"{BAD}\n" * 120, 1), encoding="utf-8")
    sets = measured(capsys, "--data", str(tmp_path))["sets"]
    assert isinstance(sets, dict)
    latency = sets["long"]["latency_100_lines"]
    assert latency["replies"] == 1
    assert 0 < latency["cpu_p50_ms"] <= latency["p95_ms"] + 1


def test_a_threshold_leaves_out_weak_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text(row(BAD, 1), encoding="utf-8")
    sets = measured(capsys, "--data", str(tmp_path), "--threshold", "0.99")["sets"]
    assert isinstance(sets, dict)
    assert sets["a"]["all"]["recall"] == 0.0


def test_files_that_cannot_be_measured_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "no file there" in capsys.readouterr().err
    (tmp_path / "a.jsonl").write_text('{"kind": "code"}\n', encoding="utf-8")
    assert main(["--data", str(tmp_path)]) == 2
    assert "a.jsonl:1" in capsys.readouterr().err
    (tmp_path / "a.jsonl").write_text("[1]\n", encoding="utf-8")
    assert main(["--data", str(tmp_path)]) == 2
    assert "a.jsonl:1" in capsys.readouterr().err


def test_the_deep_tier_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_text(row(BAD, 1), encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--data", str(tmp_path), "--tier", "deep"]) == 2
    assert "Semgrep" in capsys.readouterr().err


def test_the_deep_tier_is_measured_like_the_fast_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tmp_path / "semgrep-core"
    engine.write_text('#!/bin/sh\necho \'{"results": [], "errors": []}\'\n', encoding="utf-8")
    engine.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "a.jsonl").write_text(row(BAD, 1), encoding="utf-8")
    figures = measured(capsys, "--data", str(tmp_path), "--tier", "deep")
    assert figures["tier"] == "deep"
    sets = figures["sets"]
    assert isinstance(sets, dict)
    assert sets["a"]["all"]["recall"] == 1.0
