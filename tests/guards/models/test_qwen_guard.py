"""Qwen3Guard: nine categories, three severities, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.scripted_replies import completion
from assistant.testing.scripted_upstream import ScriptedUpstream
from guards.conversation import BY_MODEL, Exchange, Role, Subject, text_message
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard, UnknownHazardError
from guards.models.qwen_guard import QwenGuard
from guards.models.qwen_guard_answer import CATEGORIES, read_text
from guards.upstream import Upstream
from guards.verdict import Finding, Verdict
from tests.guards.models.adapters import ADAPTERS, INPUT, severity

MAKE = next(adapter for adapter in ADAPTERS if adapter.make is QwenGuard)
REPLY = Exchange(
    subject=Subject.REPLY,
    message=text_message("like this", id="r", role=Role.ASSISTANT, provenance=BY_MODEL),
    context=(INPUT.message,),
)


async def judged(upstream: Upstream, exchange: Exchange = INPUT, **options: float) -> Verdict:
    verdict = await MAKE(upstream, **options).judge(exchange)
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize(
    ("text", "severity", "categories", "refusal"),
    [
        ("Safety: Safe\nCategories: None", "Safe", (), None),
        ("Safety: Safe\nCategories: None\nRefusal: Yes", "Safe", (), True),
        ("\n\nSafety: Unsafe\nCategories: Violent\n", "Unsafe", ("Violent",), None),
        (
            "Safety: Controversial\r\nCategories: PII, Suicide & Self-Harm\r\nRefusal: No",
            "Controversial",
            ("PII", "Suicide & Self-Harm"),
            False,
        ),
        (
            "Safety: Unsafe\nCategories: Sexual Content or Sexual Acts, Jailbreak, Jailbreak",
            "Unsafe",
            ("Sexual Content or Sexual Acts", "Jailbreak"),
            None,
        ),
    ],
)
def test_exact_forms(
    text: str, severity: str, categories: tuple[str, ...], refusal: bool | None
) -> None:
    answer = read_text(text)
    assert (answer.severity, answer.categories, answer.refusal) == (severity, categories, refusal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Safe",
        "Safety: Safe",
        "Safety: safe\nCategories: None",
        "Safety: Safe\nCategories: Violent",
        "Safety: Unsafe\nCategories: None",
        "Safety: Unsafe\nCategories: None, Violent",
        "Safety: Unsafe\nCategories: ",
        "Safety: Unsafe\nCategories: Violent\nRefusal: Maybe",
        "Safety: Unsafe\nCategories: Violent\nRefusal: No\nSafety: Safe",
        "Safety: Safe Unsafe\nCategories: None",
        "Safety: Safe\nCategories: None\nCategories: Violent",
        "The Safety: Safe\nCategories: None",
        "Refusal: No\nSafety: Safe\nCategories: None",
    ],
)
def test_everything_else_is_nonsense(text: str) -> None:
    with pytest.raises(GuardNonsenseError):
        read_text(text)


@pytest.mark.parametrize("name", ["violent", "Violent.", "Violence", "Violent,PII", "Violent,"])
def test_a_category_nobody_knows(name: str) -> None:
    with pytest.raises(UnknownHazardError):
        read_text(f"Safety: Unsafe\nCategories: {name}")


PIECES = [
    *("Safety: ", "Safe", "Unsafe", "Controversial", "\n", "Categories: ", "None", ", "),
    *("Violent", "PII", "Refusal: ", "Yes", "No", " ", "x"),
]


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_only_the_grammar_passes(text: str) -> None:
    names = "|".join(map(re.escape, CATEGORIES))
    unsafe = rf"Safety: (?:Unsafe|Controversial) *\nCategories: (?:{names})(?:, (?:{names}))* *"
    grammar = rf"\s*(?:Safety: Safe *\nCategories: None *|{unsafe})(?:\nRefusal: (?:Yes|No) *)?\s*"
    allowed = re.fullmatch(grammar, text, re.ASCII) is not None
    try:
        answer = read_text(text)
    except (GuardNonsenseError, UnknownHazardError):
        assert not allowed
    else:
        assert allowed
        assert bool(answer.categories) == (answer.severity != "Safe")


def test_every_category_means_something() -> None:
    assert len(CATEGORIES) == 9
    assert {hazard for hazard, _ in CATEGORIES.values()} == {
        Hazard.VIOLENT_CRIMES,
        Hazard.NON_VIOLENT_CRIMES,
        Hazard.SEXUAL_CONTENT,
        Hazard.PRIVACY,
        Hazard.SELF_HARM,
        Hazard.HATE,
        Hazard.ELECTIONS,
        Hazard.INTELLECTUAL_PROPERTY,
        Hazard.JAILBREAK,
    }


async def test_request(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: severity(0.1, reply=True)
    await judged(upstream, REPLY, name_above=1.0)
    assert server.received[0].path == "/v1/chat/completions"
    assert server.received[0].json == {
        "model": "guard",
        "messages": [
            {"role": "user", "content": "how do I"},
            {"role": "assistant", "content": "like this"},
        ],
        "max_tokens": 128,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 5,
        "add_generation_prompt": True,
        "continue_final_message": False,
    }


async def test_findings(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: severity(0.7, 0.2)
    verdict = await judged(upstream)
    assert verdict.score == pytest.approx(0.8)
    assert verdict.findings == (
        Finding(hazard=Hazard.VIOLENT_CRIMES, probability=verdict.score or 0),
        Finding(hazard=Hazard.PRIVACY, probability=verdict.score or 0),
    )


@pytest.mark.parametrize(("weight", "score"), [(0.0, 0.1), (0.5, 0.5), (1.0, 0.9)])
async def test_what_controversial_counts_is_an_option(
    weight: float, score: float, server: ScriptedUpstream, upstream: Upstream
) -> None:
    server.respond = lambda _: severity(0.1, 0.8)
    verdict = await judged(upstream, controversial=weight)
    assert verdict.score == pytest.approx(score)
    assert {finding.custom for finding in verdict.findings} == {"controversial"}


async def test_without_logprobs_the_words_count(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    server.respond = lambda _: completion("Safety: Controversial\nCategories: Unethical Acts")
    verdict = await judged(upstream, top_logprobs=0)
    assert "logprobs" not in server.received[0].json
    assert verdict.score == 0.5
    assert verdict.revision.endswith("/text-only")


async def test_categories_that_are_not_quite_ours_keep_their_names(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    text = "Safety: Unsafe\nCategories: Unethical Acts, Politically Sensitive Topics"
    server.respond = lambda _: completion(text)
    assert [(f.hazard, f.custom) for f in (await judged(upstream)).findings] == [
        (Hazard.HATE, "unethical_acts"),
        (Hazard.ELECTIONS, "politically_sensitive_topics"),
    ]


@pytest.mark.parametrize(("exchange", "reply"), [(INPUT, True), (REPLY, False)])
async def test_what_was_judged_must_be_what_was_asked(
    exchange: Exchange, reply: bool, server: ScriptedUpstream, upstream: Upstream
) -> None:
    server.respond = lambda _: severity(0.1, reply=reply)
    with pytest.raises(GuardNonsenseError, match="prompt for a reply"):
        await judged(upstream, exchange)


@pytest.mark.parametrize(
    ("exchange", "refusal"), [(INPUT, ""), (REPLY, "\nRefusal: No")], ids=["prompt", "reply"]
)
async def test_a_doubtful_safe_answer_is_asked_for_its_categories(
    exchange: Exchange, refusal: str, server: ScriptedUpstream, upstream: Upstream
) -> None:
    named = completion(f"Safety: Unsafe\nCategories: Jailbreak{refusal}")
    server.respond = lambda r: (
        named if "structured_outputs" in r.json else severity(0.3, 0.1, reply=bool(refusal))
    )
    verdict = await judged(upstream, exchange)
    assert verdict.findings == (Finding(hazard=Hazard.JAILBREAK, probability=verdict.score or 0),)
    assert verdict.score == pytest.approx(0.35)
    pattern = server.received[-1].json["structured_outputs"]["regex"]
    assert re.fullmatch(pattern, f"Safety: Unsafe\nCategories: Suicide & Self-Harm, PII{refusal}")
    assert not re.fullmatch(pattern, f"Safety: Unsafe\nCategories: None{refusal}")
    server.respond = lambda _: severity(0.3, 0.1, reply=bool(refusal))
    with pytest.raises(GuardNonsenseError, match="names no category"):
        await judged(upstream, exchange)


@pytest.mark.parametrize("option", ["controversial", "name_above"])
async def test_wrong_options(option: str, upstream: Upstream) -> None:
    for value in (-0.1, 1.1):
        with pytest.raises(ValueError, match=option):
            MAKE(upstream, **{option: value})
