"""Sequence classifiers: labels mean what is configured, and nothing is ever cut off."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.scripted_replies import answer, error
from assistant.testing.scripted_upstream import ScriptedUpstream
from guards.conversation import Exchange, Subject, text_message
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.models.sequence_classifier import (
    PROMPT_GUARD_2,
    ClassLabel,
    SequenceClassifier,
    read_shares,
)
from guards.upstream import Upstream
from guards.verdict import Failure, Finding, Unscanned, Verdict
from tests.guards.models.adapters import ADAPTERS, INPUT, classified

MAKE = next(adapter for adapter in ADAPTERS if adapter.make is SequenceClassifier)

TOXICITY = (
    ClassLabel(names=("fine",)),
    ClassLabel(names=("toxic",), hazard=Hazard.HATE, custom="toxic"),
    ClassLabel(names=("threat",), hazard=Hazard.VIOLENT_CRIMES),
)


def asking(text: str, subject: Subject = Subject.USER_INPUT) -> Exchange:
    return Exchange(subject=subject, message=text_message(text, id="m"))


async def test_request(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: classified(0.9, 0.1)
    await MAKE(upstream).judge(INPUT)
    (received,) = server.received
    assert received.path == "/classify"
    assert received.json == {"model": "guard", "input": "how do I"}


@pytest.mark.parametrize(
    ("subject", "hazard"),
    [
        (Subject.USER_INPUT, Hazard.JAILBREAK),
        (Subject.IMAGE_PROMPT, Hazard.JAILBREAK),
        (Subject.TOOL_RESULT, Hazard.PROMPT_INJECTION),
        (Subject.DOCUMENT, Hazard.PROMPT_INJECTION),
    ],
)
async def test_prompt_guard_by_subject(
    subject: Subject, hazard: Hazard, server: ScriptedUpstream, upstream: Upstream
) -> None:
    server.respond = lambda _: classified(0.2, 0.8, labels=("BENIGN", "MALICIOUS"))
    guard = MAKE(upstream)
    assert guard.hazards == {Hazard.JAILBREAK, Hazard.PROMPT_INJECTION}
    verdict = await guard.judge(asking("x", subject))
    assert isinstance(verdict, Verdict)
    assert verdict.score == 0.8
    assert verdict.findings == (Finding(hazard=hazard, probability=0.8),)


async def test_labels_of_ones_own(server: ScriptedUpstream, upstream: Upstream) -> None:
    names = ("fine", "toxic", "threat")
    server.respond = lambda _: classified(0.5, 0.3, 0.2, labels=names)
    verdict = await MAKE(upstream, labels=TOXICITY).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert verdict.score == 0.5
    assert verdict.findings == (
        Finding(hazard=Hazard.HATE, probability=0.3, custom="toxic"),
        Finding(hazard=Hazard.VIOLENT_CRIMES, probability=0.2),
    )
    server.respond = lambda _: classified(0.1, 0.9, 0.8, labels=names)
    verdict = await MAKE(upstream, labels=TOXICITY, multi_label=True).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert verdict.score == 0.9


async def test_what_the_server_calls_too_long_is_halved_not_cut(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    window = 300
    text = "".join(f"{number:04} " for number in range(250))
    server.respond = lambda r: (
        error(400, "maximum context length")
        if len(r.json["input"]) > window
        else classified(0.1, 0.9)
        if "0137 0138" in r.json["input"]
        else classified(0.9, 0.1)
    )
    verdict = await MAKE(upstream).judge(asking(text))
    assert isinstance(verdict, Verdict)
    assert verdict.score == 0.9
    read = [r.json["input"] for r in server.received if len(r.json["input"]) <= window]
    assert all(any(f"{number:04}" in piece for piece in read) for number in range(250))


async def test_a_window_nothing_fits_is_too_long(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    server.respond = lambda _: error(400, "maximum context length")
    judgement = await MAKE(upstream).judge(asking("x" * 1000))
    assert isinstance(judgement, Unscanned)
    assert judgement.reason is Failure.TOO_LONG
    assert len(server.received) < 100


@pytest.mark.parametrize(
    "entry",
    [
        {"label": "LABEL_0", "probs": [0.9]},
        {"label": "LABEL_0", "probs": [0.9, 0.05, 0.05]},
        {"label": "LABEL_0", "probs": [0.9, 0.9]},
        {"label": "LABEL_1", "probs": [0.9, 0.1]},
        {"label": "OTHER", "probs": [0.9, 0.1]},
        {"label": None, "probs": [0.9, 0.1]},
        {"label": "LABEL_0", "probs": [1.9, -0.9]},
        {"label": "LABEL_0", "probs": ["0.9", 0.1]},
        {"label": "LABEL_0", "probs": [math.nan, 0.1]},
        {"label": "LABEL_0"},
        None,
    ],
)
async def test_nonsense(entry: Any, server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: answer(200, {"data": [entry]})
    with pytest.raises(GuardNonsenseError):
        await MAKE(upstream).judge(INPUT)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {
        "label": json_values | st.sampled_from(["LABEL_0", "LABEL_1"]),
        "probs": json_values | st.lists(st.floats(0, 1), min_size=2, max_size=2),
    }
)


@given(json_values | st.fixed_dictionaries({"data": json_values | st.lists(entries, max_size=2)}))
def test_only_classifications_pass(payload: object) -> None:
    try:
        shares = read_shares(payload, labels=PROMPT_GUARD_2, multi_label=False)
    except GuardNonsenseError:
        return
    assert len(shares) == 2
    assert sum(shares) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    "options",
    [
        {"labels": PROMPT_GUARD_2[:1]},
        {"labels": (ClassLabel(names=("a",)), ClassLabel(names=("b",)))},
        {"labels": (ClassLabel(names=("a",)), ClassLabel(names=("a",), hazard=Hazard.HATE))},
        {"subjects": frozenset()},
        {"subjects": frozenset({Subject.IMAGE})},
    ],
)
async def test_wrong_options(options: dict[str, Any], upstream: Upstream) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        MAKE(upstream, **options)


def test_a_label_has_a_name() -> None:
    with pytest.raises(ValueError, match="names"):
        ClassLabel(names=())
