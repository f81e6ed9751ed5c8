"""Which sentences of a reply are borne out by what it rests on."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    BY_USER,
    Exchange,
    Message,
    Role,
    Subject,
    text_message,
)
from guards.grounding.claims import claims
from guards.grounding.evidence import FEATURES
from guards.grounding.fit import BORNE_OUT, fitted, report, rows
from guards.grounding.guard import MAX_REPLY, GroundingGuard, load_weights
from guards.hazards import Hazard
from guards.panel import Seat
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

BRIDGE = (
    "The Halden footbridge was opened on 14 May 2019. It is 182 metres long. "
    "Cycling on the bridge is allowed, but horses are not."
)
POOL = "The Marlow pool opens daily from 7 to 21. A ticket costs 5.50 for adults."


def tool(text: str) -> Message:
    return text_message(text, id="t", role=Role.TOOL, provenance=BY_TOOL)


def reply(
    text: str, *sources: str, subject: Subject = Subject.REPLY, asked: str = "Tell me."
) -> Exchange:
    message = text_message(text, id="r", role=Role.ASSISTANT, provenance=BY_MODEL)
    question = text_message(asked, id="u", provenance=BY_USER)
    return Exchange(subject=subject, message=message, context=(question, *map(tool, sources)))


async def faults(exchange: Exchange, guard: GroundingGuard | None = None) -> list[tuple[str, str]]:
    """Label and text of every sentence more likely than not at fault."""
    verdict = await (guard or GroundingGuard()).judge(exchange)
    assert isinstance(verdict, Verdict)
    found = []
    for finding in verdict.findings:
        assert finding.hazard is Hazard.UNGROUNDED_CLAIM
        assert finding.span is not None
        if finding.probability >= 0.5:
            text = exchange.text[finding.span.start : finding.span.end]
            found.append((str(finding.label), text))
    return found


async def test_each_sentence_is_checked_by_itself() -> None:
    text = (
        "Hello! The footbridge was opened on 14 May 2019. It is 281 metres long. "
        "An architect from Norway won three prizes for its lamps. Shall I go on?"
    )
    assert await faults(reply(text, BRIDGE)) == [
        ("CONTRADICTED", "It is 281 metres long."),
        ("UNSUPPORTED", "An architect from Norway won three prizes for its lamps."),
    ]


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("Cycling on the bridge is not allowed.", "CONTRADICTED"),
        ("It is 182 metres long [2].", "BAD_CITATION"),
        ("It is 182 metres long [7].", "BAD_CITATION"),
        ("It is 182 metres long 【3】.", "BAD_CITATION"),
        ("A ticket costs 5.50 for adults [1-3].", "BAD_CITATION"),
        ("A ticket costs 8.50 for adults [2].", "CONTRADICTED"),
    ],
)
async def test_faults_have_names(sentence: str, label: str) -> None:
    assert await faults(reply(sentence, BRIDGE, POOL)) == [(label, sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "It is 182 metres long [1].",
        "It is 182 metres long.[1] A ticket costs 5.50 for adults.[2]",
        "- It is **182 metres** long [1]",
        "On 2019-05-14 the Halden footbridge was opened.",
        "A ticket costs 5.5 for adults [2].",
        "You live in Tromsø and want to swim.",
    ],
)
async def test_what_is_borne_out_is_left_alone(sentence: str) -> None:
    asked = "I live in Tromsø and want to swim."
    assert await faults(reply(sentence, BRIDGE, POOL, asked=asked)) == []


async def test_entries_that_a_result_numbers_itself_are_the_sources() -> None:
    results = f"[1] {BRIDGE}\n[2] {POOL}"
    assert await faults(reply("It is 182 metres long [1].", results)) == []
    wrong = "It is 182 metres long [2]."
    assert await faults(reply(wrong, results)) == [("BAD_CITATION", wrong)]


async def test_citations_without_any_source_are_made_up() -> None:
    text = "Water boils at 100 degrees [1]. According to https://a.example/x it is wet."
    assert await faults(reply(text)) == [
        ("NO_SOURCE", "Water boils at 100 degrees [1]."),
        ("NO_SOURCE", "According to https://a.example/x it is wet."),
    ]
    assert await faults(reply("Water boils at 100 degrees. It is wet.")) == []


def test_code_headings_questions_and_courtesies_claim_nothing() -> None:
    text = (
        "# All about bridges in Halden\nHello there, my friend!\n"
        "```python\nprint('an invented thing of 99 metres')\n```\n"
        "What would you like to know?\nI could not find the price.\n希望对您有帮助。\n"
        "Here are the facts you asked for:\nDr. Ito built it in 1999."
    )
    assert [claim.text for claim in claims(text)] == ["Dr. Ito built it in 1999."]


async def test_a_growing_reply_is_checked_by_finished_sentences_and_holds_the_last() -> None:
    text = "It is 281 metres long. Cycling on the bri"
    verdict = await GroundingGuard().judge(reply(text, BRIDGE, subject=Subject.REPLY_SO_FAR))
    assert isinstance(verdict, Verdict)
    (finding,) = verdict.findings
    assert finding.span is not None
    assert text[finding.span.start : finding.span.end] == "It is 281 metres long."
    assert verdict.hold == text.index("Cycling")
    free = await GroundingGuard().judge(reply(text, subject=Subject.REPLY_SO_FAR))
    assert isinstance(free, Verdict)
    assert (free.findings, free.hold) == ((), None)


class Second:
    """A scripted guard of groundedness."""

    name = "second"
    revision = "second-1"
    hazards = frozenset({Hazard.UNGROUNDED_CLAIM})
    subjects = frozenset({Subject.REPLY})

    def __init__(self, probability: float | None) -> None:
        self.probability = probability
        self.asked: list[Exchange] = []

    async def judge(self, exchange: Exchange) -> Judgement:
        self.asked.append(exchange)
        if self.probability is None:
            raise TimeoutError
        finding = Finding(hazard=Hazard.UNGROUNDED_CLAIM, probability=self.probability)
        return Verdict(guard="second", revision="1", findings=(finding,), elapsed=0.0)


DOUBTFUL = "You may ride a bike across, though a horse is not permitted."


@pytest.mark.parametrize(("probability", "count"), [(0.02, 0), (0.95, 1)])
async def test_doubtful_sentences_are_put_to_the_second_guard(
    probability: float, count: int
) -> None:
    second = Second(probability)
    guard = GroundingGuard(second=Seat(guard=second, subjects=second.subjects), band=(0.2, 0.99))
    text = f"It is 182 metres long. {DOUBTFUL}"
    assert len(await faults(reply(text, BRIDGE), guard)) == count
    (asked,) = second.asked
    assert asked.text == DOUBTFUL
    assert [message.text for message in asked.context] == [BRIDGE]


async def test_without_the_second_guards_word_there_is_no_verdict() -> None:
    second = Second(None)
    guard = GroundingGuard(second=Seat(guard=second, subjects=second.subjects), band=(0.2, 0.99))
    judgement = await guard.judge(reply(DOUBTFUL, BRIDGE))
    assert isinstance(judgement, Unscanned)
    assert (judgement.guard, judgement.reason) == ("grounding", Failure.TIMEOUT)


async def test_too_long_is_not_judged_and_other_subjects_are_refused() -> None:
    judgement = await GroundingGuard().judge(reply("a" * (MAX_REPLY + 1), BRIDGE))
    assert isinstance(judgement, Unscanned)
    assert judgement.reason is Failure.TOO_LONG
    with pytest.raises(ValueError, match="does not judge"):
        await GroundingGuard().judge(reply("x", BRIDGE, subject=Subject.USER_INPUT))


def test_what_cannot_be_made_says_why() -> None:
    with pytest.raises(ValueError, match="weights must be"):
        GroundingGuard(weights=[1.0])
    with pytest.raises(ValueError, match="band"):
        GroundingGuard(band=(0.9, 0.1))
    second = Second(0.5)
    second.hazards = frozenset({Hazard.HATE})  # type: ignore[misc] # a scripted guard
    with pytest.raises(ValueError, match="does not judge whether a reply is grounded"):
        GroundingGuard(second=Seat(guard=second, subjects=second.subjects))


def test_the_shipped_weights_are_those_the_rows_give() -> None:
    assert len(load_weights()) == len(FEATURES)
    assert fitted([row for row in rows() if row.fitted]) == pytest.approx(load_weights(), abs=0.02)


async def test_the_rows_that_were_not_fitted_on_are_told_apart_as_the_card_says() -> None:
    other = [row for row in rows() if not row.fitted]
    lines = await report(GroundingGuard(), other)
    auroc = float(lines[-1].split()[1].rstrip(","))
    assert auroc >= 0.90
    flagged = {row.kind: 0 for row in other}
    for row in other:
        flagged[row.kind] += bool(await faults(row.exchange))
    assert (flagged["supported"], flagged["harmless"]) == (0, 0)
    assert flagged["invented"] == sum(row.kind == "invented" for row in other)
    assert {"supported", "paraphrased"} == BORNE_OUT


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["[1]", "[99]", "【1】", "```", ". ", "。", "\n", "12", "\ud800", "no ", "«", "|"]
            ),
            st.text(max_size=30),
        ),
        max_size=20,
    ).map("".join),
    st.text(max_size=200),
)
def test_anything_is_judged_and_every_span_lies_in_it(text: str, source: str) -> None:
    async def check() -> None:
        for subject in (Subject.REPLY, Subject.REPLY_SO_FAR):
            verdict = await GroundingGuard().judge(reply(text, source, subject=subject))
            assert isinstance(verdict, Verdict)
            for finding in verdict.findings:
                assert finding.span is not None
                assert 0 <= finding.span.start < finding.span.end <= len(text)

    asyncio.run(check())


@pytest.mark.parametrize("piece", ["a", ".", " ", "[1]", "字", "1", "no ", "\n", '"', "a. "])
def test_time_grows_with_the_length_only(piece: str) -> None:
    def seconds(size: int) -> float:
        exchange = reply(piece * (size // len(piece)), BRIDGE + piece * (size // len(piece)))
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            asyncio.run(GroundingGuard().judge(exchange))
            best = min(best, time.process_time() - start)
        return best

    assert seconds(80_000) < 48 * max(seconds(10_000), 0.04)
