"""The coalescing guarded stream, under virtual time."""

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.virtual_time import run_virtual
from guards.redaction import Cut
from guards.stream import Buffer, Halt, Judge, Pace, Redact, Release, Ruling, released
from guards.verdict import Span

EAGER = Pace(interval=0.0)


class Recorder:
    """A judge that takes a while, remembers what it saw, and rules by function."""

    def __init__(self, delay: float, rule: Callable[[str], Ruling[str]]) -> None:
        self.delay = delay
        self.rule = rule
        self.seen: list[tuple[float, str, bool]] = []
        self.running = 0

    async def __call__(self, text: str, whole: bool) -> Ruling[str]:
        self.seen.append((asyncio.get_running_loop().time(), text, whole))
        self.running += 1
        try:
            await asyncio.sleep(self.delay)
            return self.rule(text)
        finally:
            self.running -= 1


def allow(_: str) -> Ruling[str]:
    return Release()


async def feed(buffer: Buffer, tokens: Sequence[str], gap: float) -> None:
    for token in tokens:
        await asyncio.sleep(gap)
        buffer.push(token)
    buffer.close()


async def stream(
    judge: Judge[str], tokens: Sequence[str], *, gap: float = 0.01, pace: Pace = EAGER
) -> list[tuple[float, str | Halt[str]]]:
    """Everything the stream yields, with the time it did."""
    buffer = Buffer()
    loop = asyncio.get_running_loop()
    feeder = loop.create_task(feed(buffer, tokens, gap))
    async with aclosing(released(buffer, judge, pace)) as pieces:
        out = [(loop.time(), piece) async for piece in pieces]
    await feeder
    return out


def shown(out: list[tuple[float, str | Halt[str]]]) -> str:
    return "".join(piece for _, piece in out if isinstance(piece, str))


def test_all_text_comes_out_in_order_and_was_judged_before() -> None:
    judge = Recorder(0.04, allow)
    out = run_virtual(stream(judge, [f"{i} " for i in range(40)]))
    assert shown(out) == "".join(f"{i} " for i in range(40))
    released_so_far = 0
    for at, piece in out:
        assert isinstance(piece, str)
        released_so_far += len(piece)
        assert any(
            len(text) >= released_so_far and start + judge.delay <= at + 1e-9
            for start, text, _ in judge.seen
        )


def test_a_segment_is_as_long_as_the_guard_is_slow() -> None:
    quick, slow = Recorder(0.02, allow), Recorder(0.1, allow)
    run_virtual(stream(quick, ["x"] * 40))
    run_virtual(stream(slow, ["x"] * 40))
    assert len(slow.seen) < len(quick.seen) / 3


def test_first_text_comes_one_judgement_after_the_first_token() -> None:
    out = run_virtual(stream(Recorder(0.04, allow), ["x"] * 40))
    assert out[0][0] == pytest.approx(0.01 + 0.04)


def test_the_end_comes_one_judgement_after_the_last_token() -> None:
    # The guard is slower than the rest of the reply, so a judgement is under way at its end.
    out = run_virtual(stream(Recorder(0.095, allow), ["x"] * 40))
    assert out[-1][0] == pytest.approx(0.4 + 0.095)


def test_the_pace_bounds_the_number_of_judgements() -> None:
    judge = Recorder(0.001, allow)
    out = run_virtual(stream(judge, ["x"] * 40, pace=Pace(interval=0.1)))
    starts = [start for start, _, _ in judge.seen]
    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(starts[:-1]))
    assert len(starts) <= 0.4 / 0.1 + 2
    assert out[-1][0] == pytest.approx(0.4 + 0.001)


def test_the_last_judgement_is_told_that_it_sees_the_whole() -> None:
    judge = Recorder(0.04, allow)
    run_virtual(stream(judge, ["a", "b", "c"]))
    assert judge.seen[-1][1:] == ("abc", True)
    assert not any(whole for _, _, whole in judge.seen[:-1])


def test_a_halt_ends_the_stream_and_nothing_of_that_segment_is_shown() -> None:
    def rule(text: str) -> Ruling[str]:
        return Halt(value="stop") if "bad" in text else Release()

    out = run_virtual(stream(Recorder(0.02, rule), ["good ", "bad ", "more "], gap=0.05))
    assert [piece for _, piece in out] == ["good ", Halt(value="stop")]


def test_a_judgement_under_way_at_the_end_can_still_halt() -> None:
    def rule(text: str) -> Ruling[str]:
        return Halt(value="stop") if text == "ab" else Release()

    judge = Recorder(0.05, rule)
    out = run_virtual(stream(judge, ["a", "b", "c"], gap=0.03))
    assert not [piece for _, piece in out if isinstance(piece, str) and "b" in piece]


def test_an_empty_reply_is_not_judged() -> None:
    judge = Recorder(0.01, allow)
    assert run_virtual(stream(judge, [])) == []
    assert judge.seen == []


