"""What a policy says of tool calls: asking a person, and conditions on what is known of a call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.testing.scripted_guard import ScriptedGuard
from guards.conversation import Exchange, Subject, ToolCall
from guards.exchanges import call_exchange
from guards.hazards import Hazard
from guards.panel import Panel, Seat
from guards.verdict import Failure
from policies.admitted import Denied, combine
from policies.audience import Audience
from policies.bundle import Policy
from policies.call import CallFacts
from policies.conditions import Compiler, ConditionError, ConditionFailedError, Facts
from policies.decide import CONDITION_FAILED
from policies.decision import Allow, Approver, Ask, Decision, Refuse
from policies.moderation import Case, Decided, Moderator, blocks
from policies.placeholders import Placeholders
from policies.rulings import blocking_of
from tests.policies.bundles import EN, ZH, Files, clause, found, verdict

ASKING = clause(
    "asks",
    """
when: call.effect == 'irreversible' || tool == 'send'
subjects: [tool_call]
decision: ask
approver: operator
seconds: 60
""",
)
LARGE = clause(
    "large",
    """
when: tool == 'pay' && call.arguments.amount > 1000
subjects: [tool_call]
decision: ask
text: really
""",
)
HATEFUL = clause(
    "hateful",
    """
hazards: [hate]
subjects: [tool_call]
thresholds: {general: 0.5}
decision: refuse
priority: 101
""",
)
QUESTION = 'approval: "{tool} ({title})?"\nreally: Really?\n'


def files(*clauses: str) -> Files:
    written = Files(list(clauses), used=[Hazard.HATE])
    written.other |= {"en.yaml": EN + QUESTION, "zh.yaml": ZH + QUESTION}
    return written


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return files(ASKING, LARGE, HATEFUL).load(tmp_path_factory.mktemp("policy"))


def calling(tool: str, arguments: str = "{}") -> Exchange:
    return call_exchange(ToolCall(id="c", name=tool, arguments=arguments), ())


def decided(
    policy: Policy, exchange: Exchange, facts: CallFacts | None = None, *, hate: float = 0.0
) -> Decision:
    said = verdict(found(Hazard.HATE, hate), subject=Subject.TOOL_CALL)
    return policy.decide(exchange, said, Audience.GENERAL, "en", facts)


def test_a_person_is_asked(policy: Policy) -> None:
    facts = CallFacts(tool="format_disk", effect="irreversible")
    decision = decided(policy, calling("format_disk"), facts)
    assert isinstance(decision, Ask)
    assert decision.text == "format_disk (Title of asks)?"
    assert (decision.approver, decision.seconds) == (Approver.OPERATOR, 60)
    assert decision.basis.applied == ("asks",)


def test_the_user_is_asked_by_default(policy: Policy) -> None:
    facts = CallFacts(tool="pay", arguments={"amount": 1001})
    decision = decided(policy, calling("pay"), facts)
    assert isinstance(decision, Ask)
    assert (decision.text, decision.approver, decision.seconds) == ("Really?", Approver.USER, 900)


def test_a_tools_name_is_never_filled_in_itself(policy: Policy) -> None:
    facts = CallFacts(tool="{title}", effect="irreversible")
    decision = decided(policy, calling("{title}"), facts)
    assert isinstance(decision, Ask)
    assert decision.text == "{title} (Title of asks)?"


def test_every_other_clause_is_stronger_and_so_is_a_missing_guard(policy: Policy) -> None:
    decision = decided(policy, calling("send"), hate=0.6)
    assert isinstance(decision, Refuse)
    assert decision.basis.applied == ("hateful", "asks")
    missing = verdict(subject=Subject.TOOL_CALL, failures={"second": Failure.TIMEOUT})
    decision = policy.decide(calling("send"), missing, Audience.GENERAL, "en")
    assert isinstance(decision, Refuse)
    assert decision.basis.clause == "guard-unavailable"


def test_a_callers_call_is_known_by_its_name_and_arguments_alone(policy: Policy) -> None:
    assert isinstance(decided(policy, calling("look")), Allow)
    assert isinstance(decided(policy, calling("send")), Ask)
    assert isinstance(decided(policy, calling("pay", '{"amount": 5}')), Allow)
    assert isinstance(decided(policy, calling("pay", '{"amount": 5000}')), Ask)


@pytest.mark.parametrize(
    "arguments", ["{}", "", "[1]", "nonsense", '{"amount": "much"}', f'{{"amount": {2**64}}}']
)
def test_an_argument_that_is_missing_or_odd_refuses(policy: Policy, arguments: str) -> None:
    decision = decided(policy, calling("pay", arguments))
    assert isinstance(decision, Refuse)
    assert (decision.basis.clause, decision.basis.reason) == ("large", CONDITION_FAILED)


def test_given_facts_count_before_what_the_model_wrote(policy: Policy) -> None:
    facts = CallFacts(tool="pay", arguments={"amount": 5})
    assert isinstance(decided(policy, calling("pay", '{"amount": 5000}'), facts), Allow)
    decision = decided(policy, calling("pay", '{"amount": 5}'), replace(facts, arguments={}))
    assert isinstance(decision, Refuse)


def test_who_cannot_wait_for_a_person_refuses(policy: Policy) -> None:
    decision = decided(policy, calling("send"))
    assert isinstance(decision, Ask)
    blocking = blocking_of(policy, decision, "zh")
    assert blocking == Refuse(basis=decision.basis, text=policy.text("refused", "zh"))
    assert blocks(decision)
    message = calling("send").message
    denied = combine((message,), [(0, decision)], Placeholders(), "no")
    assert denied == Denied(decision=Refuse(basis=decision.basis, text="no"))


class _Memory:
    """Keeps no record."""

    def record(self, case: Case, decision: Decision) -> None:
        del case, decision

    async def durable(self) -> None:
        return


async def test_moderation_tells_what_would_be_asked_and_blocks(policy: Policy) -> None:
    guard = ScriptedGuard()
    moderator = Moderator(
        panel=Panel([Seat(guard=guard, subjects=guard.subjects)]),
        policy=policy,
        recorder=_Memory(),
    )
    case = Case(id="1", tenant="t", exchange=calling("send"), audience=Audience.GENERAL, locale="")
    [one] = await moderator.decide([case])
    assert isinstance(one, Decided)
    result = moderator.result(one)
    assert (result["flagged"], result["corral"]["decision"]) == (True, "ask")


KNOWN = CallFacts(
    tool="fetch",
    plugin="web",
    effect="reversible",
    egress="open",
    influenced=True,
    untrusted=("url", "note"),
    targets=("url",),
    sends="user",
    arguments={"url": "https://evil.example/", "deep": {"list": [1, 2.5, None, "x"]}},
    retried=True,
    tenant="shop",
    user="ana",
)


@pytest.mark.parametrize(
    "expression",
    [
        "tool == 'fetch'",
        "call.plugin == 'web' && call.effect == 'reversible' && call.egress != 'none'",
        "call.egress in ['named', 'open'] && call.sends in [\"user\", 'secret']",
        "call.tenant == 'shop' && call.user == 'ana'",
        "call.influenced && call.retried",
        "call.untrusted == ['url', 'note'] && 'url' in call.targets && size(call.targets) == 1",
        "call.untrusted.exists(name, name.startsWith('no'))",
        "call.arguments.url.startsWith('https://evil')",
        "call.arguments.deep.list[1] == 2.5 && call.arguments['deep'].list[2] == null",
        "has(call.arguments.url) && !has(call.arguments.amount)",
        "!has(call.arguments.amount) || call.arguments.amount > 1",
    ],
)
def test_conditions_read_what_is_known_of_a_call(expression: str) -> None:
    facts = Facts(
        calling("fetch"), verdict(subject=Subject.TOOL_CALL), Audience.GENERAL, "en", {}, KNOWN
    )
    assert Compiler(()).compile(expression).holds(facts)


@pytest.mark.parametrize(
    ("expression", "column", "message"),
    [
        ("call.efect == 'none'", 5, "undeclared reference to 'call.efect'"),
        ("has(call.argument.to)", 4, "undeclared reference to 'call.argument.to'"),
        ("call.effect == 1", 13, "no matching overload"),
        ("call.influenced == 'yes'", 17, "no matching overload"),
        ("call.effect == 'irreversable'", 16, 'call.effect is never "irreversable", but one of: '),
        ("true && call.egress in ['named', \"opne\"]", 34, 'call.egress is never "opne"'),
        ("call.sends != 'private'", 15, "one of: public, secret, tenant, user"),
        ("p.hatred > 0.5 && call.arguments.to == 'x'", 1, "Key not found in map"),
    ],
)
def test_a_misspelling_is_found_at_load(expression: str, column: int, message: str) -> None:
    with pytest.raises(ConditionError) as raised:
        Compiler(()).compile(expression)
    problem = raised.value.problems[0]
    assert message in problem.message
    assert (problem.line, problem.column) == (1, column)


def test_what_arguments_will_hold_is_not_known_at_load() -> None:
    condition = Compiler(()).compile("call.arguments['to-whom'].size() > 3")
    said = verdict(subject=Subject.TOOL_CALL)
    facts = Facts(calling("x", '{"to-whom": "abcd"}'), said, Audience.GENERAL, "en", {})
    assert condition.holds(facts)
    facts = Facts(calling("x", '{"to": "abcd"}'), said, Audience.GENERAL, "en", {})
    with pytest.raises(ConditionFailedError):
        condition.holds(facts)


def test_a_call_is_nothing_on_other_subjects() -> None:
    said: dict[str, Any] = {"verdict": verdict(), "audience": Audience.GENERAL, "locale": "en"}
    facts = Facts(replace(calling("x"), subject=Subject.REPLY), lists={}, **said)
    assert Compiler(()).compile("call.effect == 'unknown' && !call.influenced").holds(facts)


def test_the_question_must_be_written(tmp_path: Path) -> None:
    written = files(ASKING, LARGE, HATEFUL)
    written.other |= {"en.yaml": EN + "really: Really?\n", "zh.yaml": ZH + "really: 真的？\n"}
    with pytest.raises(ValueError, match='decision: no text "approval" for locale "en"'):
        written.load(tmp_path)
    written = files(LARGE, HATEFUL)
    written.other |= {"en.yaml": EN + "really: Really?\n", "zh.yaml": ZH + "really: 真的？\n"}
    assert written.load(tmp_path).clause("large").approver is Approver.USER


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("subjects: [tool_call]", "subjects: [tool_result]", "ask cannot be done to tool_result"),
        ("approver: operator", "approver: boss", '"boss" is not one of: user, operator'),
        ("seconds: 60", "seconds: 0", "greater than or equal to 1"),
        ("seconds: 60", "seconds: 604801", "less than or equal to 604800"),
        ("decision: ask", "decision: refuse", "approver: belongs to another decision; refuse"),
        ("seconds: 60", "guidance: guidance", "guidance: belongs to another decision; ask uses"),
        ("seconds: 60", "clean_rest: true", "clean_rest: belongs to another decision; ask"),
    ],
)
def test_mistakes(tmp_path: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        files(ASKING.replace(before, after), LARGE, HATEFUL).load(tmp_path)


def test_only_questions_name_the_tool(tmp_path: Path) -> None:
    written = files(
        ASKING, LARGE, HATEFUL.replace("decision: refuse", "decision: refuse\n    text: why")
    )
    for file in ("en.yaml", "zh.yaml"):
        written.other[file] += "why: No {tool}.\n"
    with pytest.raises(ValueError, match=r"unknown placeholder \{tool\}"):
        written.load(tmp_path)
