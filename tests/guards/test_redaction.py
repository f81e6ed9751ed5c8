"""Cutting spans out of text."""

from hypothesis import given
from hypothesis import strategies as st

from guards.redaction import Cut, redact
from guards.verdict import Span


def cuts(replacement: str, *spans: tuple[int, int]) -> list[Cut]:
    return [Cut(span=Span(start=a, end=b), replacement=replacement) for a, b in spans]


def test_spans_are_replaced_wherever_they_stand() -> None:
    assert redact("call 123 or 456", cuts("#", (12, 15), (5, 8))) == "call # or #"


def test_overlapping_spans_leave_one_hole() -> None:
    assert redact("abcdef", cuts("#", (1, 4), (2, 5))) == "a#f"


def test_each_span_has_its_own_replacement() -> None:
    made = [*cuts("[B]", (4, 5)), *cuts("[A]", (0, 1))]
    assert redact("x or y", made) == "[A] or[B]y"


def test_only_what_follows_start_is_returned() -> None:
    assert redact("abcdef", cuts("#", (4, 5)), start=2) == "cd#f"


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10))))
def test_nothing_of_a_span_survives(text: str, places: list[tuple[int, int]]) -> None:
    spans = [(a, min(a + n, len(text))) for a, n in places if a < len(text)]
    hidden = {i for span in spans for i in range(*span)}
    kept = "".join(c for i, c in enumerate(text) if i not in hidden)
    assert redact(text, cuts("", *spans)) == kept
