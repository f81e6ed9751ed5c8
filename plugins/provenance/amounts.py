"""The ways in which people write a number, a date or a time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation

from plugins.provenance.spelling import places, stands

_AMOUNT = re.compile(r"[-+]?[$€£¥]?\s?(\d{1,3}(?:,\d{3})+|\d{1,15})(\.\d{1,6})?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[t ](\d\d?):(\d\d)(?::(\d\d)(?:\.0+)?)?)?", re.ASCII
)
_TIME = re.compile(r"(\d\d?):(\d\d)(?::00)?", re.ASCII)
_YEAR = re.compile(r"[\s,]*(?:of |in )?(\d{4})(?!\d)", re.ASCII)
_YEARS = re.compile(r"(?<!\d)\d{4}(?!\d)", re.ASCII)
_HALF = re.compile(r"\s?(?:am|pm|a\.m|p\.m)\b")
_WORDS = [
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
]
_MONTHS = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_MONTH_BEFORE = re.compile(rf"\b(?:{_MONTH})\.?\s(?:the\s)?$")
_MONTH_AFTER = re.compile(rf"\s(?:of\s)?(?:{_MONTH})\b|\s?月|\s?日")


def amount(value: object) -> Decimal | None:
    """``value`` as an amount: a number, or a text that is one, with a currency sign or not."""
    match value:
        case bool():
            return None
        case int() | float():
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                return None
            return number if number.is_finite() and abs(number) < Decimal(10) ** 15 else None
        case str() if found := _AMOUNT.fullmatch(value):
            whole = found.group(1).replace(",", "")
            if len(whole) > 1 and whole.startswith("0"):
                return None  # an identifier
            sign = "-" if value.startswith("-") else ""
            return Decimal(f"{sign}{whole}{found.group(2) or ''}")
        case _:
            return None


def names_amount(number: Decimal, text: str) -> bool:
    """Whether ``text`` names exactly this number, as figures or as a word up to twelve."""
    size = abs(number)
    whole = int(size)
    if str(whole) not in text and whole < 1_000 and (size != whole or whole >= len(_WORDS)):
        return False  # every spelling has these figures in it
    return any(_signed(number, spelling, text) for spelling in _figures(size))


def _signed(number: Decimal, spelling: str, text: str) -> bool:
    for place in places(spelling, text):
        before = text[place - 1 : place]
        negative = before in ("-", "−") and before != ""
        if negative == (number < 0) and not _dates(spelling, text, place):
            return True
    return False


def _dates(spelling: str, text: str, place: int) -> bool:
    """Whether a number is the day in "June 13" or "13 of June": that names no other thing."""
    if len(spelling) > 2:
        return False
    return bool(
        _MONTH_BEFORE.search(text, max(0, place - 16), place)
        or _MONTH_AFTER.match(text, place + len(spelling))
    )


def _figures(number: Decimal) -> Iterator[str]:
    whole, rest = divmod(number.normalize() if number else Decimal(0), 1)
    if rest:
        places_needed = -int(rest.normalize().as_tuple().exponent)
        widths = [places_needed] if places_needed > 1 else [1, 2]
        fractions = [f"{rest:.{width}f}"[2:] for width in widths]
    else:
        fractions = ["", "0", "00"]
    plain, grouped = f"{int(whole)}", f"{int(whole):,}"
    for fraction in fractions:
        for figure in (plain, grouped, grouped.replace(",", " "), grouped.replace(",", "'")):
            yield f"{figure}.{fraction}" if fraction else figure
        if fraction:
            yield f"{grouped.replace(',', '.')},{fraction}"
    if not rest and whole < len(_WORDS):
        yield _WORDS[int(whole)]
    for size, names in ((1_000, ("k", " thousand")), (1_000_000, ("m", " million"))):
        share = number / size
        if share >= 1 and share == share.quantize(Decimal("0.1")):
            for name in names:
                yield f"{share.normalize():f}{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A date, a time of day, or both."""

    day: date | None
    clock: time | None


def moment(value: str) -> Moment | None:
    """A plain value as a moment, or ``None``. One with a time zone is none: its offset would be
    a component that has to be written as such."""
    if found := _TIME.fullmatch(value):
        parts = (None, *(int(part) for part in found.groups()))
        return _moment(None, parts[1], parts[2])
    if found := _MOMENT.fullmatch(value):
        year, month, day, hour, minute, second = found.groups()
        try:
            on = date(int(year), int(month), int(day))
        except ValueError:
            return None
        if second not in (None, "00"):
            return None
        return _moment(on, None if hour is None else int(hour), int(minute or 0))
    return None


def _moment(day: date | None, hour: int | None, minute: int | None) -> Moment | None:
    if hour is None:
        return Moment(day=day, clock=None)
    try:
        return Moment(day=day, clock=time(hour, minute or 0))
    except ValueError:
        return None


