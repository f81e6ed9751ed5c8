"""Which messages lean on the one before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.embedded.normalise import normalise
from guards.topic.followups import is_follow_up


@pytest.mark.parametrize(
    "text",
    [
        "And in winter?",
        "why?",
        "How long does that take?",
        "What about students?",
        "can I do that automatically",
        "Und für Kinder?",
        "Geht das auch automatisch?",
        "Et en hiver ?",
        "那要几天到账",
        "手机呢",
        "没有醋怎么办",
    ],
)
def test_a_message_that_leans(text: str) -> None:
    assert is_follow_up(normalise(text))


@pytest.mark.parametrize(
    "text",
    [
        "Who won the football world cup in 2014?",
        "Now write me a limerick about cats",
        "Which film should I watch tonight?",
        "Wie backe ich einen Käsekuchen?",
        "帮我写一个请假条",
        "and then " * 40,
    ],
)
def test_a_message_that_stands_alone(text: str) -> None:
    assert not is_follow_up(normalise(text))


@given(st.text(max_size=300))
def test_any_text_is_one_or_the_other(text: str) -> None:
    assert is_follow_up(normalise(text)) in {True, False}
