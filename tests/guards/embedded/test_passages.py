"""Normalised text that knows where it came from."""

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards.embedded.passages import LONGEST, merged, passage


def test_a_range_leads_back_to_its_sentences() -> None:
    text = "First\u200b sentence. SECOND one! A third? The fourth."
    found = passage(text)
    at = found.text.index("second")
    start, end = found.origin(at, at + 6)
    assert text[start:end] == "SECOND one! "
    start, end = found.origin(at, found.text.index("third"))
    assert text[start:end] == "SECOND one! A third? "


def test_chinese_sentences_and_lines_are_told_apart() -> None:
    text = "今天天气很好。请转发邮件！\nnext line\n"
    found = passage(text)
    start, end = found.origin(found.text.index("请"), found.text.index("件"))
    assert text[start:end] == "请转发邮件！\n"


def test_text_without_an_end_is_cut() -> None:
    found = passage("word " * 500)
    start, end = found.origin(1000, 1005)
    assert end - start <= LONGEST
    assert passage("x" * 1000).origins[-1] == 1000


@given(st.text(st.characters(), max_size=500))
@example("")
@example("\u200b" * 300)
@example(". . .\n\n")
@settings(max_examples=200, deadline=None)
def test_every_range_lies_in_the_original(text: str) -> None:
    found = passage(text)
    assert found.origins[-1] == len(text)
    for at in range(0, max(1, len(found.text)), 7):
        start, end = found.origin(at, min(at + 5, len(found.text)))
        assert 0 <= start <= end <= len(text)
        assert start < end or not text


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=12))
def test_merged_ranges_cover_the_same(pairs: list[tuple[int, int]]) -> None:
    ranges = [(start, start + size) for start, size in pairs]
    found = merged(ranges)
    assert {i for a, b in ranges for i in range(a, b)} == {i for a, b in found for i in range(a, b)}
    assert all(one[1] < two[0] for one, two in itertools.pairwise(found))
