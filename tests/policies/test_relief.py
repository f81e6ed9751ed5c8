"""Degraded mode: another guard stands in, under a stricter threshold, and it is logged."""

import pytest

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure
from policies.audience import Audience
from policies.bundle import Policy
from policies.clause import GUARD_UNAVAILABLE
from policies.decision import Allow, Refuse
from tests.policies.bundles import Files, clause, decide, found, verdict

CLAUSES = [
    clause(
        "hate",
        """
hazards: [hate]
subjects: [user_input, reply, tool_call, document]
thresholds: {general: 0.6, minor: 0.4, adult: never}
decision: refuse
""",
    ),
    clause(
        "violence",
        """
hazards: [violent_crimes]
guards: [big]
subjects: [user_input]
thresholds: {general: 0.6}
decision: refuse
""",
    ),
    clause(
        "trusts-another",
        """
hazards: [hate]
guards: [another]
subjects: [image_prompt]
thresholds: {general: 0.6}
decision: refuse
""",
    ),
    clause(
        "topics",
        """
when: mentions.topic
subjects: [tool_result]
decision: refuse
""",
    ),
    clause(
        "rivals",
        """
custom: [rivals]
subjects: [tool_call]
thresholds: {general: 0.5}
decision: refuse
""",
    ),
]
TAIL = """\
degraded:
  - guard: big
    fallback: small
    subjects: [user_input, reply, tool_call, image_prompt]
    failures: [timeout, error]
    thresholds: {general: 0.3, minor: 0.2}
  - guard: big
    fallback: small
    subjects: [document]
    hazards: [violent_crimes]
    thresholds: {general: 0.3}
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    files = Files(CLAUSES, used=[Hazard.HATE, Hazard.VIOLENT_CRIMES], tail=TAIL)
    return files.load(tmp_path_factory.mktemp("policy"))


def test_the_fallback_lets_harmless_text_through_and_says_so(policy: Policy) -> None:
    said = verdict(guard="small", failures={"big": Failure.TIMEOUT})
    decision = decide(policy, said)
    assert isinstance(decision, Allow)
    assert decision.basis.degraded
    assert decision.basis.reason == "small for big: timeout"
    assert decision.basis.clause is None


@pytest.mark.parametrize(
    ("probability", "audience", "allowed"),
    [
        (0.29, Audience.GENERAL, True),
        (0.3, Audience.GENERAL, False),
        (0.19, Audience.MINOR, True),
        (0.2, Audience.MINOR, False),
        (1.0, Audience.ADULT, True),
    ],
)
def test_its_threshold_is_the_stricter_one(
    policy: Policy, probability: float, audience: Audience, allowed: bool
) -> None:
    finding = found(Hazard.HATE, probability)
    said = verdict(finding, guard="small", failures={"big": Failure.ERROR})
    decision = decide(policy, said, audience=audience)
    assert isinstance(decision, Allow) is allowed
    assert decision.basis.degraded


def test_it_counts_for_clauses_that_trust_only_the_missing_guard(policy: Policy) -> None:
    finding = found(Hazard.VIOLENT_CRIMES, 0.3)
    said = verdict(finding, guard="small", failures={"big": Failure.TIMEOUT})
    assert decide(policy, said).basis.clause == "violence"
    # Its score is nothing to such a clause while the trusted guard is there.
    both = verdict(finding, guard="small", others={"big": []})
    assert isinstance(decide(policy, both), Allow)


def test_reply_covers_the_reply_so_far(policy: Policy) -> None:
    said = verdict(guard="small", failures={"big": Failure.TIMEOUT}, subject=Subject.REPLY_SO_FAR)
    assert isinstance(decide(policy, said), Allow)


@pytest.mark.parametrize(
    "said",
    [
        verdict(guard="small", failures={"big": Failure.NONSENSE}),
        verdict(guard="other", failures={"big": Failure.TIMEOUT}),
        verdict(guard=None, failures={"big": Failure.TIMEOUT}),
        verdict(guard=None, failures={"big": Failure.TIMEOUT, "small": Failure.TIMEOUT}),
        verdict(guard="small", failures={"big": Failure.TIMEOUT, "third": Failure.TIMEOUT}),
        verdict(guard="small", failures={"big": Failure.TIMEOUT}, subject=Subject.DOCUMENT),
        verdict(guard="small", failures={"big": Failure.TIMEOUT}, subject=Subject.TOOL_RESULT),
        verdict(guard="small", failures={"big": Failure.TIMEOUT}, subject=Subject.TOOL_CALL),
        verdict(guard="small", failures={"big": Failure.TIMEOUT}, subject=Subject.IMAGE_PROMPT),
        verdict(guard="small", failures={"third": Failure.TIMEOUT}),
    ],
    ids=[
        "a failure the rule does not name",
        "the fallback was not asked",
        "nobody judged",
        "the fallback failed as well",
        "a second guard is missing",
        "a hazard of the subject is not covered",
        "a subject the rule does not name",
        "a clause on a category of the operator's own",
        "the guard a clause trusts was never asked",
        "no rule speaks of the missing guard",
    ],
)
def test_everything_else_stays_refused(policy: Policy, said: PanelVerdict) -> None:
    decision = decide(policy, said)
    assert isinstance(decision, Refuse)
    assert decision.basis.clause == GUARD_UNAVAILABLE
    assert not decision.basis.degraded


def test_a_complete_verdict_is_judged_as_usual(policy: Policy) -> None:
    said = verdict(found(Hazard.HATE, 0.5), guard="small", others={"big": []})
    decision = decide(policy, said)
    assert isinstance(decision, Allow)
    assert not decision.basis.degraded
