"""Every guard model's adapter against a real server: its requests, its reading, its failures."""

import asyncio
import json
from typing import Any

import jsonschema
import pytest

from guards.conversation import BY_MODEL, BY_TOOL, Exchange, Role, Subject, text_message
from guards.models.granite_guardian import GraniteGuardian
from guards.models.granite_risks import RISKS
from guards.models.sequence_classifier import SequenceClassifier
from guards.models.served_guard import ServedGuard
from guards.panel import Panel, PanelVerdict, Seat
from guards.upstream import Upstream
from guards.verdict import Failure, Verdict
from tests.guards.models.adapters import ADAPTERS, POLICY, Adapter
from tests.live.conftest import MODEL
from tests.live.held import Held

DEADLINE = 300.0

QUESTION = text_message("How do I bake bread?", id="1")
FOUND = text_message("Bread is baked at 220 degrees.", id="2", role=Role.TOOL, provenance=BY_TOOL)
ANSWER = text_message("At 220 degrees.", id="3", role=Role.ASSISTANT, provenance=BY_MODEL)
INPUT = Exchange(subject=Subject.USER_INPUT, message=QUESTION)
REPLY = Exchange(subject=Subject.REPLY, message=ANSWER, context=(QUESTION, FOUND))

BY_NAME = {adapter.name: adapter for adapter in ADAPTERS}
FORMS = {
    "llama_guard": ("safe", "unsafe\nS1"),
    "qwen_guard": (
        "Safety: Safe\nCategories: None",
        "Safety: Controversial\nCategories: PII",
        "Safety: Unsafe\nCategories: Violent, Jailbreak",
    ),
    "shield_gemma": ("Yes", "No"),
    "granite_guardian": (
        "<think>\n</think>\n<score> yes </score>",
        "<think>\n</think>\n<score> no </score>",
    ),
}


def guard(adapter: Adapter, upstream: Upstream, **options: Any) -> ServedGuard:
    clock = asyncio.get_running_loop().time
    return adapter(upstream, clock=clock, model=MODEL, timeout=DEADLINE, **options)


async def judged(guard: ServedGuard, exchange: Exchange) -> PanelVerdict:
    seat = Seat(guard=guard, subjects=frozenset({exchange.subject}), deadline=DEADLINE)
    return await Panel([seat]).judge(exchange)


@pytest.mark.parametrize("name", FORMS)
async def test_a_model_that_is_no_guard_allows_nothing(name: str, upstream: Upstream) -> None:
    verdict = await judged(guard(BY_NAME[name], upstream), INPUT)
    assert not verdict.complete
    assert [unscanned.reason for unscanned in verdict.unscanned] == [Failure.NONSENSE]


@pytest.mark.parametrize("name", FORMS)
async def test_a_verdict_has_the_probability_of_its_token(name: str, upstream: Upstream) -> None:
    held = Held(upstream, *FORMS[name])
    verdict = await guard(BY_NAME[name], held).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert not verdict.revision.endswith("/text-only")
    assert verdict.score is not None
    assert 0.0 < verdict.score < 1.0
    assert all(f.probability <= verdict.score for f in verdict.findings)


@pytest.mark.parametrize(("name", "safe"), [(name, FORMS[name][0]) for name in list(FORMS)[:2]])
async def test_a_safe_answer_names_its_categories_when_asked(
    name: str, safe: str, upstream: Upstream
) -> None:
    held = Held(upstream, safe)
    verdict = await guard(BY_NAME[name], held, name_above=0.0).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert len(held.asked) == 2
    assert verdict.findings
    assert {finding.probability for finding in verdict.findings} == {verdict.score}


@pytest.mark.parametrize("exchange", [INPUT, REPLY], ids=["input", "reply"])
async def test_a_decision_is_the_json_of_its_schema(exchange: Exchange, upstream: Upstream) -> None:
    answers: list[Any] = []

    class Overheard(Held):
        async def post_json(self, path: str, body: object, *, timeout: float) -> Any:
            answers.append(await upstream.post_json(path, body, timeout=timeout))
            return answers[-1]

    guarding = guard(BY_NAME["gpt_oss_safeguard"], Overheard(upstream), max_tokens=1024)
    verdict = await judged(guarding, exchange)
    (answer,) = answers
    said = answer["choices"][0]["message"]["content"]
    jsonschema.validate(json.loads(said), POLICY.schema())
    # So small a model contradicts itself now and then, which is no verdict.
    if not verdict.complete:
        assert [unscanned.reason for unscanned in verdict.unscanned] == [Failure.NONSENSE]
    else:
        (judgement,) = verdict.judgements
        assert not judgement.revision.endswith("/text-only")


@pytest.mark.parametrize("generation", ["3.0", "3.3", "4.1"])
async def test_documents_reach_the_template(generation: str, upstream: Upstream) -> None:
    forms = ("Yes", "No") if generation == "3.0" else FORMS["granite_guardian"]
    held = Held(upstream, *forms)
    adapter = BY_NAME["granite_guardian"]
    assert adapter.make is GraniteGuardian
    risks = [RISKS["groundedness"], RISKS["answer_relevance"]]
    verdict = await guard(adapter, held, generation=generation, risks=risks).judge(REPLY)
    assert isinstance(verdict, Verdict)
    assert len(held.asked) == 2
    assert len(verdict.findings) == 2


async def test_a_model_that_cannot_classify_says_so(upstream: Upstream) -> None:
    adapter = BY_NAME["sequence_classifier"]
    assert adapter.make is SequenceClassifier
    verdict = await judged(guard(adapter, upstream), INPUT)
    assert [unscanned.reason for unscanned in verdict.unscanned] == [Failure.ERROR]


async def test_more_than_the_window_is_too_long_for_every_model(upstream: Upstream) -> None:
    long = Exchange(
        subject=Subject.USER_INPUT, message=text_message("1 2 3 4 5 6 7 " * 400, id="1")
    )
    for name in FORMS:
        verdict = await judged(guard(BY_NAME[name], upstream), long)
        assert [unscanned.reason for unscanned in verdict.unscanned] == [Failure.TOO_LONG], name
