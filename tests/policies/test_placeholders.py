"""Placeholders: the same for the same value, counted, given back, forgotten with the session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Finding, Span
from policies.bundle import Policy
from policies.decision import Basis, Redaction, Rewrite
from policies.placeholders import MOST, Placeholder, Placeholders
from tests.policies.bundles import Files, clause, decide, found, verdict

NOTHING = PanelVerdict(subject=Subject.USER_INPUT, judgements=(), elapsed=0.0)
BASIS = Basis(clause="c", policy="p@1.0.0", digest="0", verdict=NOTHING)
EMAIL = "[EMAIL_{number}]"


def rewrite(
    text: str, *values: str, template: str = EMAIL, restore: bool = True
) -> tuple[str, Rewrite]:
    """A decision that replaces every one of ``values`` where it first stands."""
    redactions = [
        Redaction(
            span=Span(start=text.index(value), end=text.index(value) + len(value)),
            replacement=template,
            restore=restore,
        )
        for value in values
    ]
    return text, Rewrite(basis=BASIS, redactions=tuple(redactions))


def test_the_same_value_gets_the_same_number_in_every_message() -> None:
    session = Placeholders()
    assert session.rewritten(*rewrite("a@b.c or d@e.f", "a@b.c", "d@e.f")) == (
        "[EMAIL_1] or [EMAIL_2]"
    )
    assert session.rewritten(*rewrite("D@E.F it is", "D@E.F")) == "[EMAIL_2] it is"
    assert session.values == {"[EMAIL_1]": "a@b.c", "[EMAIL_2]": "d@e.f"}


def test_a_number_is_the_same_however_it_is_grouped() -> None:
    session = Placeholders()
    numbers = ["4155552671", "(415) 555-2671", "415.555.2671"]
    assert {session.rewritten(*rewrite(n, n)) for n in numbers} == {"[EMAIL_1]"}


def test_a_replacement_without_a_number_says_no_more() -> None:
    session = Placeholders()
    assert session.rewritten(*rewrite("x y", "x", "y", template="[gone]")) == "[gone] [gone]"
    assert session.known == ()


def test_a_value_is_kept_only_where_it_may_be_given_back() -> None:
    session = Placeholders()
    session.rewritten(*rewrite("a@b.c", "a@b.c", restore=False))
    [entry] = session.known
    assert (entry.value, session.values) == (None, {})
    session.rewritten(*rewrite("a@b.c", "a@b.c", restore=True))
    assert session.values == {"[EMAIL_1]": "a@b.c"}


def test_a_placeholder_that_somebody_wrote_stands_for_nothing() -> None:
    session = Placeholders()
    text = "[EMAIL_1] is not a@b.c"
    assert session.rewritten(*rewrite(text, "a@b.c")) == "[EMAIL_1] is not [EMAIL_2]"
    assert session.values == {"[EMAIL_2]": "a@b.c"}


def test_a_session_goes_on_where_it_was() -> None:
    before = Placeholders()
    before.rewritten(*rewrite("a@b.c", "a@b.c"))
    after = Placeholders(before.known)
    assert after.rewritten(*rewrite("x@y.z, a@b.c", "x@y.z", "a@b.c")) == "[EMAIL_2], [EMAIL_1]"


def test_values_beyond_the_most_share_a_number_and_are_not_kept() -> None:
    known = [
        Placeholder(template=EMAIL, number=n, digest=str(n), value=None) for n in range(1, MOST + 1)
    ]
    session = Placeholders(known)
    assert session.rewritten(*rewrite("a@b.c, d@e.f", "a@b.c", "d@e.f")) == "[EMAIL_0], [EMAIL_0]"
    assert len(session.known) == MOST
    assert session.values == {}


def test_values_are_concealed_as_wholes_and_the_longest_first() -> None:
    session = Placeholders()
    session.rewritten(*rewrite("Ann and Ann Lee", "Ann and", template="[A_{number}]"))
    session.rewritten(*rewrite("Ann", "Ann", template="[P_{number}]"))
    session.rewritten(*rewrite("Ann Lee", "Ann Lee", template="[P_{number}]"))
    assert session.conceal("Ann Lee met Anna, and Ann went.") == "[P_2] met Anna, and [P_1] went."
    assert Placeholders().conceal("Ann") == "Ann"


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_what_is_given_back_is_what_was_written(values: list[str]) -> None:
    session = Placeholders()
    for value in values:
        whole = Span(start=0, end=len(value))
        redaction = Redaction(span=whole, replacement=EMAIL, restore=True)
        made = session.rewritten(value, Rewrite(basis=BASIS, redactions=(redaction,)))
        assert made in session.values
    assert len(set(session.values)) == len(session.known)


CLAUSES = [
    clause(
        "gives-back",
        """
