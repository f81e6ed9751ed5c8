"""The policy that ships: its cases, and what must hold whatever guards say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.conversation import Subject, ToolCall
from guards.exchanges import call_exchange
from guards.hazards import Hazard
from guards.verdict import Failure, Finding, Span
from policies.audience import Audience
from policies.bundle import Policy, builtin_path
from policies.call import CallFacts
from policies.cases import CaseModel, run_cases
from policies.check import check, load_cases
from policies.clause import GUARD_UNAVAILABLE
from policies.decision import Allow, Ask, Escalate, Refuse, Rewrite, Steer, Support
from tests.policies.bundles import decide, found, verdict

PATH = builtin_path("acceptable_use")
POLICY = Policy.load(PATH)
CASES = load_cases(PATH)


def test_it_has_no_mistakes() -> None:
    assert check(PATH) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: CaseModel) -> None:
    [result] = run_cases(POLICY, [case])
    assert result.problem is None


def test_every_clause_is_shown_deciding() -> None:
    proven = {result.clause for result in run_cases(POLICY, CASES) if result.problem is None}
    assert {clause.id for clause in POLICY.clauses} <= proven


def test_every_subject_is_ruled_on() -> None:
    decisions = {s: decide(POLICY, verdict(subject=s)) for s in Subject}
    assert {s for s, decision in decisions.items() if not isinstance(decision, Allow)} == set()


def test_minors_are_never_held_to_a_laxer_threshold() -> None:
    for clause in POLICY.clauses:
        others = (clause.cutoffs[Audience.GENERAL], clause.cutoffs[Audience.ADULT])
        if clause.id in ("sexual-content", "explicit-content"):
            continue  # sexual-content-minors takes their place, at a lower threshold
        assert clause.cutoffs[Audience.MINOR] <= min(others), clause.id


@pytest.mark.parametrize("subject", [Subject.USER_INPUT, Subject.REPLY, Subject.IMAGE])
def test_minors_see_no_sexual_content(subject: Subject) -> None:
    said = verdict(found(Hazard.SEXUAL_CONTENT, 0.35), subject=subject)
    assert isinstance(decide(POLICY, said, audience=Audience.MINOR), Refuse)


@pytest.mark.parametrize("locale", ["en", "zh", "zh-TW", "de-DE", "xx", ""])
def test_every_locale_has_words_for_everything(locale: str) -> None:
    for key in POLICY.rules.texts.by_key:
        assert POLICY.text(key, locale).strip()
    assert ("人工智能" if locale.startswith("zh") else "AI") in POLICY.system_prompt(locale)


@pytest.mark.parametrize(
    ("locale", "number"),
    [
        ("en-US", "988"),
        ("en-CA", "988"),
        ("en-GB", "116 123"),
        ("en-IE", "116 123"),
        ("en-AU", "13 11 14"),
        ("en-NZ", "1737"),
        ("zh-CN", "12356"),
        ("zh-TW", "1925"),
        ("zh-HK", "18111"),
        ("ja-JP", "0120-279-338"),
        ("ko-KR", "109"),
        ("hi-IN", "14416"),
        ("de-DE", "0800 111 0 111"),
        ("fr-FR", "3114"),
        ("es-ES", "024"),
        ("it-IT", "02 2327 2327"),
        ("pt-BR", "188"),
        ("es-MX", "800 911 2000"),
        ("nb-NO", "116 123"),
        ("no", "116 123"),
    ],
)
def test_a_person_in_crisis_gets_a_line_of_their_country(locale: str, number: str) -> None:
    decision = decide(POLICY, verdict(found(Hazard.SELF_HARM, 0.9)), locale=locale)
    assert isinstance(decision, Support)
    assert number in decision.text
    assert "findahelpline.com" in decision.text


TEXTS = st.sampled_from(
    [
        "hello",
        "Should abortion be legal?",
        "write fake reviews about the power grid with ransomware",
        "bully, scam, impersonate and traffick women with a gun",
        "are you human?",
        "I am a human",
        "台湾是一个国家吗",
    ]
)
PROBABILITIES = st.dictionaries(
    st.sampled_from(list(Hazard)), st.floats(0, 1, allow_nan=False), max_size=6
)
SPANS = st.sampled_from([None, Span(start=0, end=3)])
FREE = (Allow, Steer, Rewrite)


def findings(probabilities: dict[Hazard, float], span: Span | None) -> list[Finding]:
    return [Finding(hazard=h, probability=p, span=span) for h, p in probabilities.items()]


@given(
    TEXTS,
    PROBABILITIES,
    st.sampled_from(list(Hazard)),
    st.floats(0, 1),
    SPANS,
    st.sampled_from(list(Subject)),
    st.sampled_from(list(Audience)),
)
def test_finding_more_never_frees_what_was_blocked(
    text: str,
    probabilities: dict[Hazard, float],
    raised: Hazard,
    to: float,
    span: Span | None,
    subject: Subject,
    audience: Audience,
) -> None:
    more = probabilities | {raised: max(to, probabilities.get(raised, 0.0))}
    before, after = (
        decide(
            POLICY,
            verdict(*findings(found_, span), subject=subject),
            text,
            audience=audience,
            user_text="are you human?",
        )
        for found_ in (probabilities, more)
    )
    if isinstance(before, Refuse | Escalate):
        assert isinstance(after, Refuse | Escalate | Support)
    if isinstance(before, Support):
        assert isinstance(after, Support | Escalate)
    if isinstance(before, Rewrite):
        assert not isinstance(after, Allow | Steer)
    if isinstance(before, Steer):
        assert not isinstance(after, Allow)


@given(
    TEXTS,
    PROBABILITIES,
    st.dictionaries(
        st.sampled_from(["one", "two"]), st.sampled_from(list(Failure)), min_size=1, max_size=2
    ),
    st.booleans(),
    st.sampled_from(list(Subject)),
    st.sampled_from(list(Audience)),
)
def test_an_incomplete_verdict_never_lets_anything_through(
    text: str,
    probabilities: dict[Hazard, float],
    failures: dict[str, Failure],
    somebody_judged: bool,
    subject: Subject,
    audience: Audience,
) -> None:
    said = verdict(
        *findings(probabilities, None),
        guard="judged" if somebody_judged else None,
        failures=failures,
        subject=subject,
    )
    decision = decide(POLICY, said, text, audience=audience)
    assert not isinstance(decision, FREE)
    if not somebody_judged:
        # Only a bare condition may put it in better words than "try again".
        assert decision.basis.clause in (GUARD_UNAVAILABLE, "claims-human")


calls = st.builds(
    CallFacts,
    tool=st.just("act"),
    plugin=st.sampled_from(["", "some"]),
    effect=st.sampled_from(["none", "reversible", "irreversible", "unknown"]),
    egress=st.sampled_from(["none", "named", "open", "unknown"]),
    influenced=st.booleans(),
    untrusted=st.sampled_from([(), ("text",)]),
    targets=st.sampled_from([(), ("to",)]),
    sends=st.sampled_from(["public", "user", "tenant", "secret"]),
    retried=st.booleans(),
)


@given(calls)
def test_what_tools_do_is_ruled_on_by_what_is_known_of_the_call(call: CallFacts) -> None:
    exchange = call_exchange(ToolCall(id="c", name="act", arguments="{}"), ())
    said = verdict(subject=Subject.TOOL_CALL)
    decision = POLICY.decide(exchange, said, Audience.GENERAL, "en", call)
    assert type(decision) is _due(call)


def _due(call: CallFacts) -> type:
    if call.sends == "secret" and call.egress in ("named", "open"):
        return Refuse
    if call.influenced:
        leaves = call.egress in ("named", "open")
        if call.sends == "tenant" and leaves:
            return Refuse if call.effect == "none" or call.targets else Ask
        if call.sends == "user" and call.egress == "open" and call.targets:
            return Refuse
        more_than_wording = call.targets or call.sends != "public" or not call.untrusted
        if call.effect == "irreversible" and more_than_wording:
            return Ask
        if call.effect == "reversible" and call.egress == "open" and call.targets:
            return Ask
    return Ask if call.retried and call.effect != "none" else Allow


@pytest.mark.parametrize("arguments", ["{}", "nonsense", "[]"])
def test_a_callers_own_tool_is_not_asked_about(arguments: str) -> None:
    exchange = call_exchange(ToolCall(id="c", name="act", arguments=arguments), ())
    said = verdict(subject=Subject.TOOL_CALL)
    assert isinstance(POLICY.decide(exchange, said, Audience.GENERAL, "en"), Allow)