def names_moment(moment: Moment, text: str) -> bool:
    """Whether ``text`` names every component of ``moment``.

    The year may be left out, as people do, but not be another one. The time may be one that is
    named plus a length of time that is named ("at 12:00 for one hour"). The ends of a day are in
    naming the day.
    """
    if moment.day is not None:
        written = moment.day.isoformat()
        text = text.replace(f"{written}t", f"{written} ")  # the sign between date and time
        if not _names_day(moment.day, text):
            return False
    if moment.clock is None or (moment.day is not None and moment.clock in _ENDS):
        return True
    return _names_clock(moment.clock, text) or _names_end(moment.clock, text)


def _names_day(day: date, text: str) -> bool:
    y, m, d = day.year, day.month, day.day
    if str(d) not in text:
        return False  # every spelling has these figures in it
    return (str(y) in text and _names_date(y, m, d, text)) or _names_day_of_month(y, m, d, text)


def _names_date(y: int, m: int, d: int, text: str) -> bool:
    full = [f"{y}-{m:02}-{d:02}", f"{y}/{m:02}/{d:02}", f"{y}年{m}月{d}日"]
    for a, b in ((f"{m:02}", f"{d:02}"), (f"{m}", f"{d}")):
        full += [f"{y}-{a}-{b}", f"{y}/{a}/{b}", f"{b}.{a}.{y}", f"{a}/{b}/{y}", f"{b}/{a}/{y}"]
    return any(stands(spelling, text) for spelling in full)


def _names_day_of_month(y: int, m: int, d: int, text: str) -> bool:
    name = _MONTHS[m - 1]
    for month in (name, name[:3], f"{name[:3]}."):
        if not stands(month, text):
            continue
        for number in (f"{d}", f"{d}{_suffix(d)}"):
            for spelling in (
                f"{month} {number}",
                f"{month} the {number}",
                f"{number} {month}",
                f"{number} of {month}",
            ):
                if _in_year(spelling, y, text):
                    return True
        # "from the 13th to the 17th of May": the month stands once for both.
        if _near(f"{d}{_suffix(d)}", month, y, text):
            return True
    return _in_year(f"{m}月{d}日", y, text)


def _in_year(spelling: str, year: int, text: str) -> bool:
    for place in places(spelling, text):
        said = _YEAR.match(text, place + len(spelling))
        if said is None or int(said.group(1)) == year:
            return True
    return False


def _near(ordinal: str, month: str, year: int, text: str) -> bool:
    for place in places(ordinal, text):
        around = text[max(0, place - 40) : place + 40]
        years = _YEARS.findall(around)
        if years and str(year) not in years:
            continue
        if any(_in_year(month, year, around) for _ in places(month, around)):
            return True
    return False


def _suffix(day: int) -> str:
    if day in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _names_clock(clock: time, text: str) -> bool:
    hour, minute = clock.hour, clock.minute
    for spelling in {f"{hour:02}:{minute:02}", f"{hour}:{minute:02}", f"{hour}h{minute:02}"}:
        for place in places(spelling, text):
            if not _HALF.match(text, place + len(spelling)):
                return True
    twelve, half = (hour % 12 or 12), ("am" if hour < 12 else "pm")
    spellings = [f"{twelve}:{minute:02}{gap}{half}" for gap in ("", " ")]
    spellings += [f"{twelve}:{minute:02} {half[0]}.m"]
    if minute == 0:
        spellings += [f"{twelve}{gap}{half}" for gap in ("", " ")]
        spellings += [f"{twelve} {half[0]}.m", f"{hour}点", f"{hour} o'clock", f"{hour}h"]
        spellings += {0: ["midnight"], 12: ["noon", "midday"]}.get(hour, [])
    return any(stands(spelling, text) for spelling in spellings)


def _lengths() -> list[tuple[int, list[str]]]:
    """Usual lengths of time in minutes, and how they are written."""
    found = [(30, ["half an hour", "half-hour"]), (60, ["an hour"])]
    for hours in range(1, 13):
        figures = (str(hours), _WORDS[hours])
        spelled = [f"{n}{gap}{unit}" for n in figures for gap in " -" for unit in ("hour", "hours")]
        found.append((hours * 60, [*spelled, f"{hours}h", f"{hours}小时"]))
    for minutes in (5, 10, 15, 20, 25, 30, 40, 45, 50, 60, 75, 90, 120):
        units = ("minutes", "minute", "min", "mins")
        spelled = [f"{minutes}{gap}{unit}" for gap in " -" for unit in units]
        found.append((minutes, [*spelled, f"{minutes}分钟"]))
    return found


_ENDS = (time(0, 0), time(23, 59))
_LENGTHS = _lengths()
_UNITS = ("hour", "min", "小时", "分钟", *(f"{hours}h" for hours in range(1, 10)))


def _names_end(clock: time, text: str) -> bool:
    if not any(unit in text for unit in _UNITS):
        return False
    at = clock.hour * 60 + clock.minute
    for minutes, spellings in _LENGTHS:
        start = at - minutes
        if start < 0 or not any(stands(spelling, text) for spelling in spellings):
            continue
        if _names_clock(time(start // 60, start % 60), text):
            return True
    return False