hazards: [personal_data]
labels: [EMAIL, PHONE]
subjects: [user_input]
thresholds: {general: 0.5}
decision: rewrite
replacement: numbered
restore: true
""",
    ),
    clause(
        "takes-out",
        """
hazards: [personal_data, secrets]
subjects: [user_input]
thresholds: {general: 0.9}
decision: rewrite
replacement: removed
""",
    ),
    clause(
        "marks",
        """
hazards: [ungrounded_claim]
subjects: [user_input]
thresholds: {general: 0.5}
decision: rewrite
replacement: marked
""",
    ),
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    files = Files(CLAUSES, used=[Hazard.PERSONAL_DATA, Hazard.SECRETS, Hazard.UNGROUNDED_CLAIM])
    for name in ("en.yaml", "zh.yaml"):
        files.other[name] += 'numbered: "[{label}_{number}]"\nmarked: "{text} [{label}]"\n'
    return files.load(tmp_path_factory.mktemp("policy"))


def redactions(policy: Policy, *findings: Finding) -> list[tuple[int, int, str, bool]]:
    decision = decide(policy, verdict(*findings), "x" * 40)
    if not isinstance(decision, Rewrite):
        return []
    return [(r.span.start, r.span.end, r.replacement, r.restore) for r in decision.redactions]


def pii(probability: float, start: int, end: int, label: str = "") -> Finding:
    return found(Hazard.PERSONAL_DATA, probability, span=(start, end), label=label)


def test_a_clause_speaks_of_its_labels_only(policy: Policy) -> None:
    assert redactions(policy, pii(0.6, 0, 5, "EMAIL"), pii(0.6, 8, 9, "PERSON")) == [
        (0, 5, "[EMAIL_{number}]", True)
    ]
    assert redactions(policy, pii(0.6, 0, 5)) == []


def test_every_clause_replaces_in_its_own_words(policy: Policy) -> None:
    said = redactions(policy, pii(0.6, 0, 5, "PHONE"), pii(0.95, 8, 9, "PERSON"))
    assert said == [(0, 5, "[PHONE_{number}]", True), (8, 9, "[removed]", False)]


def test_values_that_touch_are_still_two(policy: Policy) -> None:
    said = redactions(policy, pii(0.6, 0, 5, "EMAIL"), pii(0.6, 5, 9, "EMAIL"))
    assert [(start, end) for start, end, *_ in said] == [(0, 5), (5, 9)]


def test_what_overlaps_is_given_back_only_if_both_may_be(policy: Policy) -> None:
    secret = found(Hazard.SECRETS, 0.95, span=(3, 9))
    assert redactions(policy, pii(0.6, 0, 5, "EMAIL"), secret) == [
        (0, 9, "[EMAIL_{number}]", False)
    ]


def unsupported(start: int, end: int) -> Finding:
    return found(Hazard.UNGROUNDED_CLAIM, 0.9, span=(start, end), label="UNSUPPORTED")


def test_what_is_marked_stays(policy: Policy) -> None:
    text = "So it is. Or is it?"
    decision = decide(policy, verdict(unsupported(0, 9)), text)
    assert isinstance(decision, Rewrite)
    assert Placeholders().rewritten(text, decision) == "So it is. [UNSUPPORTED] Or is it?"


@pytest.mark.parametrize("span", [(2, 5), (0, 9), (5, 12), (0, 12)])
def test_what_one_clause_takes_out_no_mark_shows(policy: Policy, span: tuple[int, int]) -> None:
    secret = found(Hazard.SECRETS, 0.95, span=span)
    said = redactions(policy, unsupported(0, 9), secret)
    assert said == [(0, max(9, span[1]), "[removed]", False)]


def test_marks_that_touch_are_still_two(policy: Policy) -> None:
    assert len(redactions(policy, unsupported(0, 4), unsupported(4, 9))) == 2
