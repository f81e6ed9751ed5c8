"""``corral guard calibrate`` on scripted guards whose right answers are known."""

import json
import random
from pathlib import Path

import pytest

from assistant.cli.exits import Exit
from assistant.testing.scripted_replies import Plan, Received, answer, guard_verdict
from guards.calibration import Calibration
from guards.cascade import Bands
from guards.hazards import Hazard
from tests.assistant.cli.conftest import MakeStage
from tests.assistant.cli.stage import Stage

GUARDS = """
guards:
  weak: {kind: llama_guard, urls: [URL/weak/v1], model: weak}
  strong: {kind: llama_guard, urls: [URL/strong/v1], model: strong}
"""


def respond(received: Received) -> Plan:
    """The weak guard says what the row says it says, the strong one knows."""
    if not received.path.endswith("/chat/completions"):
        return answer(404, {})
    text = json.dumps(received.json["messages"], ensure_ascii=False)
    weak, label = text.partition("says ")[2].split()[:2]
    if received.json["model"] == "strong":
        return guard_verdict(0.999 if label.startswith("yes") else 0.001)
    if "structured_outputs" in received.json:
        return guard_verdict(0.999)  # asked which category a doubtful answer would have named
    return guard_verdict(float(weak))


@pytest.fixture
def stage(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = make_stage(respond)
    file = tmp_path / "guards.yaml"
    url = stage.server.url.removesuffix("/v1")
    file.write_text(GUARDS.replace("URL", url), encoding="utf-8")
    monkeypatch.setenv("CORRAL_GUARD_FILE", str(file))
    return stage


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """200 rows; the weak guard is sure of itself and wrong in the middle."""
    rng = random.Random(7)
    lines = []
    for number in range(200):
        harmful = number % 2 == 0
        score = min(max(rng.gauss(0.9 if harmful else 0.3, 0.2), 0.01), 0.99)
        text = f"Row {number} says {score:.4f} {'yes' if harmful else 'no'} ."
        lines.append(json.dumps({"text": text, "label": int(harmful), "category": "S1"}))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_guard_is_calibrated_and_the_file_serves(
    stage: Stage,
    rows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "weak.json"
    command = ("guard", "calibrate", str(rows), "--guard", "weak", "--out", str(out))
    assert stage.run(*command, "--flagged", "0.05", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["calibration_error"] < told["calibration_error_before"]
    assert told["flagged"] <= 0.1
    fitted = Calibration.load(out)
    assert (fitted.guard, fitted.rows, fitted.threshold) == (
        "weak",
        200,
        pytest.approx(told["threshold"], abs=0.2),
    )

    described = tmp_path / "guards.yaml"
    text = described.read_text(encoding="utf-8")
    described.write_text(
        text.replace("model: weak}", "model: weak, calibration: weak.json}"), encoding="utf-8"
    )
    monkeypatch.setenv("CORRAL_GUARDS", "weak")
    assert stage.run("guard", "check", "Row says 0.6 no .", "--json") in (Exit.OK, Exit.BLOCKED)
    (judgement,) = json.loads(capsys.readouterr().out)["guards"]
    assert judgement["revision"].endswith(f"/calibrated-{fitted.digest}")
    expected = fitted.probability(0.6, Hazard.VIOLENT_CRIMES, None)
    assert judgement["findings"][0]["probability"] == pytest.approx(expected, abs=1e-3)


def test_a_band_asks_the_strong_guard_only_where_it_pays(
    stage: Stage, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "bands.json", tmp_path / "frontier.html"
    command = ("guard", "calibrate", str(rows), "--guard", "weak", "--then", "strong")
    assert stage.run(*command, "--out", str(out), "--page", str(page), "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["recall"] >= 0.99
    assert 0 < told["asked"] < 0.6
    assert [Bands.load(out).band.low, Bands.load(out).band.high] == told["band"]
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 2
    assert "weak, then strong" in html


def test_judgements_that_were_kept_are_not_asked_for_again(
    stage: Stage, rows: Path, tmp_path: Path
) -> None:
    kept, out = tmp_path / "kept", tmp_path / "weak.json"
    command = ("guard", "calibrate", str(rows), "--guard", "weak", "--judgements", str(kept))
    for _ in range(2):
        assert stage.run(*command, "--out", str(out)) == Exit.OK
    asked = [r for r in stage.server.received if r.path.endswith("/chat/completions")]
    assert len(asked) == len({r.body for r in asked}) >= 200


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--missed", "0.1"], "has no effect without --then"),
        (["--then", "strong", "--missed", "0.1", "--asked", "0.1"], "either --missed or --asked"),
        (["--guard", "nobody"], "no guard is called 'nobody'"),
    ],
)
def test_wrong_options_are_named(
    stage: Stage,
    rows: Path,
    tmp_path: Path,
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = ["guard", "calibrate", str(rows), "--guard", "weak", "--out", str(tmp_path / "x.json")]
    assert stage.run(*base, *options) == Exit.USAGE
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()


def test_rows_of_one_kind_are_refused(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "one.jsonl"
    line = json.dumps({"text": "It says 0.5 yes .", "label": 1})
    rows.write_text("\n".join([line] * 60), encoding="utf-8")
    out = tmp_path / "x.json"
    assert stage.run("guard", "calibrate", str(rows), "--guard", "weak", "--out", str(out)) == 2
    assert "rows of both kinds are needed" in capsys.readouterr().err


def test_guards_that_fail_fit_nothing(
    stage: Stage, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.server.respond = lambda _: answer(500, {})
    out = tmp_path / "x.json"
    assert stage.run("guard", "calibrate", str(rows), "--guard", "weak", "--out", str(out)) == 1
    assert "0 rows with a verdict are too few" in capsys.readouterr().err
    assert not out.exists()
