"""Cutting spans out of text."""

from hypothesis import given
from hypothesis import strategies as st

from guards.redaction import redact
from guards.verdict import Span


def test_spans_are_replaced_wherever_they_stand() -> None:
    assert redact("call 123 or 456", [Span(start=12, end=15), Span(start=5, end=8)], "#") == (
        "call # or #"
    )


def test_overlapping_spans_leave_one_hole() -> None:
    assert redact("abcdef", [Span(start=1, end=4), Span(start=2, end=5)], "#") == "a#f"


def test_only_what_follows_start_is_returned() -> None:
    assert redact("abcdef", [Span(start=4, end=5)], "#", start=2) == "cd#f"


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10))))
def test_nothing_of_a_span_survives(text: str, places: list[tuple[int, int]]) -> None:
    spans = [Span(start=a, end=min(a + n, len(text))) for a, n in places if a < len(text)]
    hidden = {i for s in spans for i in range(s.start, s.end)}
    kept = "".join(c for i, c in enumerate(text) if i not in hidden)
    assert redact(text, spans, "") == kept
