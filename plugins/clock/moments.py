"""Dates and times read from words, and said in words, the same in every locale."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from plugins.errors import ToolError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_RELATIVE = {"today": 0, "tomorrow": 1, "yesterday": -1}
_NAMED = {"noon": time(12), "midday": time(12), "midnight": time(0)}
_DATE = r"\d{4}-\d{2}-\d{2}"
_DAY = rf"(?P<date>{_DATE}|today|tomorrow|yesterday)"
_MOMENT = re.compile(rf"{_DAY}?[t\s,]*(?P<clock>.*)", re.IGNORECASE)
_TRAILING = re.compile(rf"(?P<clock>.+?)\s+(?:on\s+)?{_DAY}", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?(?::(?P<second>\d{2}))?\s*(?P<half>[ap]\.?m\.?)?"
)
_OFFSET = re.compile(r"(.*\d)\s*(z|[+-]\d{2}:?\d{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time as somebody's clock shows it.

    Attributes:
        at: with its zone.
        second: the other point that the same clock time names, when clocks go back.
        note: what is odd about it, or empty.
    """

    at: datetime
    second: datetime | None = None
    note: str = ""


def read_date(text: str, *, argument: str, today: date) -> date:
    """A date such as ``2026-12-24``, or today, tomorrow, yesterday.

    Raises:
        ToolError: naming ``argument``, when it is none.
    """
    word = text.strip().lower()
    if word in _RELATIVE:
        return today + timedelta(days=_RELATIVE[word])
    try:
        if not re.fullmatch(_DATE, word):
            raise ValueError
        return date.fromisoformat(word)
    except ValueError:
        raise ToolError(f"{argument}: must be a date like 2026-12-24, or today") from None


def read_moment(text: str, *, argument: str, zone: tzinfo, now: datetime) -> Moment:
    """A time such as ``15:30``, ``3 pm``, ``tomorrow noon`` or ``2026-12-24T18:00`` in ``zone``.

    Without a date it is today there; an offset written behind it stands for the zone.

    Raises:
        ToolError: naming ``argument``, when it is none.
    """
    words = " ".join(text.lower().split())
    here = now.astimezone(zone)
    if words == "now":
        return Moment(at=here)
    offset = _OFFSET.fullmatch(words)
    if offset is not None and not re.fullmatch(_DATE, words):
        words, zone = offset[1], _fixed(offset[2], argument)
        here = now.astimezone(zone)
    match = _TRAILING.fullmatch(words) or _MOMENT.fullmatch(words)
    day = here.date()
    if match is not None and match["date"]:
        day = read_date(match["date"], argument=argument, today=day)
    return _placed(datetime.combine(day, _clock(match["clock"] if match else "", argument)), zone)


def _fixed(offset: str, argument: str) -> tzinfo:
    if offset == "z":
        return UTC
    try:
        zone = datetime.strptime(offset, "%z").tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise ToolError(f"{argument}: its offset must be like +02:00 or Z")
    return zone


def _clock(words: str, argument: str) -> time:
    if words in _NAMED:
        return _NAMED[words]
    match = _CLOCK.fullmatch(words)
    wrong = ToolError(
        f"{argument}: must be a time like 15:30, 3 pm, tomorrow 09:00 or 2026-12-24T18:00"
    )
    if match is None or not (match["minute"] or match["half"]):
        raise wrong
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise wrong
        hour = hour % 12 + (12 if match["half"].startswith("p") else 0)
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0))
    except ValueError:
        raise wrong from None


def _placed(naive: datetime, zone: tzinfo) -> Moment:
    """``naive`` on the clocks of ``zone``, which skip an hour and repeat one."""
    first, second = naive.replace(tzinfo=zone), naive.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return Moment(at=first)
    real = first.astimezone(UTC).astimezone(zone)
    if real.replace(tzinfo=None) != naive:
        note = f"{naive:%H:%M} does not exist there that day: clocks go forward. "
        return Moment(at=real, note=note)
    return Moment(at=first, second=second, note="That time comes twice: clocks go back. ")


def day_words(day: date) -> str:
    """``Sunday, 22 November 2026``."""
    return f"{_DAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment_words(at: datetime) -> str:
    """``21:00 on Sunday, 22 November 2026 in Asia/Tokyo (JST, UTC+09:00)``."""
    seconds = f":{at.second:02}" if at.second else ""
    return f"{at.hour:02}:{at.minute:02}{seconds} on {day_words(at.date())} {zone_words(at)}"


def zone_words(at: datetime) -> str:
    """``in Asia/Tokyo (JST, UTC+09:00)``."""
    shift = f"UTC{at:%z}"
    offset = f"{shift[:6]}:{shift[6:8]}"
    if not isinstance(at.tzinfo, ZoneInfo):
        return f"at {offset}"
    short = at.tzname() or ""
    return f"in {at.tzinfo.key} ({f'{short}, ' if short.isalpha() else ''}{offset})"
