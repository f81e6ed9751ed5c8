"""Hits, and what a guard of rules makes of them."""

import asyncio

import pytest

from guards.conversation import Exchange, Subject, text_message
from guards.detection import MAX_CHARS, Hit, judge_by_rules, last_word, settle, words_back
from guards.hazards import Hazard
from guards.verdict import Failure, Judgement, Span, Unscanned, Verdict


def hit(start: int, end: int, probability: float = 0.5, label: str = "A") -> Hit:
    return Hit(start=start, end=end, label=label, probability=probability)


def judged(text: str, subject: Subject, *, hold: int = 0) -> Judgement:
    return asyncio.run(
        judge_by_rules(
            Exchange(subject=subject, message=text_message(text, id="m")),
            guard="g",
            revision="1",
            hazard=Hazard.SECRETS,
            detect=lambda _: [hit(0, 1)],
            hold=lambda _: hold,
        )
    )


def test_of_overlapping_hits_the_most_probable_counts() -> None:
    assert settle([hit(0, 9, 0.4), hit(3, 5, 0.8)]) == [hit(3, 5, 0.8)]


def test_of_equally_probable_hits_the_longest_counts() -> None:
    assert settle([hit(3, 5), hit(3, 9)]) == [hit(3, 9)]


def test_hits_side_by_side_all_count() -> None:
    assert settle([hit(5, 9), hit(0, 5)]) == [hit(0, 5), hit(5, 9)]


def test_a_hit_becomes_a_finding_with_its_place_and_label() -> None:
    verdict = judged("abc", Subject.USER_INPUT)
    assert isinstance(verdict, Verdict)
    [finding] = verdict.findings
    assert (finding.label, finding.span) == ("A", Span(start=0, end=1))
    assert verdict.hold is None


def test_only_a_growing_reply_is_held_back() -> None:
    growing, whole = judged("abc", Subject.REPLY_SO_FAR, hold=2), judged("abc", Subject.REPLY)
    assert isinstance(growing, Verdict)
    assert isinstance(whole, Verdict)
    assert (growing.hold, whole.hold) == (2, None)


def test_holding_from_the_end_holds_nothing() -> None:
    verdict = judged("abc", Subject.REPLY_SO_FAR, hold=3)
    assert isinstance(verdict, Verdict)
    assert verdict.hold is None


def test_a_text_too_long_is_not_judged() -> None:
    verdict = judged("a" * (MAX_CHARS + 1), Subject.DOCUMENT)
    assert isinstance(verdict, Unscanned)
    assert verdict.reason is Failure.TOO_LONG


def test_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="does not judge image"):
        judged("abc", Subject.IMAGE)


@pytest.mark.parametrize(
    ("text", "start"),
    [("", 0), ("to ann@ex", 3), ("to ", 3), ("给我12", 2), ("a" * 50, 30)],
)
def test_the_last_word_begins_after_the_last_blank_or_unspaced_script(
    text: str, start: int
) -> None:
    assert last_word(text, 20) == start


def test_words_are_counted_back_over_one_line_break() -> None:
    assert list(words_back("a b\nc d", 6, 9)) == [4, 2, 0]
    assert list(words_back("a\n\nb", 3, 9)) == []
