"""``corral audit`` on a real log."""

import json
from pathlib import Path

import pytest

from assistant.audit.entries import EntryBodies
from assistant.audit.log import FileDecisionLog
from assistant.audit.pseudonyms import Pseudonyms
from assistant.cli.main import main
from assistant.clock import SystemClock
from assistant.events import Usage
from assistant.turn import SessionKey, Turn
from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure, Finding, Span, Unscanned, Verdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.schema import Retention


class Log:
    """A log of one refused turn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = FileDecisionLog(folder, clock=SystemClock(), fsync=False)
        message = text_message("a secret text", id="m")
        turn = Turn(id="t", key=SessionKey(tenant="a", user="b", session="c"), message=message)
        bodies = EntryBodies(pseudonyms=Pseudonyms(bytes(32)), retention=Retention.NONE)
        exchange = Exchange(subject=Subject.USER_INPUT, message=message)
        verdict = PanelVerdict(
            subject=Subject.USER_INPUT,
            judgements=(
                Verdict(
                    guard="embedded",
                    revision="r1",
                    findings=(
                        Finding(hazard=Hazard.HATE, probability=0.987654),
                        Finding(
                            hazard=Hazard.PERSONAL_DATA, probability=0.5, span=Span(start=0, end=1)
                        ),
                    ),
                    elapsed=0.0042,
                ),
                Unscanned(
                    guard="slow", revision="r2", reason=Failure.TIMEOUT, detail="x", elapsed=5.0
                ),
            ),
            elapsed=5.0,
        )
        decision = Policy.load_builtin().decide(exchange, verdict, Audience.GENERAL, "en")
        self.clause = decision.basis.clause
        self.opened = f"{log.writer}-0"
        self.decision = log.append("decision", bodies.decision(turn, exchange, decision, 0.1))
        self.turn = log.append("turn", bodies.turn(turn, decision, "content_filter", Usage(), 0.2))
        log.close()
        (self.path,) = folder.glob("*.jsonl")

    def damage(self) -> None:
        self.path.write_bytes(self.path.read_bytes().replace(b'"refuse"', b'"allow!"', 1))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setenv("CORRAL_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("CORRAL_POLICY", raising=False)
    return Log(tmp_path / "decisions")


Output = pytest.CaptureFixture[str]


def test_a_sound_log_is_proven(log: Log, capsys: Output) -> None:
    assert main(["audit", "verify"]) == 0
    assert "sound: 4 entries in 1 segments of 1 chains" in capsys.readouterr().out
    assert main(["audit", "verify", "--dir", str(log.folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sound"] is True
    assert (report["entries"], report["segments"], report["problems"]) == (4, 1, [])
    assert len(report["heads"]) == 1


def test_a_damaged_log_is_named_and_fails(log: Log, capsys: Output) -> None:
    log.damage()
    assert main(["audit", "verify"]) == 1
    out = capsys.readouterr().out
    assert f"BROKEN  {log.path.name}, line 2, entry {log.decision}: hash mismatch" in out
    assert "NOT SOUND: 1 entries" in out
    assert main(["audit", "verify", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"], problem["seq"]) == (log.path.name, 2, 1)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_heads_kept_elsewhere_show_that_the_end_was_cut_off(
    log: Log, tmp_path: Path, capsys: Output, options: list[str]
) -> None:
    assert main(["audit", "head", *options]) == 0
    kept = tmp_path / "kept"
    kept.write_text(capsys.readouterr().out)
    assert main(["audit", "verify", "--head", str(kept)]) == 0
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:-1]))
    assert main(["audit", "verify"]) == 0
    capsys.readouterr()
    assert main(["audit", "verify", "--head", str(kept)]) == 1
    assert "an expected head names entry" in capsys.readouterr().out


def test_an_expected_hash_is_looked_for(log: Log, capsys: Output) -> None:
    main(["audit", "show", log.turn, "--json"])
    hash_ = json.loads(capsys.readouterr().out)["entry"]["hash"]
    assert main(["audit", "verify", "--expect", hash_]) == 0
    assert main(["audit", "verify", "--expect", "0" * 64]) == 1
    assert main(["audit", "verify", "--expect", "abc"]) == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err


def test_a_turn_is_shown_with_its_decisions(log: Log, capsys: Output) -> None:
    assert main(["audit", "show", log.turn]) == 0
    out = capsys.readouterr().out
    assert f"{log.decision}  decision  user_input  refuse  {log.clause}" in out
    assert "embedded r1  4.2 ms  hate 0.988  personal_data 0.5" in out
    assert "slow r2  5000.0 ms  timeout" in out
    assert f"{log.turn}  turn  refuse  {log.clause}  content_filter" in out
    assert "secret" not in out
    assert main(["audit", "show", log.turn, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["entry"]["id"] == log.turn
    assert [entry["id"] for entry in shown["decisions"]] == [log.decision]


def test_a_decision_is_shown_by_itself(log: Log, capsys: Output) -> None:
    assert main(["audit", "show", log.decision]) == 0
    assert capsys.readouterr().out.count(log.decision) == 1
    assert main(["audit", "show", log.opened]) == 0
    assert "opened" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["turn", "decision"])
def test_an_entry_is_replayed(log: Log, capsys: Output, name: str) -> None:
    assert main(["audit", "replay", getattr(log, name)]) == 0
    assert f"{log.decision}: the same: refuse, clause {log.clause}" in capsys.readouterr().out
    assert main(["audit", "replay", getattr(log, name), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["result"] == "same"


def test_replaying_under_another_policy_says_that_it_is_another(
    log: Log, tmp_path: Path, capsys: Output
) -> None:
    source = Path(__file__).parents[3] / "policies"
    for name in ("texts", "phrases", "resources", "cases"):
        (tmp_path / name).symlink_to(source / name)
    other = tmp_path / "other.yaml"
    text = (source / "acceptable_use.yaml").read_text()
    other.write_text(text.replace("version:", "version: 9.9.9 #", 1))
    assert main(["audit", "replay", log.decision, "--policy", str(other)]) == 4
    assert "this is acceptable_use@9.9.9" in capsys.readouterr().out


def test_what_decides_nothing_is_not_replayed(log: Log, capsys: Output) -> None:
    assert main(["audit", "replay", log.opened]) == 2
    assert "names no decision" in capsys.readouterr().err


def test_the_newest_entries_are_listed(log: Log, capsys: Output) -> None:
    assert main(["audit", "tail", "-n", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert log.turn in lines[0]
    assert "closed" in lines[1]
    assert main(["audit", "tail", "--json"]) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["opened", "decision", "turn", "closed"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["show", "w-99"], 2, "no entry w-99"),
        (["replay", "nonsense"], 2, "no entry nonsense"),
        (["verify", "--dir", "/nowhere"], 4, "no decision log in /nowhere"),
        (["verify", "--head", "/nowhere"], 2, "corral audit head"),
    ],
)
def test_what_is_not_there_is_one_clear_line(
    log: Log, capsys: Output, args: list[str], code: int, message: str
) -> None:
    assert main(["audit", *args]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("command", [["show", "{turn}"], ["tail"], ["replay", "{turn}"]])
def test_damage_on_the_way_points_to_verify(log: Log, capsys: Output, command: list[str]) -> None:
    log.damage()
    assert main(["audit", *(part.format(turn=log.turn) for part in command)]) == 1
    assert "corral audit verify" in capsys.readouterr().err
