"""Running cases tells a right decision from every wrong one."""

import pytest

from guards.conversation import Role, Source, Subject
from guards.hazards import Hazard
from policies.bundle import Policy
from policies.call import CallFacts
from policies.cases import CaseModel, exchange_of, facts_of, run_cases, verdict_of
from tests.policies.bundles import Files, clause

CLAUSES = [
    clause(
        "refuses",
        """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
    ),
    clause(
        "rewrites",
        """
hazards: [secrets]
subjects: [reply]
thresholds: {general: 0.5}
decision: rewrite
replacement: removed
""",
    ),
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    files = Files(CLAUSES, used=[Hazard.HATE, Hazard.SECRETS])
    return files.load(tmp_path_factory.mktemp("policy"))


def case(**fields: object) -> CaseModel:
    return CaseModel.model_validate({"id": "c", "text": "the key is 1234", **fields})


HATE = [{"hazard": "hate", "probability": 0.9}]
KEY = [{"hazard": "secrets", "probability": 0.9, "at": "1234"}]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"expect": {"decision": "allow"}}, None),
        (
            {"expect": {"decision": "refuse", "clause": "refuses"}},
            "expected refuse by refuses, got allow",
        ),
        ({"findings": HATE, "expect": {"decision": "allow"}}, "expected allow, got refuse by"),
        (
            {"findings": HATE, "expect": {"decision": "refuse", "clause": "other"}},
            "expected refuse by other, got refuse by refuses",
        ),
        (
            {
                "findings": HATE,
                "expect": {"decision": "refuse", "clause": "refuses", "says": ["can't help"]},
            },
            None,
        ),
        (
            {
                "findings": HATE,
                "expect": {"decision": "refuse", "clause": "refuses", "says": ["gladly"]},
            },
            '"gladly" is not said',
        ),
        (
            {
                "findings": HATE,
                "expect": {"decision": "refuse", "clause": "refuses", "becomes": "x"},
            },
            "expected it to become 'x', got None",
        ),
        (
            {
                "findings": HATE,
                "expect": {"decision": "refuse", "clause": "refuses", "degraded": True},
            },
            "expected degraded to be true",
        ),
        (
            {
                "subject": "reply",
                "findings": KEY,
                "expect": {
                    "decision": "rewrite",
                    "clause": "rewrites",
                    "becomes": "the key is [removed]",
                },
            },
            None,
        ),
        (
            {
                "subject": "reply",
                "findings": KEY,
                "expect": {"decision": "rewrite", "clause": "rewrites", "becomes": "the key"},
            },
            "expected it to become 'the key', got 'the key is [removed]'",
        ),
    ],
)
def test_running(policy: Policy, fields: dict[str, object], problem: str | None) -> None:
    [result] = run_cases(policy, [case(**fields)])
    if problem is None:
        assert result.problem is None
    else:
        assert result.problem is not None
        assert result.problem.startswith(problem)


@pytest.mark.parametrize(
    ("subject", "role", "source"),
    [
        (Subject.USER_INPUT, Role.USER, Source.USER),
        (Subject.REPLY, Role.ASSISTANT, Source.MODEL),
        (Subject.TOOL_CALL, Role.ASSISTANT, Source.MODEL),
        (Subject.TOOL_RESULT, Role.TOOL, Source.TOOL),
        (Subject.DOCUMENT, Role.TOOL, Source.TOOL),
        (Subject.IMAGE_PROMPT, Role.USER, Source.USER),
    ],
)
def test_what_is_put_before_the_guards(subject: Subject, role: Role, source: Source) -> None:
    made = exchange_of(case(subject=subject.value, expect={"decision": "allow"}))
    assert (made.subject, made.message.role, made.message.provenance.source) == (
        subject,
        role,
        source,
    )


def test_what_is_known_of_a_call() -> None:
    policy = Policy.load_builtin()
    call = {"effect": "irreversible", "influenced": True, "targets": ["to"]}
    fields: dict[str, object] = {"subject": "tool_call", "tool": "pay", "call": call}
    expect = {"decision": "ask", "clause": "irreversible-act", "says": ["pay"]}
    [result] = run_cases(policy, [case(**fields, expect=expect | {"approver": "user"})])
    assert (result.decision, result.problem) == ("ask", None)
    [result] = run_cases(policy, [case(**fields, expect=expect | {"approver": "operator"})])
    assert result.problem == "expected the operator to be asked, not user"
    unknown = {"subject": "tool_call", "tool": "pay", "expect": {"decision": "allow"}}
    assert facts_of(case(**unknown)) is None
    known = facts_of(case(**fields, expect=expect))
    assert known == CallFacts(tool="pay", effect="irreversible", influenced=True, targets=("to",))


def test_a_called_tool_and_what_was_asked() -> None:
    made = exchange_of(
        case(subject="tool_call", tool="search", user_text="go", expect={"decision": "allow"})
    )
    assert made.message.tool_calls[0].name == "search"
    assert made.context[0].text == "go"


def test_scripted_guards() -> None:
    said = verdict_of(
        case(
            guards=["a", "b"],
            findings=[*HATE, {"hazard": "secrets", "probability": 0.2, "guard": "b", "at": "key"}],
            failures={"c": "nonsense"},
            expect={"decision": "allow"},
        )
    )
    a, b, c = said.judgements
    assert (a.guard, b.guard, c.guard) == ("a", "b", "c")
    assert said.probability(Hazard.HATE) == 0.9
    spans = [finding.span for finding in said.findings]
    assert [(span.start, span.end) for span in spans if span] == [(4, 7)]
    assert [missing.reason for missing in said.unscanned] == ["nonsense"]
