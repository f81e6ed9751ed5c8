"""The time that a reminder is for."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from plugins.clock.moments import read_moment
from plugins.clock.places import zone_of
from plugins.errors import ToolError
from plugins.reminders.book import FURTHEST

_SECONDS = {
    "second": 1, "sec": 1, "s": 1,
    "minute": 60, "min": 60, "m": 60,
    "hour": 3600, "hr": 3600, "h": 3600,
    "day": 86_400, "d": 86_400,
    "week": 604_800, "w": 604_800,
}  # fmt: skip
_PART = re.compile(r"(\d{1,6}|an?|half an?)\s*([a-z]+?)s?(?![a-z])(?:\s*,?\s*(?:and\s+)?)")
_COUNTS = {"a": 1.0, "an": 1.0, "half a": 0.5, "half an": 0.5}
_HAS_OFFSET = re.compile(r".*\d\s*(z|[+-]\d{2}:?\d{2})", re.IGNORECASE)


def read_when(at: str, *, place: str | None, home: tzinfo | None, now: datetime) -> datetime:
    """``in 20 minutes``, or a clock time in ``place``, at ``home`` or with an offset of its own.

    Raises:
        ToolError: it is no time, says not where, has passed or is too far away.
    """
    words = " ".join(at.lower().split()).removeprefix("at ")
    when = now + _span(words) if words.startswith("in ") else _clock(words, place, home, now)
    when = when.replace(microsecond=0)
    if when <= now:
        raise ToolError("at: has passed already; give a time to come, or say tomorrow")
    if when - now > FURTHEST:
        raise ToolError("at: is more than two years away")
    return when


def _clock(words: str, place: str | None, home: tzinfo | None, now: datetime) -> datetime:
    zone = zone_of(place, argument="place") if place and place.strip() else home
    if zone is None and not _HAS_OFFSET.fullmatch(words):
        raise ToolError(
            "place: say in which place or zone that time is, such as Paris, or give at an "
            "offset, such as 2026-12-24T18:00+01:00"
        )
    try:
        return read_moment(words, argument="at", zone=zone or UTC, now=now).at
    except OverflowError:
        raise ToolError("at: is more than two years away") from None


def _span(words: str) -> timedelta:
    rest = words.removeprefix("in ").strip()
    seconds = 0.0
    while rest:
        match = _PART.match(rest)
        if match is None or match[2] not in _SECONDS:
            raise ToolError("at: must be like in 20 minutes, in 2 hours 30 minutes or in 3 days")
        count, unit = match[1], _SECONDS[match[2]]
        seconds += unit * (
            0.5 if count.startswith("half") else 1 if count[0] == "a" else int(count)
        )
        rest = rest[match.end() :]
    return timedelta(seconds=min(seconds, 10 * FURTHEST.total_seconds()))
