"""Cases and clauses name each other, and nothing is left out."""

from pathlib import Path

import pytest

from guards.hazards import Hazard
from policies.check import check, load_cases
from policies.mistakes import PolicyError
from tests.policies.bundles import Files, clause

BODY = """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
"""

GOOD = """\
cases:
  - id: any
    text: words
    findings: [{hazard: hate, probability: 0.9}]
    expect: {decision: refuse, clause: only}
"""


def found(folder: Path, cases: str, tests: str = "[any]") -> list[str]:
    body = clause("only", BODY).replace("tests: [any]", f"tests: {tests}")
    files = Files([body], used=[Hazard.HATE])
    files.other["cases.yaml"] = cases
    path = files.write(folder)
    return [str(m).replace(f"{folder.as_posix()}/", "") for m in check(path)]


def test_nothing_to_say(tmp_path: Path) -> None:
    assert found(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("id: any", "id: other", 'policy.yaml:18:13: clauses[0].tests[0]: no case "any"'),
        (
            "{decision: refuse, clause: only}",
            "{decision: allow}",
            "policy.yaml:18:12: clauses[0].tests: none of these cases expects clause",
        ),
        ("clause: only", "clause: onl", 'cases.yaml:5:40: cases[0].expect.clause: no clause "onl'),
        ("{hazard: hate,", "{hazard: hat,", 'cases.yaml:4:25: cases[0].findings[0].hazard: "hat"'),
        ("0.9}", "9}", "cases.yaml:4:44: cases[0].findings[0].probability: input should be less"),
        ("0.9}", "0.9, at: no}", "cases.yaml:4:53: cases[0].findings[0].at: does not stand in"),
        (
            "0.9}",
            "0.9, guard: big}",
            "cases.yaml:4:16: cases[0].findings[0]: found by no guard that gives a verdict",
        ),
        (
            "    expect",
            "    failures: {guard: timeout}\n    expect",
            "cases.yaml:5:16: cases[0].failures.guard: this guard also gives a verdict",
        ),
        (
            "    expect",
            "    rechecked: {other: [guard]}\n    expect",
            "cases.yaml:5:17: cases[0].rechecked.other: this guard gives no verdict",
        ),
        (
            "    expect",
            "    call: {effect: none}\n    expect",
            "cases.yaml:5:11: cases[0].call: needs tool: it says what is called",
        ),
        (
            "    expect",
            "    tool: look\n    expect",
            "cases.yaml:5:11: cases[0].tool: nothing is called on user_input: the subject must be",
        ),
        (
            "    expect",
            "    call: {efect: none}\n    expect",
            'cases.yaml:5:12: cases[0].call.efect: unknown key "efect"; did you mean "effect"?',
        ),
        ("decision: refuse", "decision: block", 'cases.yaml:5:24: cases[0].expect.decision: "blo'),
        ("    text: words\n", "", "cases.yaml:2:5: cases[0].text: missing"),
        ("expect:", "expects:", 'cases.yaml:5:5: cases[0].expects: unknown key "expects"; did y'),
        ("cases:", "case:", 'cases.yaml:1:1: case: unknown key "case"; did you mean "cases"?'),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in found(tmp_path, GOOD.replace(old, new)))


def test_a_case_belongs_to_the_clause_it_expects(tmp_path: Path) -> None:
    second = GOOD + GOOD.replace("cases:\n", "").replace("id: any", "id: second")
    assert found(tmp_path, second) == [
        'cases.yaml:9:40: cases[1].expect.clause: clause "only" does not list this case under tests'
    ]
    assert found(tmp_path, second, "[any, second]") == []


def test_ids_are_unique(tmp_path: Path) -> None:
    twice = GOOD + GOOD.replace("cases:\n", "")
    assert found(tmp_path, twice) == ['cases.yaml:6:9: cases[1].id: "any" is taken by another case']


def test_mistakes_of_the_policy_come_with_those_of_its_cases(tmp_path: Path) -> None:
    files = Files([clause("only", BODY.replace("hate", "hat"))])
    files.other["cases.yaml"] = GOOD.replace("clause: only", "clause: onl")
    path = files.write(tmp_path)
    named = [Path(mistake.file).name for mistake in check(path)]
    assert named[0] == "policy.yaml"
    assert named[-1] == "cases.yaml"
    with pytest.raises(PolicyError) as raised:
        load_cases(path)
    assert len(raised.value.mistakes) == len(named)


def test_a_policy_that_cannot_be_read(tmp_path: Path) -> None:
    [mistake] = check(tmp_path / "none.yaml")
    assert mistake.message.startswith("the file cannot be read")
