"""Numbers, dates and times are the user's by value, in whichever way they wrote them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.provenance.amounts import amount, moment, names_amount, names_moment
from tests.plugins.provenance.talk import is_own


@pytest.mark.parametrize(
    ("value", "wrote"),
    [
        (50, "pay $50 today"),
        (50.0, "pay 50 euros"),
        (50, "pay 50.00"),
        (50, "pay fifty-two? no: 50."),
        (98.7, "it was 98.70"),
        (1000, "up to 1,000 of them"),
        (1000, "up to 1 000 of them"),
        (1000, "1k will do"),
        (2_500_000, "about 2.5 million"),
        (30000, "Transfer $30,000 in total"),
        (1234.5, "1.234,50 EUR"),
        (10, "10% off"),
        (3, "book three rooms"),
        (-5, "it is -5 outside"),
        ("50.00", "pay $50"),
        ("13", "delete file 13"),
        (13, "delete 13 files, maybe"),
        ("$1,000", "pay 1000"),
        (50, "请转50元给他"),
    ],
)
def test_a_number_is_the_users_however_written(value: object, wrote: str) -> None:
    assert is_own(value, wrote)


@pytest.mark.parametrize(
    ("value", "wrote"),
    [
        (5, "pay 50"),
        (500, "pay 50"),
        (50, "pay 50.5"),
        (50, "pay 50,000"),
        (50, "pay 1,050"),
        (50, "at 10:50 or 50:10"),
        (50, "invoice INV50 or 50B"),
        (24, "on 2024-05-24"),
        (5, "it is -5 outside"),
        (-5, "pay 5"),
        (7, "on page 4-7"),
        (13, "what happens on June 13"),
        (13, "what happens on 13 June"),
        ("13", "what happens on the 13 of Jun 2024"),
        ("13", "6月13日"),
        (15, "call bob15@example.com"),
        ("007", "agent 7"),
        (10**20, "1" + "0" * 20),
        (float("inf"), "infinity inf"),
        (float("nan"), "nan"),
        (True, "1 is true"),
    ],
)
def test_another_number_or_a_part_of_one_is_not(value: object, wrote: str) -> None:
    # A boolean is no number; it is bounded, and so nobody's.
    assert is_own(value, wrote) is (value is True)


@pytest.mark.parametrize(
    ("value", "wrote"),
    [
        ("2024-05-15", "on May 15th"),
        ("2024-05-15", "on 15 May 2024"),
        ("2024-05-15", "on the 15th of May, 2024"),
        ("2024-05-15", "on May 15, 2024, please"),
        ("2024-05-15", "on 5/15/2024"),
        ("2024-05-15", "am 15.05.2024"),
        ("2024-05-15", "在2024年5月15日"),
        ("2024-05-15", "5月15日开会"),
        ("2024-05-15", "at 2024-05-15T10:00"),
        ("2024-05-13", "from the 13th to the 17th of May 2024"),
        ("2024-05-17", "from the 13th to the 17th of May 2024"),
        ("2024-06-02", "by Jun 2nd"),
        ("2024-05-15 10:00", "May 15th at 10:00"),
        ("2024-05-15T10:00:00", "May 15th at 10am"),
        ("2024-05-15 22:30", "May 15th, 10:30 pm"),
        ("2024-05-15 12:00", "noon on May 15th"),
        ("2024-05-15 00:00", "all of May 15th"),
        ("2024-05-15 23:59", "all of May 15th"),
        ("2024-05-15 13:00", "May 15th at 12:00 for one hour"),
        ("2024-05-15 12:30", "May 15th at 12:00, half an hour"),
        ("2024-05-15 13:00", "a 1-hour meeting on May 15th at 12:00"),
        ("10:00", "at 10:00"),
        ("22:00", "at 10 p.m."),
    ],
)
def test_a_moment_is_the_users_when_each_component_is(value: str, wrote: str) -> None:
    assert is_own(value, wrote)


@pytest.mark.parametrize(
    ("value", "wrote"),
    [
        ("2024-05-16", "on May 15th"),
        ("2024-06-15", "on May 15th"),
        ("2025-05-15", "on May 15th, 2024"),
        ("2025-05-15", "on 2024-05-15"),
        ("2024-05-05", "on May 15th"),
        ("2024-05-15 10:00", "on May 15th"),
        ("2024-05-15 10:00", "on May 15th at 10 pm"),
        ("2024-05-15 10:30", "on May 15th at 10:00"),
        ("2024-05-15 14:00", "May 15th at 12:00 for one hour"),
        ("2024-05-15 10:00:30", "May 15th at 10:00"),
        ("2024-05-15T10:00+09:00", "May 15th at 10:00"),
        ("2024-13-45", "May 15th"),
        ("2024-02-30", "February 30th"),
        ("25:00", "at 25 hours"),
        ("12:00", "12 people"),
    ],
)
def test_a_component_that_they_did_not_write_is_not_theirs(value: str, wrote: str) -> None:
    assert not is_own(value, wrote)


numbers = st.decimals(0, 10**9, places=2, allow_nan=False)


@given(numbers, numbers)
def test_only_the_same_value_is_named(wrote: Decimal, value: Decimal) -> None:
    for text in (f"pay {wrote}.", f"pay ${wrote:,} now", f"pay {wrote.normalize():f}"):
        assert names_amount(wrote, text)
        if value != wrote:
            assert not names_amount(value, text)
    assert amount(f"${wrote:,}") == wrote


days = st.dates(date(1990, 1, 1), date(2100, 1, 1))


@given(days, st.integers(1, 4000))
def test_only_the_same_day_is_named(day: date, later: int) -> None:
    other = day + timedelta(days=later)
    own, wrong = moment(day.isoformat()), moment(other.isoformat())
    assert own is not None
    assert wrong is not None
    for text in (
        f"on {day.isoformat()}",
        f"on {day:%B} {day.day}, {day.year}".lower(),
        f"{day.day} {day:%b} {day.year}".lower(),
        f"{day.day}.{day.month}.{day.year}",
    ):
        assert names_moment(own, text)
    assert not names_moment(wrong, f"on {day.isoformat()}")
    assert not names_moment(wrong, f"on {day:%B} {day.day}, {day.year}".lower())


@given(st.text(max_size=40))
def test_no_text_is_too_odd_to_ask_about(text: str) -> None:
    found = moment(text)
    assert found is None or found.day is not None or found.clock is not None
    number = amount(text)
    assert number is None or number.is_finite()
