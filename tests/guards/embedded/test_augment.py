"""Other spellings of a text."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.embedded.training.augment import (
    AFTER,
    BEFORE,
    changed,
    chat_style,
    framed,
    joined,
    misspell,
    without_punctuation,
)


def test_misspelling_keeps_most_letters() -> None:
    text = "however the castle stands above another village " * 20
    found = misspell(text, "en", random.Random(1))
    assert found != text
    assert abs(len(found) - len(text)) < 40
    assert len(found.split()) == len(text.split())


def test_chat_style_is_english() -> None:
    text = "please tell me how you want to do this without people"
    found = " ".join(chat_style(text, "en", random.Random(i)) for i in range(9))
    assert {"pls", "u", "wanna", "w/o", "ppl"} <= set(found.split())
    assert chat_style(text, "de", random.Random(2)) == text


def test_punctuation_goes() -> None:
    found = {without_punctuation("a, b. c! 你好。", "en", random.Random(i)) for i in range(8)}
    assert "a b c 你好" in found


@pytest.mark.parametrize("language", sorted(BEFORE))
def test_frames_keep_the_text(language: str) -> None:
    rng = random.Random(3)
    found = [framed("x", language, rng) for _ in range(30)]
    assert all("x" in each for each in found)
    assert any(each != "x" for each in found)
    assert BEFORE.keys() == AFTER.keys()


def test_two_messages_become_one() -> None:
    found = {joined("a", "b", random.Random(i)) for i in range(20)}
    assert "a b" in found
    assert all(set("ab") <= set(each) for each in found)


@given(text=st.text(max_size=200), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_changed(text: str, seed: int) -> None:
    assert isinstance(changed(text, "en", random.Random(seed)), str)