def test_the_producers_failure_reaches_the_reader() -> None:
    async def main() -> None:
        buffer = Buffer()
        buffer.push("half")
        buffer.close(ConnectionError("gone"))
        async with aclosing(released(buffer, Recorder(0.0, allow), EAGER)) as pieces:
            with pytest.raises(ConnectionError):
                async for _ in pieces:
                    pass

    run_virtual(main())


def test_a_failure_during_a_judgement_does_not_pass_for_the_end() -> None:
    judge = Recorder(0.05, allow)

    async def main() -> list[str | Halt[str]]:
        buffer = Buffer()
        buffer.push("half")
        asyncio.get_running_loop().call_later(0.01, buffer.push, " more")
        asyncio.get_running_loop().call_later(0.02, buffer.close, ConnectionError("gone"))
        out = []
        async with aclosing(released(buffer, judge, EAGER)) as pieces:
            with pytest.raises(ConnectionError):
                async for piece in pieces:
                    out.append(piece)
        return out

    assert run_virtual(main()) == ["half"]
    assert [text for _, text, _ in judge.seen] == ["half"]


def test_closing_the_stream_aborts_the_judgement() -> None:
    judge = Recorder(10.0, allow)

    async def main() -> None:
        buffer = Buffer()
        buffer.push("text")
        pieces = released(buffer, judge, EAGER)
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(1.0)
        assert judge.running == 1
        waiting.cancel()
        await asyncio.wait((waiting,))
        await pieces.aclose()
        assert judge.running == 0

    run_virtual(main())


def test_a_judge_that_raises_raises_to_the_reader() -> None:
    def rule(_: str) -> Ruling[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(stream(Recorder(0.01, rule), ["a"]))


def secret(text: str) -> Ruling[str]:
    at = text.find("SECRET")
    if at < 0:
        return Release()
    cut = Cut(span=Span(start=at, end=at + 6), replacement="[x]")
    return Redact(cuts=(cut,), otherwise="late")


def test_a_redacted_span_is_replaced_once_and_the_rest_flows() -> None:
    out = run_virtual(stream(Recorder(0.02, secret), ["a ", "SECRET", " b", " c"], gap=0.05))
    assert shown(out) == "a [x] b c"


def test_a_span_that_reaches_into_shown_text_halts() -> None:
    out = run_virtual(stream(Recorder(0.01, secret), ["a SEC", "RET b"], gap=0.05))
    assert [piece for _, piece in out] == ["a SEC", Halt(value="late")]


@given(
    tokens=st.lists(st.text(min_size=1, max_size=5), max_size=30),
    delay=st.floats(0, 0.2),
    gap=st.floats(0, 0.05),
    interval=st.floats(0, 0.3),
)
def test_whatever_the_timing_the_text_is_whole(
    tokens: list[str], delay: float, gap: float, interval: float
) -> None:
    judge = Recorder(delay, allow)
    out = run_virtual(stream(judge, tokens, gap=gap, pace=Pace(interval=interval)))
    assert shown(out) == "".join(tokens)
    assert judge.running == 0


def before_the_at(text: str) -> Ruling[str]:
    """Holds the last word back and cuts every word with an @, as a guard for e-mail would."""
    found = re.finditer(r"\S*@\S*", text)
    cuts = tuple(Cut(span=Span(start=m.start(), end=m.end()), replacement="#") for m in found)
    upto = text.rfind(" ") + 1
    return Redact(cuts=cuts, otherwise="late", upto=upto) if cuts else Release(upto=upto)


@given(
    st.lists(st.sampled_from(["ann", "@", "b", " ", "x ", " y@"]), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.004, 0.03]),
)
def test_i3_what_is_held_back_is_shown_only_as_the_judgement_of_more_text_has_it(
    tokens: list[str], delay: float
) -> None:
    judge = Recorder(delay, before_the_at)
    out = run_virtual(stream(judge, tokens))
    text = "".join(tokens)
    assert shown(out) == re.sub(r"\S*@\S*", "#", text)
    assert judge.seen[-1][1] == text


def test_a_reply_that_ends_in_held_text_is_judged_once_more_as_a_whole() -> None:
    judge = Recorder(0.04, lambda _: Release(upto=3))
    out = run_virtual(stream(judge, ["abcdef", ""], gap=0.02))
    assert [piece for _, piece in out] == ["abc", "def"]
    assert [(text, whole) for _, text, whole in judge.seen] == [
        ("abcdef", False),
        ("abcdef", True),
    ]


def test_the_first_words_do_not_wait_for_the_interval_when_they_were_held_back() -> None:
    words = [f"{n} " for n in range(9)]
    judge = Recorder(0.01, lambda text: Release(upto=max(0, text.rstrip().rfind(" ") + 1)))
    out = run_virtual(stream(judge, words, gap=0.05, pace=Pace(interval=1.0)))
    assert out[0] == (pytest.approx(0.11), "0 ")
    assert [round(at, 2) for at, _, _ in judge.seen] == [0.05, 0.1, 0.45]


