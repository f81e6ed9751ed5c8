"""Sentences in the languages people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Lee met Mr. J. Oh at 3.5 km. Then he left.", None),
        ("It costs 5.50 e.g. at the shop. Fine.", ["It costs 5.50 e.g. at the shop.", "Fine."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("It is so.[1] And so. [2] End.", ["It is so.[1]", "And so. [2]", "End."]),
        ("你好。今天很热！是吗？是的", ["你好。", "今天很热！", "是吗？", "是的"]),
        (
            "開館は9時です。「そうですか。」はい。",
            ["開館は9時です。", "「そうですか。」", "はい。"],
        ),
        (
            "Am 3. Mai kam z.B. Anna. Es war der 2. Tag.",
            ["Am 3. Mai kam z.B. Anna.", "Es war der 2. Tag."],
        ),
        ("M. Petit est là. Il mange.", ["M. Petit est là.", "Il mange."]),
        ("¿Vienes? Sí, a las 3 p.m. o así.", ["¿Vienes?", "Sí, a las 3 p.m. o así."]),
        ("1. First\n2. Second\n\n- third", ["1. First", "2. Second", "- third"]),
        ("Wait... what. Yes…", None),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_they_end(text: str, expected: list[str] | None) -> None:
    found = [text[start:end] for start, end in sentences(text)]
    if expected is None:
        assert len(found) == 2
    else:
        assert found == expected


@given(st.text(alphabet=st.sampled_from(list("aB.!?。 \n\t[1]\"'…\ud800Dr")), max_size=80))
def test_ranges_are_in_order_and_leave_out_blanks_only(text: str) -> None:
    found = sentences(text)
    at = 0
    for start, end in found:
        assert at <= start < end
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()
