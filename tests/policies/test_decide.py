"""What each kind of clause decides, and which one wins."""

import pytest

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.verdict import Failure
from policies.audience import Audience
from policies.bundle import Policy
from policies.cases import rewritten
from policies.clause import DEFAULT_DENY, GUARD_UNAVAILABLE
from policies.decide import CONDITION_FAILED, NOT_LOCATED
from policies.decision import Allow, Decision, Escalate, Refuse, Rewrite, Steer, Support
from tests.policies.bundles import Files, clause, decide, exchange, found, verdict

CLAUSES = [
    clause(
        "refuses",
        """
hazards: [violent_crimes, hate]
subjects: [user_input, reply, tool_result]
thresholds: {general: 0.5, minor: 0.3, adult: never}
decision: refuse
text: refused_rule
""",
    ),
    clause(
        "refuses-plainly",
        """
hazards: [privacy]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
    ),
    clause(
        "escalates",
        """
hazards: [elections]
subjects: [user_input]
thresholds: {general: 0.5}
decision: escalate
""",
    ),
    clause(
        "supports",
        """
hazards: [self_harm]
subjects: [user_input, reply]
thresholds: {general: 0.5}
decision: support
text: support
priority: 550
""",
    ),
    clause(
        "supports-weakly",
        """
hazards: [sexual_content]
subjects: [user_input]
thresholds: {general: 0.5}
decision: support
text: support
""",
    ),
    clause(
        "rewrites",
        """
hazards: [personal_data]
subjects: [reply]
thresholds: {general: 0.5}
decision: rewrite
replacement: removed
""",
    ),
    clause(
        "rewrites-too",
        """
hazards: [secrets]
subjects: [reply]
thresholds: {general: 0.5}
decision: rewrite
replacement: removed
""",
    ),
    clause(
        "steers",
        """
hazards: [specialized_advice]
subjects: [user_input]
thresholds: {general: 0.5}
decision: steer
guidance: guidance
""",
    ),
    clause(
        "steers-topics",
        """
when: mentions.topic
subjects: [user_input]
decision: steer
guidance: more_guidance
""",
    ),
    clause(
        "custom",
        """
custom: [rivals]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
    ),
    clause(
        "trusts-one-guard",
        """
hazards: [defamation]
guards: [guard]
guard_thresholds: {guard: {general: 0.9}}
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
    ),
    clause(
        "cannot-be-evaluated",
        """
hazards: [jailbreak]
when: text == 'sample' || int(text) > 0
subjects: [user_input]
thresholds: {general: 0.5}
decision: steer
guidance: guidance
""",
    ),
]
USED = (
    Hazard.VIOLENT_CRIMES,
    Hazard.HATE,
    Hazard.PRIVACY,
    Hazard.ELECTIONS,
    Hazard.SELF_HARM,
    Hazard.SEXUAL_CONTENT,
    Hazard.PERSONAL_DATA,
    Hazard.SECRETS,
    Hazard.SPECIALIZED_ADVICE,
    Hazard.DEFAMATION,
    Hazard.JAILBREAK,
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return Files(CLAUSES, used=USED).load(tmp_path_factory.mktemp("policy"))


def test_nothing_found_is_allowed(policy: Policy) -> None:
    said = verdict()
    decision = decide(policy, said)
    assert isinstance(decision, Allow)
    basis = decision.basis
    assert (basis.clause, basis.policy, basis.digest) == (None, "small@1.0.0", policy.digest)
    assert basis.verdict is said
    assert (basis.degraded, basis.reason) == (False, None)


@pytest.mark.parametrize(
    ("probability", "audience", "kind"),
    [
        (0.49, Audience.GENERAL, Allow),
        (0.5, Audience.GENERAL, Refuse),
        (0.29, Audience.MINOR, Allow),
        (0.3, Audience.MINOR, Refuse),
        (1.0, Audience.ADULT, Allow),
    ],
)
def test_thresholds_go_by_audience(
    policy: Policy, probability: float, audience: Audience, kind: type[Decision]
) -> None:
    said = verdict(found(Hazard.HATE, probability))
    assert type(decide(policy, said, audience=audience)) is kind


def test_an_audience_left_out_uses_general(policy: Policy) -> None:
    said = verdict(found(Hazard.PRIVACY, 0.5))
    assert {type(decide(policy, said, audience=a)) for a in Audience} == {Refuse}


def test_refuse_says_the_clause_title(policy: Policy) -> None:
    decision = decide(policy, verdict(found(Hazard.HATE, 0.9)), locale="zh-CN")
    assert isinstance(decision, Refuse)
    assert decision.text == "不行，因为refuses 标题。"
    assert decision.basis.clause == "refuses"


def test_refuse_without_a_text_says_the_standard_one(policy: Policy) -> None:
    decision = decide(policy, verdict(found(Hazard.PRIVACY, 0.9)))
    assert isinstance(decision, Refuse)
    assert decision.text == "I can't help with that."


def test_escalate_goes_before_all(policy: Policy) -> None:
    said = verdict(
        found(Hazard.ELECTIONS, 0.5), found(Hazard.SELF_HARM, 0.9), found(Hazard.HATE, 1.0)
    )
    decision = decide(policy, said)
    assert isinstance(decision, Escalate)
    assert decision.text == "A person will look."


def test_support_goes_before_refusal_where_the_policy_says_so(policy: Policy) -> None:
    said = verdict(found(Hazard.SELF_HARM, 0.5), found(Hazard.VIOLENT_CRIMES, 1.0))
    decision = decide(policy, said, locale="en-US")
    assert isinstance(decision, Support)
    assert decision.text == (
        "Help:\n- Lifeline: call 988, text 988, visit 988lifeline.org\n- emergency 911\n"
        "- find help anywhere"
    )


def test_refusal_goes_before_support_otherwise(policy: Policy) -> None:
    said = verdict(found(Hazard.SEXUAL_CONTENT, 1.0), found(Hazard.HATE, 0.5))
    assert decide(policy, said).basis.clause == "refuses"


def test_among_equals_the_most_probable_decides(policy: Policy) -> None:
    said = verdict(found(Hazard.HATE, 0.6), found(Hazard.PRIVACY, 0.7))
    assert decide(policy, said).basis.clause == "refuses-plainly"
    said = verdict(found(Hazard.HATE, 0.7), found(Hazard.PRIVACY, 0.7))
    assert decide(policy, said).basis.clause == "refuses"


def test_rewrite_replaces_what_every_rewriting_clause_found(policy: Policy) -> None:
    text = "mail a@b.example key 1234 5678"
    said = verdict(
        found(Hazard.SECRETS, 0.9, span=(21, 25)),
        found(Hazard.SECRETS, 0.4, span=(26, 30)),
        found(Hazard.PERSONAL_DATA, 0.6, span=(5, 10)),
        found(Hazard.PERSONAL_DATA, 0.6, span=(8, 16)),
        subject=Subject.REPLY,
    )
    decision = decide(policy, said, text)
    assert isinstance(decision, Rewrite)
    assert decision.basis.clause == "rewrites-too"
    assert [(span.start, span.end) for span in decision.spans] == [(5, 16), (21, 25)]
    assert rewritten(text, decision) == "mail [removed] key [removed] 5678"


def test_a_finding_nobody_located_cannot_be_rewritten(policy: Policy) -> None:
    said = verdict(
        found(Hazard.SECRETS, 0.9, span=(0, 2)),
        found(Hazard.SECRETS, 0.9),
        subject=Subject.REPLY,
    )
    decision = decide(policy, said)
    assert isinstance(decision, Refuse)
    assert (decision.basis.clause, decision.basis.reason) == ("rewrites-too", NOT_LOCATED)


def test_refusal_goes_before_rewriting(policy: Policy) -> None:
    said = verdict(
        found(Hazard.SECRETS, 1.0, span=(0, 2)), found(Hazard.HATE, 0.5), subject=Subject.REPLY
    )
    assert decide(policy, said).basis.clause == "refuses"


def test_reply_covers_the_reply_so_far(policy: Policy) -> None:
    said = verdict(found(Hazard.HATE, 0.5), subject=Subject.REPLY_SO_FAR)
    assert isinstance(decide(policy, said), Refuse)


def test_steer_gathers_all_guidance(policy: Policy) -> None:
    decision = decide(policy, verdict(found(Hazard.SPECIALIZED_ADVICE, 0.6)), "Is abortion safe?")
    assert isinstance(decision, Steer)
    assert decision.basis.clause == "steers"
    assert decision.guidance == "Be careful.\n\nBe brief."


def test_a_bare_condition_decides(policy: Policy) -> None:
    decision = decide(policy, verdict(), "废除死刑？", locale="zh")
    assert isinstance(decision, Steer)
    assert (decision.basis.clause, decision.guidance) == ("steers-topics", "请简短。")


def test_steering_never_overrides_a_refusal(policy: Policy) -> None:
    decision = decide(policy, verdict(found(Hazard.HATE, 0.5)), "Gun control!")
    assert isinstance(decision, Refuse)


def test_a_category_of_the_operators_own(policy: Policy) -> None:
    said = verdict(found(Hazard.OFF_TOPIC, 0.5, custom="rivals"))
    assert decide(policy, said).basis.clause == "custom"
    said = verdict(found(Hazard.OFF_TOPIC, 0.49, custom="rivals"))
    assert isinstance(decide(policy, said), Allow)
    said = verdict(found(Hazard.OFF_TOPIC, 1.0, custom="weather"))
    assert isinstance(decide(policy, said), Allow)


def test_a_named_guard_alone_counts_with_its_own_threshold(policy: Policy) -> None:
    other = {"other": [found(Hazard.DEFAMATION, 1.0)]}
    assert isinstance(decide(policy, verdict(others=other)), Allow)
    assert isinstance(decide(policy, verdict(found(Hazard.DEFAMATION, 0.89))), Allow)
    assert isinstance(decide(policy, verdict(found(Hazard.DEFAMATION, 0.9))), Refuse)


def test_a_named_guard_that_nobody_asked_is_missing(policy: Policy) -> None:
    decision = decide(policy, verdict(guard="other"))
    assert isinstance(decision, Refuse)
    assert (decision.basis.clause, decision.basis.reason) == (
        GUARD_UNAVAILABLE,
        "not seated: guard",
    )


def test_a_condition_that_fails_denies(policy: Policy) -> None:
    decision = decide(policy, verdict(found(Hazard.JAILBREAK, 0.5)), "words")
    assert isinstance(decision, Refuse)
    assert decision.text == "I can't help with that."
    basis = decision.basis
    assert (basis.clause, basis.reason) == ("cannot-be-evaluated", CONDITION_FAILED)
    assert isinstance(decide(policy, verdict(found(Hazard.JAILBREAK, 0.4)), "words"), Allow)


def test_the_highest_score_of_any_guard_counts(policy: Policy) -> None:
    said = verdict(found(Hazard.HATE, 0.1), others={"other": [found(Hazard.HATE, 0.5)]})
    assert isinstance(decide(policy, said), Refuse)


@pytest.mark.parametrize("subject", [Subject.DOCUMENT, Subject.IMAGE, Subject.TOOL_CALL])
def test_a_subject_without_a_clause_is_refused(policy: Policy, subject: Subject) -> None:
    decision = decide(policy, verdict(subject=subject))
    assert isinstance(decision, Refuse)
    assert decision.basis.clause == DEFAULT_DENY


@pytest.mark.parametrize("subject", Subject)
@pytest.mark.parametrize("failure", Failure)
def test_no_verdict_is_never_allowed(policy: Policy, failure: Failure, subject: Subject) -> None:
    for said in (
        verdict(guard=None, failures={"guard": failure}, subject=subject),
        verdict(failures={"other": failure}, subject=subject),
    ):
        decision = decide(policy, said, "gun control")
        assert isinstance(decision, Refuse)
        assert decision.basis.clause in (GUARD_UNAVAILABLE, DEFAULT_DENY)


def test_a_missing_guard_says_so_and_why(policy: Policy) -> None:
    decision = decide(policy, verdict(failures={"other": Failure.TIMEOUT}), locale="zh-TW")
    assert isinstance(decision, Refuse)
    assert decision.text == "现在不行。"
    assert decision.basis.reason == "other: timeout"


def test_an_empty_panel_is_never_allowed(policy: Policy) -> None:
    decision = decide(policy, verdict(guard=None))
    assert decision.basis.clause == GUARD_UNAVAILABLE


def test_a_verdict_about_something_else_is_no_verdict(policy: Policy) -> None:
    said = verdict(subject=Subject.REPLY)
    decision = policy.decide(exchange(), said, Audience.GENERAL, "en")
    assert decision.basis.clause == GUARD_UNAVAILABLE


def test_what_was_found_still_blocks_in_its_own_words_when_a_guard_is_missing(
    policy: Policy,
) -> None:
    said = verdict(found(Hazard.SELF_HARM, 0.9), failures={"other": Failure.ERROR})
    decision = decide(policy, said)
    assert isinstance(decision, Support)
    assert decision.basis.reason == "other: error"


def test_the_same_arguments_give_the_same_decision(policy: Policy) -> None:
    said = verdict(found(Hazard.SPECIALIZED_ADVICE, 0.6))
    assert decide(policy, said, "abortion") == decide(policy, said, "abortion")
