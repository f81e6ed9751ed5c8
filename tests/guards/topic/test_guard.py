"""Keeping to topics, with what ships and nothing else."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.conversation import Exchange, Subject, text_message
from guards.embedded.normalise import MAX_CHARS
from guards.hazards import Hazard
from guards.panel import Panel, Seat
from guards.topic.choice import EmbedderName, choose
from guards.topic.guard import TopicGuard
from guards.topic.measure import Scenario, scenarios
from guards.topic.topics import Mode, Topic
from guards.verdict import Failure, Unscanned, Verdict

SCENARIOS = {scenario.name: scenario for scenario in scenarios()}


@cache
def guard_of(name: str = "bank") -> TopicGuard:
    return TopicGuard(SCENARIOS[name].topics, *choose(EmbedderName.NGRAMS))


def asking(text: str, *before: str, subject: Subject = Subject.USER_INPUT) -> Exchange:
    context = tuple(text_message(said, id=str(place)) for place, said in enumerate(before))
    return Exchange(subject=subject, message=text_message(text, id="asked"), context=context)


async def found(text: str, *before: str, guard: TopicGuard | None = None) -> dict[str, float]:
    verdict = await (guard or guard_of()).judge(asking(text, *before))
    assert isinstance(verdict, Verdict)
    assert {finding.hazard for finding in verdict.findings} <= {Hazard.OFF_TOPIC}
    return {str(finding.custom): finding.probability for finding in verdict.findings}


@pytest.mark.parametrize(
    "text",
    [
        "How can I block my stolen card?",
        "What fee do you charge for a transfer abroad?",
        "hello",
        "thank you very much",
        "who are you",
        "Wie richte ich einen Dauerauftrag für die Miete ein?",
        "银行卡丢了要怎么挂失",
    ],
)
async def test_what_the_assistant_is_for(text: str) -> None:
    seen = await found(text)
    assert seen["banking"] < 0.5
    assert seen["investment_advice"] < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Give me a recipe for a chocolate cake with cherries",
        "Write a poem about autumn and the sea",
        "Who won the football world championship?",
        "写一首关于春天的诗",
    ],
)
async def test_what_it_is_not_for(text: str) -> None:
    assert (await found(text))["banking"] > 0.5


async def test_what_it_stays_away_from_is_named() -> None:
    seen = await found("Which shares should I buy now?")
    assert seen["investment_advice"] > 0.5
    assert (await found("How do I open a securities account?"))["investment_advice"] < 0.5


async def test_what_leans_on_the_turn_before_is_judged_with_it() -> None:
    before = "How much does a bank transfer to the US cost?"
    alone, joined = await found("and to Canada?"), await found("and to Canada?", before)
    assert joined["banking"] < 0.5
    assert joined["banking"] <= alone["banking"]


async def test_a_request_of_its_own_is_not_excused_by_the_turn_before() -> None:
    before = "How much does a bank transfer to the US cost?"
    text = "Give me a recipe for a chocolate cake with cherries"
    assert await found(text, before) == await found(text)


async def test_a_topic_to_avoid_is_found_across_two_turns() -> None:
    alone = await found("and what about bitcoin?")
    joined = await found("and what about bitcoin?", "I want to put my savings into something")
    assert joined["investment_advice"] >= alone["investment_advice"]


async def test_a_topic_to_avoid_is_found_inside_a_longer_text() -> None:
    filler = "Thank you for the friendly call about my new account last week. " * 12
    text = filler + "Which shares should I buy now, and which fund? " + filler
    assert (await found(text))["investment_advice"] > 0.5


async def test_the_nearest_allowed_topic_gives_the_finding_its_name() -> None:
    cooking = Topic(
        name="cooking",
        mode=Mode.ONLY,
        allow=("How do I boil potatoes?", "A recipe for tomato soup", "How long does rice cook?"),
        deny=(),
    )
    both = TopicGuard([*SCENARIOS["bank"].topics, cooking], *choose(EmbedderName.NGRAMS))
    assert "cooking" in await found("How long do potatoes boil?", guard=both)
    assert "banking" in await found("How do I block my card?", guard=both)


async def test_a_message_without_words_has_nothing_to_be_off() -> None:
    assert await found(" \n ") == {}


async def test_too_long_a_text_is_not_judged() -> None:
    judgement = await guard_of().judge(asking("a" * (MAX_CHARS + 1)))
    assert isinstance(judgement, Unscanned)
    assert judgement.reason is Failure.TOO_LONG


async def test_only_what_people_ask_is_judged() -> None:
    with pytest.raises(ValueError, match="does not judge reply"):
        await guard_of().judge(asking("hello", subject=Subject.REPLY))


def test_examples_and_background_are_part_of_the_revision() -> None:
    scenario: Scenario = SCENARIOS["bank"]
    fewer = [
        Topic(name=t.name, mode=t.mode, allow=t.allow[:-1], deny=t.deny) for t in scenario.topics
    ]
    embedder, background = choose(EmbedderName.NGRAMS)
    assert TopicGuard(fewer, embedder, background).revision != guard_of().revision
    assert TopicGuard(scenario.topics, embedder, background).revision == guard_of().revision


def test_topics_that_cannot_work_are_refused() -> None:
    embedder, background = choose(EmbedderName.NGRAMS)
    with pytest.raises(ValueError, match="names no topics"):
        TopicGuard([], embedder, background)
    topic = SCENARIOS["bank"].topics[0]
    with pytest.raises(ValueError, match="name of its own"):
        TopicGuard([topic, topic], embedder, background)
    with pytest.raises(ValueError, match="deny must hold examples"):
        Topic(name="a", mode=Mode.AVOID, allow=("x",), deny=())


PANEL = Panel([Seat(guard=guard_of(), subjects=guard_of().subjects, deadline=60.0)])


@given(st.text(max_size=400), st.text(max_size=40))
@settings(max_examples=60, deadline=None)
async def test_any_text_gets_a_verdict(text: str, before: str) -> None:
    verdict = await PANEL.judge(asking(text, before))
    assert verdict.complete


@pytest.mark.parametrize(
    "text", ["\ud800 card", "\0" * 50, "a" * 100_000, "银" * 5_000, "🙂" * 500]
)
async def test_odd_texts_get_a_verdict(text: str) -> None:
    assert (await PANEL.judge(asking(text))).complete
