"""Times are right everywhere, also on the days on which clocks change."""

import locale
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.clock import plugin
from plugins.clock.moments import read_date, read_moment
from plugins.clock.places import zone_of
from plugins.errors import PluginLoadError, ToolError
from plugins.testing import FakeBroker, FakeClock, rehearse

SUNDAY = datetime(2026, 11, 22, 12, 0, 42, 5, tzinfo=UTC)


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    async with rehearse(plugin, clock=FakeClock(time=SUNDAY)) as opened:
        yield opened


async def said(broker: FakeBroker, tool: str, **arguments: object) -> str:
    return (await broker.call(tool, arguments)).content


async def test_the_time_at_home_and_elsewhere(broker: FakeBroker) -> None:
    assert await said(broker, "current_time") == (
        "It is 12:00:42 on Sunday, 22 November 2026 in UTC (UTC, UTC+00:00)."
    )
    assert await said(broker, "current_time", place="Tokyo") == (
        "It is 21:00:42 on Sunday, 22 November 2026 in Asia/Tokyo (JST, UTC+09:00)."
    )
    assert await said(broker, "current_time", place="  ") == await said(broker, "current_time")
    result = await broker.call("current_time", {"place": "UTC-3:30"})
    assert result.content == "It is 08:30:42 on Sunday, 22 November 2026 at UTC-03:30."
    assert result.artifact == {"time": "2026-11-22T08:30:42-03:30"}


async def test_the_operator_says_where_home_is() -> None:
    clock = FakeClock(time=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    async with rehearse(plugin, clock=clock, options={"timezone": "Europe/Paris"}) as broker:
        assert "00:30 on Monday, 23 November 2026" in await said(broker, "current_time")
        assert "2026-11-23 + 1 days = 2026-11-24" in await said(
            broker, "add_days", date="today", days=1
        )
    with pytest.raises(PluginLoadError, match="must be the name of a time zone"):
        async with rehearse(plugin, options={"timezone": "Atlantis/Centre"}):
            raise AssertionError


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("london", "Europe/London"),
        ("New York", "America/New_York"),
        ("São Paulo", "America/Sao_Paulo"),
        ("San Francisco, CA", "America/Los_Angeles"),
        ("Paris, France", "Europe/Paris"),
        ("europe/berlin", "Europe/Berlin"),
        ("München", "Europe/Berlin"),
        ("EST", "America/New_York"),
        ("pt", "America/Los_Angeles"),
        ("gmt", "UTC"),
        ("Mumbai", "Asia/Kolkata"),
        ("Beijing", "Asia/Shanghai"),
        ("buenos aires", "America/Argentina/Buenos_Aires"),
        ("Washington, D.C.", "America/New_York"),
        ("Port-au-Prince", "America/Port-au-Prince"),
    ],
)
def test_places_are_found(place: str, key: str) -> None:
    zone = zone_of(place, argument="place")
    assert isinstance(zone, ZoneInfo)
    assert zone.utcoffset(SUNDAY.replace(tzinfo=None)) == ZoneInfo(key).utcoffset(
        SUNDAY.replace(tzinfo=None)
    )


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("Tokio", "did you mean Asia/Tokyo"),
        ("Xyzzyville", "place: is no place known here; Give a large city"),
        ("IST", "may be several zones; name one: Asia/Kolkata"),
        ("USA", "New York, Chicago"),
        ("UTC+25", "from -14:00 to +14:00"),
        ("../../etc/passwd", "is no place known here"),
        ("/etc/localtime", "is no place known here"),
    ],
)
async def test_unknown_places_are_named(broker: FakeBroker, place: str, problem: str) -> None:
    with pytest.raises(ToolError, match=r"^place: ") as caught:
        await broker.call("current_time", {"place": place})
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("time", "source", "target", "result"),
    [
        ("15:30", "London", "New York", "10:30 on Sunday, 22 November 2026 in America/New_York"),
        ("3 pm", "New York", "Tokyo", "05:00 on Monday, 23 November 2026 in Asia/Tokyo"),
        ("12 am", "UTC", "UTC+1", "01:00 on Sunday, 22 November 2026 at UTC+01:00"),
        ("noon", "Paris", "Delhi", "16:30 on Sunday, 22 November 2026 in Asia/Kolkata (IST"),
        ("tomorrow 9:05 a.m.", "UTC", "Paris", "10:05 on Monday, 23 November 2026"),
        ("9am tomorrow", "UTC", "Paris", "10:00 on Monday, 23 November 2026"),
        ("2026-07-01T18:00", "New York", "London", "23:00 on Wednesday, 1 July 2026"),
        ("2026-07-01 18:00:30", "UTC", "Paris", "20:00:30 on Wednesday, 1 July 2026"),
        ("18:00 on 2026-07-01", "UTC", "Paris", "20:00 on Wednesday, 1 July 2026"),
        ("2026-07-01T18:00+02:00", "New York", "UTC", "16:00 on Wednesday, 1 July 2026"),
        ("2026-07-01T18:00Z", "New York", "UTC", "18:00 on Wednesday, 1 July 2026"),
        ("now", "UTC", "Kathmandu", "17:45:42 on Sunday, 22 November 2026"),
        ("00:30", "Auckland", "Honolulu", "01:30 on Sunday, 22 November 2026"),
    ],
)
async def test_times_are_converted(
    broker: FakeBroker, time: str, source: str, target: str, result: str
) -> None:
    answer = await said(broker, "convert_time", time=time, from_place=source, to_place=target)
    assert result in answer.partition(" is ")[2]


