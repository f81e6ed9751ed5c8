import os
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from guards.conversation import Subject
from guards.hazards import Hazard
from policies.bundle import Drafting, Gap, Policy, PolicyError, Retention
from tests.policies.bundles import EN, HEAD, PHRASES, RESOURCES, ZH, Files, clause

BODY = """
hazards: [hate, secrets]
subjects: [user_input, reply]
thresholds: {general: 0.5}
decision: refuse
"""
USED = (Hazard.HATE, Hazard.SECRETS)


def files(**changes: str) -> Files:
    made = Files([clause("only", BODY)], used=USED)
    made.other |= changes
    return made


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return files().load(tmp_path)


def test_what_a_policy_says_about_itself(policy: Policy) -> None:
    assert (policy.name, policy.version, policy.label) == ("small", "1.0.0", "small@1.0.0")
    assert policy.locales == ("en", "zh")
    assert policy.drafting is Drafting.SPECULATIVE
    assert policy.retention is Retention.NONE
    assert len(policy.digest) == 64
    assert policy.clause("only").tests == ("any",)
    with pytest.raises(KeyError):
        policy.clause("other")


def test_drafting_and_retention_are_read(tmp_path: Path) -> None:
    made = files()
    made.head = HEAD + "drafting: after_verdict\nretention: blocked\n"
    policy = made.load(tmp_path)
    assert (policy.drafting, policy.retention) == (Drafting.AFTER_VERDICT, Retention.BLOCKED)


def test_a_policy_cannot_be_changed(policy: Policy) -> None:
    with pytest.raises(FrozenInstanceError):
        policy.version = "2.0.0"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        policy.clauses[0].priority = 0  # type: ignore[misc]
    for mapping in (
        policy.description,
        policy.rules.tables,
        policy.rules.lists,
        policy.rules.texts.by_key,
        policy.rules.texts.by_key["refused"],
        policy.clauses[0].cutoffs,
        policy.clauses[0].title,
    ):
        with pytest.raises(TypeError):
            mapping["x"] = "y"  # type: ignore[index]


def digest(made: Files, folder: Path) -> str:
    folder.mkdir()
    return made.load(folder).digest


def test_the_digest_ignores_what_means_nothing(tmp_path: Path) -> None:
    plain = digest(files(), tmp_path / "plain")
    commented = files(**{"en.yaml": "# words\n" + EN.replace("Not now.", '"Not now."')})
    commented.head = "# a policy\n" + HEAD.replace("locales: [en, zh]", "locales:\n  - en\n  - zh")
    assert digest(commented, tmp_path / "commented") == plain
    written_out = files()
    written_out.head = HEAD + "drafting: speculative\nretention: none\n"
    assert digest(written_out, tmp_path / "defaults") == plain
    moved = files(**{"english.yaml": EN})
    moved.head = HEAD.replace("en.yaml", "english.yaml")
    assert digest(moved, tmp_path / "moved") == plain
    lines = EN.splitlines(keepends=True)
    ordered = files(**{"en.yaml": "".join([*lines[1:], lines[0]])})
    assert digest(ordered, tmp_path / "ordered") == plain


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("en.yaml", EN.replace("Not now.", "Not now!")),
        ("zh.yaml", ZH.replace("现在不行。", "现在不行！")),
        ("phrases.yaml", PHRASES.replace("abortion*", "abortion")),
        ("resources.yaml", RESOURCES.replace("12356", "12357")),
    ],
)
def test_the_digest_covers_every_file(tmp_path: Path, file: str, text: str) -> None:
    assert digest(files(**{file: text}), tmp_path / "a") != digest(files(), tmp_path / "b")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.51"),
        ("{general: 0.5}", "{general: 0.5, minor: 0.4}"),
        ("[user_input, reply]", "[user_input]"),
        ("decision: refuse", "decision: escalate"),
        ("decision: refuse", "decision: refuse\npriority: 501"),
        ("decision: refuse", "decision: refuse\nwhen: mentions.topic"),
    ],
)
def test_the_digest_covers_every_field(tmp_path: Path, old: str, new: str) -> None:
    changed = Files([clause("only", BODY.replace(old, new))], used=USED)
    assert digest(changed, tmp_path / "a") != digest(files(), tmp_path / "b")


def test_what_no_guard_can_find(policy: Policy) -> None:
    able = {
        Subject.USER_INPUT: frozenset({Hazard.HATE}),
        Subject.REPLY: frozenset({Hazard.HATE, Hazard.SECRETS}),
        Subject.IMAGE: frozenset[Hazard](),
    }
    gap = Gap(clause="only", hazard=Hazard.SECRETS, subjects=(Subject.USER_INPUT,))
    assert policy.uncovered(able) == (gap,)
    assert policy.uncovered({}) == ()


def test_a_policy_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        Policy.load(tmp_path / "none.yaml")
    with pytest.raises(PolicyError, match="cannot be read: Is a directory"):
        Policy.load(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "../acceptable_use", "texts/en", ""])
def test_no_such_builtin(name: str) -> None:
    with pytest.raises(ValueError, match="ships with the package"):
        Policy.load_builtin(name)


def test_it_may_be_named_by_text(tmp_path: Path) -> None:
    path = files().write(tmp_path)
    assert Policy.load(os.fspath(path)).digest == Policy.load(path).digest
