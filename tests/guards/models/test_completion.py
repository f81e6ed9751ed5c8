"""Texts and probabilities are those of one answer, or it is nonsense."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.guard import GuardNonsenseError
from guards.models.completion import Completion, read_chat, read_first_token

WORDS = ("safe", "unsafe")


def step(text: str, **top: float) -> dict[str, Any]:
    alternatives = [{"token": t, "logprob": math.log(p)} for t, p in top.items()]
    return {"token": text, "logprob": math.log(top.get(text, 1.0)), "top_logprobs": alternatives}


def weighed(steps: list[Any], said: str, **options: Any) -> dict[str, float]:
    weights = Completion(text="", steps=steps).weigh(WORDS, said=said, **options)
    assert weights is not None
    assert sum(weights.values()) == pytest.approx(1.0)
    return weights


def test_whitespace_is_skipped_and_the_words_compared() -> None:
    steps = [step("\n\n"), step("safe", safe=0.6, unsafe=0.2, Safe=0.2)]
    assert weighed(steps, "safe")["unsafe"] == pytest.approx(0.25)


def test_capitals_count_where_they_may() -> None:
    steps = [step("Safe", Safe=0.6, unsafe=0.2, safe=0.2)]
    assert weighed(steps, "safe", fold=True)["unsafe"] == pytest.approx(0.2)
    with pytest.raises(GuardNonsenseError):
        weighed(steps, "safe")


def test_pieces_of_words_in_other_vocabularies() -> None:
    steps = [step("un", un=0.5, s=0.25, unsafe=0.25), step("safe")]
    assert weighed(steps, "unsafe")["unsafe"] == pytest.approx(0.75)


def test_unlisted_mass_counts_for_the_missing_word() -> None:
    only = [{"token": "safe", "logprob": math.log(0.7), "top_logprobs": []}]
    assert weighed(only, "safe")["unsafe"] == pytest.approx(0.3)
    assert weighed([step("unsafe", unsafe=0.8)], "unsafe")["unsafe"] == pytest.approx(0.8)


def test_three_words() -> None:
    steps = [step("S", S=0.5, C=0.3, x=0.1)]
    weights = Completion(text="", steps=steps).weigh(
        ("Safe", "Controversial", "Unsafe"), said="Safe"
    )
    assert weights == pytest.approx(
        {"Safe": 0.5 / 0.9, "Controversial": 0.3 / 0.9, "Unsafe": 0.1 / 0.9}
    )


@pytest.mark.parametrize(
    "steps",
    [
        [step("<score>"), step(" safe", **{" safe": 0.9, " unsafe": 0.1}), step("</score>")],
        [step("<sco"), step("re>safe", **{"re>safe": 0.9, "re>unsafe": 0.1, "safe": 1e-9})],
        [step("unsafe <score>"), step("<score>"), step("\n"), step("safe", safe=0.9, unsafe=0.1)],
        [step("é�你<score>"), step("safe", safe=0.9, unsafe=0.1)],
    ],
)
def test_the_verdict_begins_after_the_last_marker(steps: list[Any]) -> None:
    weights = weighed(steps, "safe", after="<score>")
    assert weights["unsafe"] == pytest.approx(0.1)


def test_without_the_marker_there_is_no_verdict() -> None:
    with pytest.raises(GuardNonsenseError, match="cannot be read"):
        weighed([step("safe", safe=0.9)], "safe", after="<score>")


def test_no_logprobs_no_weights() -> None:
    assert Completion(text="safe", steps=()).weigh(WORDS, said="safe") is None


@pytest.mark.parametrize(
    "content",
    [
        [],
        [step("\n")],
        [step("unsafe", unsafe=1.0)],
        [step("hello", hello=1.0)],
        [{"token": "safe"}],
        [{"token": "safe", "logprob": math.nan}],
        [{"token": "safe", "logprob": "high"}],
        [{"token": "safe", "logprob": True}],
        [{"token": "safe", "logprob": 0.0, "top_logprobs": [{"token": 3, "logprob": 0.0}]}],
        [{"token": "safe", "logprob": -math.inf, "top_logprobs": [{"token": "x", "logprob": 0}]}],
        ["safe"],
        [None],
    ],
)
def test_probabilities_of_something_else(content: list[Any]) -> None:
    with pytest.raises(GuardNonsenseError):
        if Completion(text="", steps=content).weigh(WORDS, said="safe") is None:
            raise GuardNonsenseError("none")


def test_text_and_probability_must_agree() -> None:
    weighed([step("safe", safe=0.48, unsafe=0.52)], "safe")
    with pytest.raises(GuardNonsenseError, match="contradicts"):
        weighed([step("safe", safe=0.4, unsafe=0.6)], "safe")


def test_first_token_of_a_bare_completion() -> None:
    logprobs = {
        "tokens": ["Yes"],
        "token_logprobs": [math.log(0.7)],
        "top_logprobs": [{"Yes": math.log(0.7), "No": math.log(0.3)}],
        "text_offset": [0],
    }
    choice = {"text": "Yes", "finish_reason": "length", "logprobs": logprobs}
    completion = read_first_token({"choices": [choice]})
    weights = completion.weigh(("yes", "no"), said="yes", fold=True)
    assert weights == pytest.approx({"yes": 0.7, "no": 0.3})
    bare = read_first_token({"choices": [{"text": "No", "finish_reason": "stop"}]})
    assert bare.weigh(("yes", "no"), said="no") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
columns = st.fixed_dictionaries(
    dict.fromkeys(("tokens", "token_logprobs", "top_logprobs"), json_values)
)
choices = st.fixed_dictionaries(
    {
        "message": json_values | st.fixed_dictionaries({"content": json_values}),
        "text": json_values,
        "finish_reason": st.sampled_from(["stop", "length", None]),
        "logprobs": json_values | st.fixed_dictionaries({"content": json_values}) | columns,
    }
)


@given(payload=json_values | st.fixed_dictionaries({"choices": st.lists(choices, max_size=2)}))
def test_no_payload_breaks_the_readers(payload: object) -> None:
    for read in (read_chat, read_first_token):
        try:
            weights = read(payload).weigh(WORDS, said="safe")
        except GuardNonsenseError:
            continue
        assert weights is None or sum(weights.values()) == pytest.approx(1.0)