async def test_an_hour_that_clocks_skip_is_said_so(broker: FakeBroker) -> None:
    answer = await said(
        broker, "convert_time", time="2026-03-29 02:30", from_place="Berlin", to_place="UTC"
    )
    assert answer.startswith("02:30 does not exist there that day: clocks go forward. 03:30 on ")
    assert "is 01:30 on Sunday, 29 March 2026" in answer


async def test_an_hour_that_clocks_repeat_has_two_answers(broker: FakeBroker) -> None:
    answer = await said(
        broker, "convert_time", time="2026-10-25 02:30", from_place="Berlin", to_place="UTC"
    )
    assert answer.startswith("That time comes twice: clocks go back. ")
    assert "is 00:30 on" in answer
    assert "the first time, 01:30 in UTC (UTC, UTC+00:00) the second time" in answer


@pytest.mark.parametrize(
    "time",
    [
        *("25:00", "13 pm", "0 am", "12:60", "soon", "3", "-"),
        *("2026-13-01T10:00", "2026-01-01", "10:00+99:99"),
    ],
)
async def test_what_is_no_time_says_what_would_be_one(broker: FakeBroker, time: str) -> None:
    with pytest.raises(ToolError, match=r"^time: "):
        await broker.call("convert_time", {"time": time, "from_place": "UTC", "to_place": "UTC"})


@pytest.mark.parametrize("time", ["0001-01-01T00:00", "9999-12-31T23:59"])
async def test_the_ends_of_time_are_refused(broker: FakeBroker, time: str) -> None:
    arguments = {"time": time, "from_place": "UTC", "to_place": "UTC"}
    for place in ("UTC+14", "UTC-14"):
        with suppress(ToolError):
            assert (await broker.call("convert_time", arguments | {"to_place": place})).content
    far = "UTC-14" if time.startswith("0001") else "UTC+14"
    with pytest.raises(ToolError, match="too far away"):
        await broker.call("convert_time", arguments | {"to_place": far})


async def test_days_between_and_after(broker: FakeBroker) -> None:
    assert await said(broker, "days_between", start="today", end="2026-12-25") == (
        "From 2026-11-22 (Sunday, 22 November 2026) to 2026-12-25 (Friday, 25 December 2026): "
        "33 days (4 weeks and 5 days; 24 days are Monday to Friday, the later date not counted)"
    )
    assert ": -33 days" in await said(broker, "days_between", start="2026-12-25", end="today")
    assert await said(broker, "add_days", date="2028-02-28", days=2) == (
        "2028-02-28 + 2 days = 2028-03-01 (Wednesday, 1 March 2028)"
    )
    assert await said(broker, "add_days", date="tomorrow", days=-30) == (
        "2026-11-23 - 30 days = 2026-10-24 (Saturday, 24 October 2026)"
    )
    with pytest.raises(ToolError, match="end: must be a date like 2026-12-24"):
        await broker.call("days_between", {"start": "today", "end": "Christmas"})
    with pytest.raises(ToolError, match="date: must be a date"):
        await broker.call("add_days", {"date": "2026-02-30", "days": 1})
    with pytest.raises(ToolError, match="within the years 1 to 9999"):
        await broker.call("add_days", {"date": "9999-12-31", "days": 1})


@given(
    first=st.dates(),
    days=st.integers(min_value=0, max_value=5000),
)
async def test_workdays_are_counted_right(first: date, days: int) -> None:
    if date.max - first < timedelta(days=days):
        return
    async with rehearse(plugin) as broker:
        last = first + timedelta(days=days)
        answer = await said(broker, "days_between", start=str(first), end=str(last))
    counted = sum((first + timedelta(days=n)).weekday() < 5 for n in range(days))
    assert f": {days} days (" in answer
    assert f"; {counted} days are Monday to Friday" in answer


@given(st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2037, 1, 1)))  # noqa: DTZ001 - a clock's face
def test_every_clock_time_is_a_real_moment(naive: datetime) -> None:
    zone = ZoneInfo("America/New_York")
    text = f"{naive:%Y-%m-%dT%H:%M}"
    moment = read_moment(text, argument="time", zone=zone, now=SUNDAY)
    assert moment.at.astimezone(UTC).astimezone(zone) == moment.at
    if not moment.note:
        assert f"{moment.at:%Y-%m-%dT%H:%M}" == text


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ToolError):
        assert read_moment(text, argument="time", zone=UTC, now=SUNDAY).at.tzinfo
    with suppress(ToolError):
        assert read_date(text, argument="date", today=SUNDAY.date())
    with suppress(ToolError):
        assert zone_of(text, argument="place")


async def test_words_do_not_depend_on_the_locale(broker: FakeBroker) -> None:
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
        with suppress(locale.Error):
            locale.setlocale(locale.LC_TIME, name)
    try:
        assert "Sunday, 22 November 2026" in await said(broker, "current_time")
    finally:
        locale.setlocale(locale.LC_TIME, before)
