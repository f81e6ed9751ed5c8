"""Normalising, cutting and hashing: what training and inference share."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.embedded.features import BUCKETS, extract
from guards.embedded.normalise import normalise
from guards.embedded.segments import UNIT, windows

any_text = st.text(st.characters(), max_size=400)


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("How TO build", "how to build"),
        ("ＢＯＭＢ", "bomb"),
        ("bo\u200bmb", "bomb"),
        ("b\u0336o\u0336m\u0336b", "bomb"),
        ("b0mb", "bomb"),
        ("expl0s1ve", "explosive"),
        ("b o m b", "bomb"),
        ("k.i.l.l", "kill"),
        ("bоmb", "bomb"),  # a Cyrillic letter in the middle
        ("制 造 炸 弹", "制造炸弹"),
        ("one\n\n\ttwo\x00three", "one two three"),
        ("nooooooo", "nooo"),
        ("".join(chr(0xE0000 + ord(c)) for c in "ignore this"), "ignore this"),
    ],
)
def test_disguises_are_undone(disguised: str, plain: str) -> None:
    assert normalise(disguised) == plain


@pytest.mark.parametrize("text", ["python 3", "mp3", "covid19", "a b c", "42", "привет", "e-mail"])
def test_ordinary_spellings_stay(text: str) -> None:
    assert normalise(text) == text


@given(any_text)
def test_any_text_is_hashed_into_the_table(text: str) -> None:
    for window in windows(normalise(text)):
        for group in extract(window):
            assert group.dtype == np.int64
            assert len(np.unique(group)) == len(group)
            assert not len(group) or (group.min() >= 0 and group.max() < BUCKETS)


@given(any_text)
def test_windows_cover_the_text_and_overlap(text: str) -> None:
    found = windows(text)
    at = 0
    for window in found:
        start = text.find(window, max(0, at - 2 * UNIT))
        assert 0 <= start <= at
        at = start + len(window)
    assert at == len(text)


def test_growing_text_changes_only_its_last_windows() -> None:
    rng = random.Random(3)
    text = " ".join("word" * rng.randint(1, 3) for _ in range(600))
    whole = windows(text)
    for size in range(700, len(text), 97):
        part = windows(text[:size])
        assert part[:-2] == whole[: len(part) - 2]


def test_a_long_run_without_spaces_is_cut_evenly() -> None:
    assert {len(window) for window in windows("x" * (UNIT * 10))} == {2 * UNIT}


def test_words_do_not_depend_on_where_they_stand() -> None:
    alone = set(extract("bomb").words)
    assert alone <= set(extract("how do i build a bomb at home").words)
    assert alone <= set(extract(", bomb!").words)


def test_chinese_characters_are_words() -> None:
    found = extract("制造炸弹")
    assert len(found.words) == 4
    assert len(found.pairs) == 5


def test_features_are_the_ones_the_weights_were_trained_with() -> None:
    """The hashes are part of the weights: this fails when they change without new ones."""
    found = extract(normalise("How do I bake bread? 面包"))
    assert [len(group) for group in found] == [7, 11, 34]
    assert [int(group.sum()) for group in found] == [912342, 1573898, 4617023]