def test_a_beginning_held_for_long_is_judged_at_the_usual_pace() -> None:
    judge = Recorder(0.01, lambda _: Release(upto=0))
    run_virtual(stream(judge, ["x"] * 40, gap=0.05, pace=Pace(interval=1.0)))
    assert [round(at, 2) for at, _, _ in judge.seen] == [0.05, 0.1, 0.15, 0.2, 1.2, 2.0]


def test_holding_back_takes_nothing_back_that_was_shown() -> None:
    offsets = iter([4, 2, 6, 8])
    judge = Recorder(0.0, lambda text: Release(upto=min(next(offsets), len(text))))
    out = run_virtual(stream(judge, ["abcd", "ef", "gh"], gap=0.02))
    assert shown(out) == "abcdefgh"


def test_a_cut_that_reaches_into_held_text_waits_for_it() -> None:
    def rule(text: str) -> Ruling[str]:
        cut = Cut(span=Span(start=2, end=len(text)), replacement="#")
        return Redact(cuts=(cut,), otherwise="late", upto=3)

    out = run_virtual(stream(Recorder(0.0, rule), ["abcd", "ef"], gap=0.02))
    assert [piece for _, piece in out] == ["ab", "#"]


def paced(judge: Judge[str], count: int, pace: Pace) -> list[tuple[float, str | Halt[str]]]:
    """A reply of ``count`` tokens, a hundred a second."""
    return run_virtual(stream(judge, ["x"] * count, pace=pace))


@pytest.mark.parametrize("budget", [1, 2, 3, 8, 20])
def test_a_budget_bounds_the_judgements_of_any_reply(budget: int) -> None:
    for count in (1, 10, 300, 2_000):
        judge = Recorder(0.04, allow)
        out = paced(judge, count, Pace(interval=0.15, budget=budget))
        assert shown(out) == "x" * count
        assert len(judge.seen) <= budget
        assert len(judge.seen[-1][1]) == count


def test_a_budget_stretches_the_intervals_and_not_the_beginning() -> None:
    judge = Recorder(0.001, allow)
    out = paced(judge, 3000, Pace(interval=0.15, budget=12))
    assert out[0][0] == pytest.approx(0.01 + 0.001)
    starts = [start for start, _, _ in judge.seen]
    gaps = [b - a for a, b in itertools.pairwise(starts[:-1])]
    assert gaps[0] == pytest.approx(0.15)
    assert all(b == pytest.approx(a * 1.5, rel=0.05) for a, b in itertools.pairwise(gaps))
    # Thirty seconds are more than twelve judgements last for: the rest waits for the end.
    assert len(judge.seen) == 12
    assert starts[-1] == pytest.approx(30.0)


def test_what_comes_after_the_budget_is_held_until_the_whole_is_judged() -> None:
    judge = Recorder(0.04, lambda text: Halt(value="stop") if "BAD" in text else Release())
    tokens = ["a"] * 50 + ["BAD"] + ["b"] * 50
    out = run_virtual(stream(judge, tokens, pace=Pace(interval=0.1, budget=3)))
    assert "BAD" not in shown(out)
    assert "b" not in shown(out)
    assert out[-1][1] == Halt(value="stop")
    assert [whole for _, _, whole in judge.seen] == [False, False, True]


def test_without_a_judgement_left_a_failed_reply_is_not_judged() -> None:
    async def fails() -> list[str | Halt[str]]:
        buffer = Buffer()
        out: list[str | Halt[str]] = []

        async def feeding() -> None:
            buffer.push("abc")
            await asyncio.sleep(1.0)
            buffer.push("def")
            buffer.close(ConnectionError("gone"))

        feeder = asyncio.create_task(feeding())
        async with aclosing(released(buffer, judge, Pace(interval=0.1, budget=2))) as pieces:
            with pytest.raises(ConnectionError):
                out.extend([piece async for piece in pieces])
        await feeder
        return out

    judge = Recorder(0.04, allow)
    run_virtual(fails())
    assert [text for _, text, _ in judge.seen] == ["abc"]


@given(
    tokens=st.lists(st.sampled_from(["ann", "@", "b", " ", "x ", " y@"]), max_size=30),
    delay=st.floats(0, 0.2),
    gap=st.floats(0, 0.05),
    interval=st.floats(0, 0.3),
    budget=st.integers(1, 6),
)
def test_on_a_budget_every_character_was_judged_and_the_tail_with_the_whole(
    tokens: list[str], delay: float, gap: float, interval: float, budget: int
) -> None:
    judge = Recorder(delay, before_the_at)
    pace = Pace(interval=interval, budget=budget)
    out = run_virtual(stream(judge, tokens, gap=gap, pace=pace))
    text = "".join(tokens)
    assert shown(out) == re.sub(r"\S*@\S*", "#", text)
    assert len(judge.seen) <= budget
    assert not text or judge.seen[-1][1] == text
    assert judge.running == 0


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_pays_for_at_least_one(budget: int) -> None:
    with pytest.raises(ValueError, match="budget"):
        Pace(budget=budget)
