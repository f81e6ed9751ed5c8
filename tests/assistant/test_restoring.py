"""Values given back in a reply that comes in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.restoring import Restorer

VALUES = {"[EMAIL_1]": "ann@gmx.de", "[EMAIL_10]": "bo@gmx.de", "【电话_1】": "13873122345"}


def restored(*pieces: str) -> str:
    restorer = Restorer(VALUES)
    return "".join([*map(restorer.feed, pieces), restorer.end()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to [EMAIL_1].", "Write to ann@gmx.de."),
        ("[EMAIL_10][EMAIL_1]", "bo@gmx.deann@gmx.de"),
        ("请拨打【电话_1】。", "请拨打13873122345。"),
        ("[EMAIL_2] and [EMAIL_", "[EMAIL_2] and [EMAIL_"),
        ("mailto:[EMAIL_1]", "mailto:ann@gmx.de"),
        ("see https://x.y/?q=[EMAIL_1] or [EMAIL_1]", "see https://x.y/?q=[EMAIL_1] or ann@gmx.de"),
        ("![a](//x.y/[EMAIL_1])", "![a](//x.y/[EMAIL_1])"),
        ("[a](x.y?[EMAIL_1])", "[a](x.y?[EMAIL_1])"),
        ("[a]: x.y/[EMAIL_1]", "[a]: x.y/[EMAIL_1]"),
        ('<img src="x.y/[EMAIL_1][EMAIL_10]">', '<img src="x.y/[EMAIL_1][EMAIL_10]">'),
    ],
)
def test_what_is_given_back_and_what_stays(text: str, expected: str) -> None:
    assert restored(text) == expected
    assert restored(*text) == expected


def test_the_beginning_of_a_placeholder_waits() -> None:
    restorer = Restorer(VALUES)
    assert restorer.feed("to [EMA") == "to "
    assert restorer.feed("IL_1") == ""
    assert restorer.feed("] now [") == "ann@gmx.de now "
    assert restorer.feed("x]") == "[x]"


def test_without_values_nothing_waits() -> None:
    restorer = Restorer({})
    assert (restorer.feed("to [EMA"), restorer.end()) == ("to [EMA", "")


PIECES = st.lists(
    st.sampled_from([*VALUES, "[", "]", "[EMAIL_", "1", "0", " ", "a", "http://x/", "](", "="])
)


@given(PIECES, st.lists(st.integers(0, 60)))
def test_it_does_not_matter_where_the_pieces_part(parts: list[str], places: list[int]) -> None:
    text = "".join(parts)
    ends = sorted({min(place, len(text)) for place in places})
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    assert restored(*pieces) == restored(text)
