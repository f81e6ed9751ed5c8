from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from assistant.engine.llamacpp.text import TextReader


def read(data: bytes, cuts: list[int], stops: tuple[str, ...] = ()) -> tuple[str, bool]:
    reader = TextReader(stops)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    text = "".join(reader.feed(data[start:end]) for start, end in pairwise(places))
    return text + reader.feed(b"", last=True), reader.stopped


@given(st.text(), st.lists(st.integers(0, 1000)))
def test_text_is_the_same_however_its_bytes_are_cut(text: str, cuts: list[int]) -> None:
    assert (
        read(text.encode("utf-8", "replace"), cuts)[0] == text.encode("utf-8", "replace").decode()
    )


@given(
    st.text("ab\n🙂", max_size=40),
    st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=3),
    st.lists(st.integers(0, 1000)),
)
def test_text_ends_before_the_first_stop_however_cut(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    found, stopped = read(text.encode(), cuts, tuple(stops))
    places = [text.find(stop) for stop in stops if stop in text]
    assert stopped == bool(places)
    if not places:
        assert found == text
    elif len(cuts) == 0:
        assert found == text[: min(places)]
    # Cut anywhere, a stop text that ends first may be seen before one that begins first.
    assert text.startswith(found)
    assert not any(stop in found for stop in stops)


def test_what_may_begin_a_stop_text_is_held_back() -> None:
    reader = TextReader(("STOP",))
    assert reader.feed(b"one ST") == "one "
    assert reader.feed(b"ILL two ST") == "STILL two "
    assert reader.feed(b"OP three") == ""
    assert reader.stopped
    assert reader.feed(b"four", last=True) == ""


def test_a_character_cut_off_at_the_end_is_replaced() -> None:
    reader = TextReader(())
    assert reader.feed("é".encode()[:1]) == ""
    assert reader.feed(b"", last=True) == "\N{REPLACEMENT CHARACTER}"
