"""What time it is, there and here, and how far days are apart."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from plugins.clock.moments import (
    Moment,
    day_words,
    moment_words,
    read_date,
    read_moment,
    zone_words,
)
from plugins.clock.places import LONGEST, zone_of
from plugins.sdk import (
    Access,
    Limits,
    Manifest,
    Options,
    Plugin,
    Result,
    Setup,
    SideEffect,
    Tool,
    ToolError,
    tool,
)

_PLACES = "large city or a time zone, for example: Tokyo, Europe/Paris, UTC+2"
Place = Annotated[str, Field(description=f"A {_PLACES}", min_length=1, max_length=LONGEST)]
SomePlace = Annotated[
    str | None, Field(description=f"A {_PLACES}; may be left out", max_length=LONGEST)
]
Day = Annotated[
    str, Field(description="A date as YYYY-MM-DD, or today", min_length=1, max_length=20)
]
MOST_DAYS = 1_000_000


def _zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be the name of a time zone such as Europe/Paris") from None
    return name


ZoneName = Annotated[str, AfterValidator(_zone_name)]
"""The name of a time zone, as operators give it."""


class ClockOptions(Options):
    """Where it is now for those who name no place."""

    timezone: ZoneName = Field(
        default="UTC", description="Where it is now for those who name no place."
    )


def clock_tools(home: tzinfo) -> tuple[Tool, ...]:
    """The tools, with ``home`` as the zone of those who name none."""

    @tool(command="place", aliases=("time", "clock"), direct=True)
    async def current_time(access: Access, place: SomePlace = None) -> Result:
        """The time and date now, in a place or at home. Use it whenever the answer depends on
        the time or on today's date.
        """
        zone = zone_of(place, argument="place") if place and place.strip() else home
        now = access.now().astimezone(zone).replace(microsecond=0)
        return _said(f"It is {moment_words(now)}", now)

    @tool()
    async def convert_time(
        access: Access,
        time: Annotated[
            str,
            Field(
                description="The time to convert, for example: 15:30, 3 pm, tomorrow 09:00, "
                "2026-12-24T18:00, now",
                min_length=1,
                max_length=40,
            ),
        ],
        from_place: Place,
        to_place: Place,
    ) -> Result:
        """What a time in one place is in another. Daylight saving is taken care of."""
        source = zone_of(from_place, argument="from_place")
        target = zone_of(to_place, argument="to_place")
        try:
            moment = read_moment(time, argument="time", zone=source, now=access.now())
            return _converted(moment, target)
        except OverflowError:
            raise ToolError("time: is too far away; give a year from 2 to 9998") from None

    @tool()
    async def days_between(access: Access, start: Day, end: Day) -> str:
        """How many days lie from one date to another."""
        today = access.now().astimezone(home).date()
        first = read_date(start, argument="start", today=today)
        last = read_date(end, argument="end", today=today)
        return _span(first, last)

    @tool()
    async def add_days(
        access: Access,
        date: Day,
        days: Annotated[
            int,
            Field(description="Days to add; negative goes back", ge=-MOST_DAYS, le=MOST_DAYS),
        ],
    ) -> str:
        """The date that lies some days after or before another, with its day of the week."""
        today = access.now().astimezone(home).date()
        start = read_date(date, argument="date", today=today)
        try:
            end = start + timedelta(days=days)
        except OverflowError:
            raise ToolError("days: the date must stay within the years 1 to 9999") from None
        return f"{start} {'+' if days >= 0 else '-'} {abs(days)} days = {end} ({day_words(end)})"

    return current_time, convert_time, days_between, add_days


def _said(words: str, at: datetime) -> Result:
    return Result(content=f"{words}.", artifact={"time": at.isoformat()})


def _converted(moment: Moment, target: tzinfo) -> Result:
    there = moment.at.astimezone(target)
    words = f"{moment.note}{moment_words(moment.at)} is {moment_words(there)}"
    if moment.second is not None:
        again = moment.second.astimezone(target)
        words += f" the first time, {again:%H:%M} {zone_words(again)} the second time"
    return _said(words, there)


def _span(first: date, last: date) -> str:
    days = (last - first).days
    weeks, rest = divmod(abs(days), 7)
    start = min(first, last)
    workdays = weeks * 5 + sum((start + timedelta(days=each)).weekday() < 5 for each in range(rest))
    return (
        f"From {first} ({day_words(first)}) to {last} ({day_words(last)}): {days} days "
        f"({weeks} weeks and {rest} days; {workdays} days are Monday to Friday, "
        "the later date not counted)"
    )


@asynccontextmanager
async def _opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    yield clock_tools(ZoneInfo(setup.options.timezone))


plugin = Plugin(
    manifest=Manifest(
        name="clock",
        version="0.1.0",
        side_effect=SideEffect.NONE,
        description="Tells the time anywhere, converts times, counts days.",
        limits=Limits(seconds=2, output_chars=2_000),
    ),
    open=_opened,
    options=ClockOptions,
)
