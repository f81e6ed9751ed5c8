"""Topics of a policy, and what guards are told of it."""

from pathlib import Path

import pytest

from guards.hazards import Hazard
from guards.topic.topics import Mode, Topic
from policies.briefing import rules_of
from policies.bundle import Policy
from policies.mistakes import PolicyError
from policies.schema import Kind
from tests.policies.bundles import HEAD, Files, clause

OFF = """
hazards: [off_topic]
custom: [banking]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
"""
TOPICS = """\
banking:
  mode: only
  allow:
    en: [Open an account, Block my card, Send money abroad, My balance]
    zh: [怎么开户]
  deny:
    en: [Write a bank robbery story]
advice:
  mode: avoid
  deny:
    en: [Buy shares?, Sell gold?, Is bitcoin good?, A fund for me?, Which bonds?]
"""


def files(topics: str, body: str = OFF, used: tuple[Hazard, ...] = (Hazard.OFF_TOPIC,)) -> Files:
    made = Files([clause("off", body)], used=used, head=f"{HEAD}topics: topics.yaml\n")
    made.other["topics.yaml"] = topics
    return made


def test_topics_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    banking, advice = files(TOPICS).load(tmp_path).topics
    assert banking == Topic(
        name="banking",
        mode=Mode.ONLY,
        allow=("Open an account", "Block my card", "Send money abroad", "My balance", "怎么开户"),
        deny=("Write a bank robbery story",),
    )
    assert (advice.name, advice.mode, len(advice.deny)) == ("advice", Mode.AVOID, 5)


def test_a_policy_without_topics_has_none() -> None:
    assert Policy.load_builtin().topics == ()


def test_examples_are_part_of_the_digest(tmp_path: Path) -> None:
    first = files(TOPICS).load(tmp_path).digest
    assert files(TOPICS.replace("My balance", "My bank balance")).load(tmp_path).digest != first
    assert files(f"# a remark\n{TOPICS}").load(tmp_path).digest == first


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (TOPICS.replace("mode: only", "mode: sometimes"), "topics.yaml:2:9: banking.mode: "),
        (TOPICS.replace("  mode: only\n", ""), "banking"),
        (TOPICS.replace("    zh: [怎么开户]\n", ""), "banking.allow: mode only needs at least 5"),
        (TOPICS.replace(", Which bonds?", ""), "advice.deny: mode avoid needs at least 5"),
        (TOPICS.replace("  deny:\n    en: [Buy", "  allow:\n    en: [Buy"), "advice: deny: mode"),
        (TOPICS.replace("allow:", "alow:"), 'unknown key "alow"'),
        (TOPICS.replace("banking:", "Banking Matters:"), "Banking Matters"),
        (TOPICS.replace("[怎么开户]", f"[{', '.join(f'q{i}' for i in range(200))}]"), "more than"),
        ("- banking\n", "topics.yaml"),
    ],
)
def test_a_mistake_is_named_by_file_and_field(topics: str, expected: str, tmp_path: Path) -> None:
    path = files(topics).write(tmp_path)
    with pytest.raises(PolicyError) as raised:
        Policy.load(path)
    assert any(expected in str(m) for m in raised.value.mistakes), list(raised.value.mistakes)
    assert "topics.yaml" in str(raised.value)


def test_a_topic_that_no_clause_speaks_of_is_a_mistake(tmp_path: Path) -> None:
    body = OFF.replace("hazards: [off_topic]\n", "")
    path = files(TOPICS, body, used=()).write(tmp_path)
    with pytest.raises(PolicyError) as raised:
        Policy.load(path)
    (mistake,) = raised.value.mistakes
    assert (mistake.line, mistake.field) == (8, "advice")
    assert 'no clause speaks of it: name "advice" under custom' in mistake.message


def test_a_missing_file_of_topics_is_named(tmp_path: Path) -> None:
    made = files(TOPICS)
    del made.other["topics.yaml"]
    with pytest.raises(PolicyError, match=r"topics\.yaml"):
        Policy.load(made.write(tmp_path))


def test_the_rules_guards_are_told_are_the_clauses_about_text() -> None:
    policy = Policy.load_builtin()
    rules = {rule.id: rule for rule in rules_of(policy)}
    assert list(rules) == [c.id for c in policy.clauses if c.id in rules]
    for clause_id, rule in rules.items():
        told = policy.clause(clause_id)
        assert told.kind is not Kind.STEER
        assert rule.hazard in told.hazards
        assert told.rule["en"] in rule.text
    assert {"child-exploitation", "self-harm", "fraud", "jailbreak", "explicit-content"} <= set(
        rules
    )
    # Of tool calls and images no text is judged, and steering answers what it speaks of.
    assert not {"self-harm-acts", "secrets-sent", "professional-advice"} & set(rules)


def test_topics_are_no_rule_for_a_model_to_read(tmp_path: Path) -> None:
    assert rules_of(files(TOPICS).load(tmp_path)) == ()
