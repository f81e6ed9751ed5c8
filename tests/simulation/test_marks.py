"""The oracle and the policy, written apart, say the same."""

from itertools import product
from random import Random

from guards.conversation import Exchange, Role, Subject, text_message
from guards.panel import PanelVerdict
from guards.verdict import Verdict
from policies.audience import Audience
from policies.bundle import Drafting, Retention
from policies.decision import Rewrite, decision_name
from tests.simulation.marks import REMOVED, expected, findings, rendered, tokens
from tests.simulation.plan import mark
from tests.simulation.process import variant
from tests.simulation.records import SEATS


def test_the_oracle_agrees_with_the_policy() -> None:
    rng = Random(1)
    policy = variant(True, False, False)
    kinds = set()
    for subject, audience in product(SEATS, Audience):
        for _ in range(400):
            text = "".join(f"word {mark(rng)}" for _ in range(rng.randint(0, 3)))
            exchange = Exchange(subject=subject, message=text_message(text, id="m", role=Role.USER))
            judgements = tuple(
                Verdict(guard=name, revision="1", findings=findings(text, name), elapsed=0.0)
                for name in sorted(SEATS[subject])
            )
            verdict = PanelVerdict(subject=subject, judgements=judgements, elapsed=0.0)
            decision = policy.decide(exchange, verdict, audience, "en")
            due = expected(subject, text, audience, SEATS[subject])
            assert (decision_name(decision), decision.basis.clause) == (due.kind, due.clause)
            if isinstance(decision, Rewrite):
                assert tuple((span.start, span.end) for span in decision.spans) == due.spans
            kinds.add(due.kind)
    assert kinds == {"allow", "steer", "rewrite", "support", "refuse", "escalate"}


def test_marks_are_read() -> None:
    text = "zu3z a <personal_data:0.9> b <hate:0.9@beta> zr12z"
    assert tokens(text) == {"u3", "r12"}
    assert rendered("a <personal_data:0.9> b", ((2, 21),)) == f"a {REMOVED} b"
    both = frozenset({"alpha", "beta"})
    assert expected(Subject.USER_INPUT, text, "general", both).kind == "refuse"
    assert expected(Subject.USER_INPUT, text, "general", frozenset({"alpha"})).kind == "rewrite"


def test_a_stand_in_has_a_lower_threshold() -> None:
    alone = frozenset({"alpha"})
    assert expected(Subject.USER_INPUT, "<hate:0.25>", "general", alone).kind == "allow"
    assert expected(Subject.USER_INPUT, "<hate:0.25>", "general", alone, True).kind == "refuse"


def test_variants_of_the_policy() -> None:
    assert variant(False, False, True).drafting is Drafting.AFTER_VERDICT
    assert variant(False, False, True).retention is Retention.BLOCKED
    assert variant(True, True, False).rules.stand_ins
