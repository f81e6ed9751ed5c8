import json
from pathlib import Path

import jsonschema
import pytest

from assistant.cli.main import main
from guards.hazards import Hazard
from policies.bundle import builtin_path
from policies.document import read_document
from tests.policies.bundles import Files, clause

REFUSES = clause(
    "refuses",
    """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5, adult: never}
decision: refuse
when: mentions.topic
""",
)
CASES = """\
cases:
  - id: any
    text: gun control
    findings: [{hazard: hate, probability: 0.9}]
    expect: {decision: refuse, clause: refuses}
  - id: quiet
    text: gun control
    expect: {decision: allow}
"""


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("CORRAL_POLICY", raising=False)


def written(folder: Path, cases: str = CASES, clauses: str = REFUSES) -> str:
    files = Files([clauses], used=[Hazard.HATE])
    files.other["cases.yaml"] = cases
    return str(files.write(folder))


def run(*args: str) -> int:
    return main(["policy", *args])


def test_check_of_the_builtin_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    assert "acceptable_use.yaml: no mistakes" in capsys.readouterr().out


def test_check_names_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, clauses=REFUSES.replace("topic", "topik"))
    Path(path).write_text(Path(path).read_text().replace("name: small", "nam: small"))
    assert run("check", path) == 1
    captured = capsys.readouterr()
    assert f'{path}:1:1: nam: unknown key "nam"; did you mean "name"?' in captured.out
    assert f"{path}:18:19: clauses[0].when: undeclared reference" in captured.out
    assert "3 to put right" in captured.err


def test_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, cases=CASES.replace("0.9", "9"))
    assert run("check", path, "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["policy"], answer["ok"]) == (path, False)
    assert answer["mistakes"] == [
        {
            "file": f"{tmp_path.as_posix()}/cases.yaml",
            "line": 4,
            "column": 44,
            "field": "cases[0].findings[0].probability",
            "message": "input should be less than or equal to 1",
        }
    ]


def test_test_of_the_builtin_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("test", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["policy"].startswith("acceptable_use@")
    assert len(answer["digest"]) == 64
    assert answer["unproven"] == []
    assert len(answer["cases"]) > 80


def test_a_failing_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, cases=CASES.replace("0.9", "0.4"))
    assert run("test", path) == 1
    out = capsys.readouterr().out
    assert "any: expected refuse by refuses, got allow" in out
    assert "refuses: no passing case shows this clause deciding" in out
    assert "1 of 2 cases pass, 0 of 1 clauses proven" in out


def test_a_policy_with_mistakes_cannot_be_tested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, cases="cases: []")
    assert run("test", path) == 2
    assert "cases.yaml:1:8: cases: must not be empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "test", "show"])
def test_a_path_without_a_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(command, str(tmp_path / "none.yaml")) == 2
    assert "there is no policy file at" in capsys.readouterr().err


def test_the_policy_of_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_POLICY", written(tmp_path))
    assert run("test") == 0
    assert "small@1.0.0: 2 of 2 cases pass, 1 of 1 clauses proven" in capsys.readouterr().out


def test_show_lists_the_clauses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", written(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "small@1.0.0" in out
    assert "drafting speculative, retention none, locales en, zh" in out
    [row] = [line for line in out.splitlines() if line.startswith("refuses")]
    assert row.split("  ")[0] == "refuses"
    assert "refuse " in row
    assert "0.5 / 0.5 / never" in row
    assert "mentions.topic" in row


def test_show_one_clause_in_a_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--clause", "self-harm", "--locale", "zh-TW") == 0
    out = capsys.readouterr().out
    assert "self-harm: 自杀与自我伤害" in out
    assert "support (priority 550)" in out
    assert "1925" in out


def test_show_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", written(tmp_path), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["policy"] == "small@1.0.0"
    assert answer["clauses"] == [
        {
            "id": "refuses",
            "title": {"en": "Title of refuses", "zh": "refuses 标题"},
            "rule": {"en": "Rule of refuses.", "zh": "refuses 规则。"},
            "decision": "refuse",
            "priority": 500,
            "subjects": ["user_input"],
            "hazards": ["hate"],
            "custom": [],
            "thresholds": {"general": 0.5, "minor": 0.5, "adult": "never"},
            "guards": [],
            "when": "mentions.topic",
            "approver": None,
            "seconds": None,
            "clean_rest": False,
            "tests": ["any"],
        }
    ]


def test_show_whom_a_clause_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--clause", "act-twice") == 0
    shown = capsys.readouterr().out
    assert "asks      the user, within 900 s" in shown
    assert "“{tool}”" in shown
    assert run("show", "--clause", "act-twice", "--json") == 0
    [told] = json.loads(capsys.readouterr().out)["clauses"]
    assert (told["approver"], told["seconds"]) == ("user", 900)


def test_show_a_clause_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--clause", "self-ham") == 2
    assert 'has no clause "self-ham"; did you mean "self-harm"?' in capsys.readouterr().err


def test_the_schema_knows_the_builtin_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    data = read_document(builtin_path("acceptable_use"), "f").data
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"colour": "red"}, schema)
