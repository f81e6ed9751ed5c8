"""Nothing but the exact forms is read as a verdict."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.guard import GuardNonsenseError
from guards.models.llama_guard_answer import read_answer, read_text


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("safe", ()),
        ("\n\nsafe", ()),
        (" safe\n", ()),
        ("unsafe\nS1", ("S1",)),
        ("\n\nunsafe\nS1,S10", ("S1", "S10")),
        ("unsafe\r\nS14,S14,S2\n", ("S14", "S2")),
    ],
)
def test_exact_forms(text: str, codes: tuple[str, ...]) -> None:
    assert read_text(text) == codes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "Safe",
        "SAFE",
        "safe.",
        "safe S1",
        "safe\nS1",
        "safely",
        "unsafe",
        "unsafe\n",
        "unsafe S1",
        "unsafe\nS1,",
        "unsafe\n,S1",
        "unsafe\nS1, S2",
        "unsafe\nS1 S2",
        "unsafe\n\nS1\nS2",
        "unsafe\nS1\nsafe",
        "safe\nunsafe\nS1",
        "not safe",
        "\u00a0safe",
        "safe\x00",
        "ｓafe",
        "unsafe\nS１",
        "<|eot_id|>safe",
        "I cannot judge this. safe",
    ],
)
def test_everything_else_is_nonsense(text: str) -> None:
    with pytest.raises(GuardNonsenseError, match="the guard's answer is neither"):
        read_text(text)


@given(
    st.text()
    | st.lists(
        st.sampled_from(["safe", "unsafe", "\n", " ", "S1", "S", ",", "un", "\r", "x"]), max_size=8
    ).map("".join)
)
def test_only_the_grammar_passes(text: str) -> None:
    core = text.strip(" \t\r\n")
    allowed = core == "safe" or re.fullmatch(
        "unsafe[ \t]*\r?\n[A-Za-z][A-Za-z0-9_]*(,[A-Za-z][A-Za-z0-9_]*)*", core
    )
    try:
        read_text(text)
    except GuardNonsenseError:
        assert not allowed
    else:
        assert allowed


def token(text: str, **top: float) -> dict[str, Any]:
    alternatives = [{"token": t, "logprob": math.log(p)} for t, p in top.items()]
    return {"token": text, "logprob": math.log(top.get(text, 1.0)), "top_logprobs": alternatives}


def answer(text: str, unsafe: float) -> dict[str, Any]:
    word = "unsafe" if "unsafe" in text else "safe"
    logprobs = {"content": [token(word, safe=1 - unsafe, unsafe=unsafe)]}
    choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": logprobs}
    return {"choices": [choice]}


def test_text_and_probability_must_agree() -> None:
    assert read_answer(answer("safe", 0.52)).codes == ()
    assert read_answer(answer("unsafe\nS1", 0.48)).score == pytest.approx(0.48)
    for contradiction in (answer("safe", 0.6), answer("unsafe\nS1", 0.4)):
        with pytest.raises(GuardNonsenseError, match="contradicts"):
            read_answer(contradiction)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    payload=json_values
    | st.fixed_dictionaries(
        {
            "choices": st.lists(
                st.fixed_dictionaries(
                    {
                        "message": json_values | st.fixed_dictionaries({"content": json_values}),
                        "finish_reason": st.just("stop"),
                        "logprobs": json_values | st.fixed_dictionaries({"content": json_values}),
                    }
                ),
                max_size=2,
            )
        }
    )
)
def test_no_payload_breaks_the_reader(payload: object) -> None:
    with pytest.raises(GuardNonsenseError):
        read_answer(payload)
