"""Event streams parse the same however the network cuts them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.sse import MAX_EVENT_BYTES, EventParser, EventTooLongError

LINES = st.sampled_from(
    [
        b"data: one",
        b"data:two",
        b"data:  three",
        b"data",
        b"data:",
        "data: é 你好 🦙".encode(),
        b": a comment",
        b"event: ping",
        b"database: no",
        b"id: 7",
        b"retry: 10",
        b"",
        b"",
    ]
)
ENDINGS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def payloads(chunks: list[bytes]) -> list[bytes]:
    parser = EventParser()
    return [payload for chunk in chunks for payload in parser.feed(chunk)]


def by_the_book(lines: list[bytes]) -> list[bytes]:
    """The standard's own steps, line by line."""
    events: list[bytes] = []
    data: list[bytes] | None = None
    for line in lines:
        if not line:
            if data is not None:
                events.append(b"\n".join(data))
            data = None
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data = [*(data or []), value.removeprefix(b" ")]
    return events


@given(
    lines=st.lists(st.tuples(LINES, ENDINGS), max_size=30),
    cuts=st.lists(st.integers(0, 500)),
    bom=st.booleans(),
)
def test_any_chunking_yields_the_same_events(
    lines: list[tuple[bytes, bytes]], cuts: list[int], bom: bool
) -> None:
    # A lone return before an empty line that ends in a newline would read as one line's end.
    raw = b""
    kept: list[bytes] = []
    for line, ending in lines:
        if raw.endswith(b"\r") and not line and ending == b"\n":
            continue
        kept.append(line)
        raw += line + ending
    # A final return waits for what follows it, so something must.
    raw += b": end\n"
    raw = b"\xef\xbb\xbf" + raw if bom else raw
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    chunks = [raw[a:b] for a, b in itertools.pairwise(places)]
    assert payloads(chunks) == by_the_book(kept)


def test_byte_by_byte() -> None:
    raw = "\ufeffdata: é\r\ndata: x\r\n\r\n: c\r\n\r\ndata: [DONE]\n\n".encode()
    expected = ["é\nx".encode(), b"[DONE]"]
    assert payloads([bytes([byte]) for byte in raw]) == expected
    assert payloads([raw]) == expected


def test_an_unfinished_event_is_none() -> None:
    assert payloads([b"data: half\n"]) == []
    assert payloads([b"data: half"]) == []


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: " + b"x" * 65536 + b"\n"])
def test_endless_events_are_refused(piece: bytes) -> None:
    parser = EventParser()
    with pytest.raises(EventTooLongError):
        for _ in range(MAX_EVENT_BYTES // 65536 + 1):
            assert parser.feed(piece) == []


def test_many_small_events_are_no_long_one() -> None:
    parser = EventParser()
    for _ in range(100):
        assert parser.feed(b"data: " + b"x" * 65536 + b"\n\n") == [b"x" * 65536]
