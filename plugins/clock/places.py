"""Zones by the names that people give them."""

import re
import unicodedata
from datetime import timedelta, timezone, tzinfo
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from plugins.errors import ToolError

LONGEST = 60
"""Characters of a place's name."""

_ELSEWHERE = {
    "Africa/Johannesburg": "cape town, durban, pretoria, south africa",
    "Africa/Cairo": "alexandria, egypt",
    "Africa/Lagos": "abuja, nigeria",
    "Africa/Nairobi": "kenya",
    "America/Chicago": "austin, cst, cdt, ct, central time, dallas, houston, memphis, milwaukee, "
    "minneapolis, nashville, new orleans, san antonio",
    "America/Denver": "colorado, mst, mdt, mt, mountain time, salt lake city, albuquerque",
    "America/Los_Angeles": "la, california, las vegas, pacific time, pdt, portland, pst, pt, "
    "sacramento, san diego, san francisco, san jose, seattle, silicon valley",
    "America/New_York": "atlanta, baltimore, boston, charlotte, cleveland, eastern time, edt, est, "
    "et, miami, new york city, nyc, orlando, philadelphia, pittsburgh, washington, "
    "washington dc, washington d c",
    "America/Sao_Paulo": "brasilia, brazil, rio, rio de janeiro",
    "America/Argentina/Buenos_Aires": "argentina",
    "America/Toronto": "ottawa, montreal, quebec",
    "America/Edmonton": "calgary",
    "Asia/Bangkok": "thailand",
    "Asia/Dubai": "abu dhabi, emirates, uae",
    "Asia/Ho_Chi_Minh": "hanoi, saigon, vietnam",
    "Asia/Jakarta": "indonesia, java",
    "Asia/Jerusalem": "israel",
    "Asia/Karachi": "islamabad, lahore, pakistan",
    "Asia/Kolkata": "bangalore, bengaluru, bombay, calcutta, chennai, delhi, hyderabad, india, "
    "mumbai, new delhi, pune",
    "Asia/Manila": "philippines",
    "Asia/Makassar": "bali, denpasar",
    "Asia/Riyadh": "jeddah, mecca, saudi arabia",
    "Asia/Seoul": "busan, korea, kst, south korea",
    "Asia/Shanghai": "beijing, peking, china, guangzhou, shenzhen, wuhan",
    "Asia/Taipei": "taiwan",
    "Asia/Tokyo": "japan, jst, kyoto, osaka",
    "Asia/Hong_Kong": "hkt",
    "Asia/Singapore": "sgt",
    "Atlantic/Reykjavik": "iceland",
    "Australia/Sydney": "canberra, aest, aedt",
    "Australia/Perth": "awst",
    "Europe/Amsterdam": "holland, netherlands, rotterdam, the hague",
    "Europe/Athens": "greece",
    "Europe/Berlin": "cologne, frankfurt, germany, hamburg, munich, munchen, stuttgart, cet, cest, "
    "central european time",
    "Europe/Brussels": "belgium",
    "Europe/Copenhagen": "denmark",
    "Europe/Dublin": "ireland",
    "Europe/Helsinki": "finland, eet, eest",
    "Europe/Istanbul": "ankara, turkey",
    "Europe/Kyiv": "kiev, ukraine",
    "Europe/Lisbon": "porto, portugal, wet, west",
    "Europe/London": "bst, birmingham, britain, edinburgh, england, glasgow, great britain, "
    "manchester, scotland, uk, united kingdom, wales",
    "Europe/Madrid": "barcelona, seville, spain, valencia",
    "Europe/Moscow": "msk, saint petersburg, st petersburg",
    "Europe/Oslo": "norway",
    "Europe/Paris": "france, lyon, marseille, nice",
    "Europe/Prague": "czech republic, czechia",
    "Europe/Rome": "florence, italy, milan, naples, turin, venice",
    "Europe/Stockholm": "sweden",
    "Europe/Vienna": "austria, salzburg",
    "Europe/Warsaw": "krakow, poland",
    "Europe/Zurich": "basel, bern, geneva, switzerland",
    "Pacific/Auckland": "christchurch, new zealand, nzst, nzdt, wellington",
    "Pacific/Honolulu": "hawaii",
    "UTC": "gmt, universal time, utc, z, zulu",
}
_SEVERAL = {
    "ist": "Asia/Kolkata, Europe/Dublin or Asia/Jerusalem",
    "australia": "Sydney, Adelaide, Darwin, Brisbane or Perth",
    "brasil": "Sao Paulo or Manaus",
    "canada": "Toronto, Winnipeg, Edmonton, Vancouver or Halifax",
    "mexico": "Mexico City, Cancun or Tijuana",
    "russia": "Moscow, Yekaterinburg or Vladivostok",
    "usa": "New York, Chicago, Denver or Los Angeles",
    "us": "New York, Chicago, Denver or Los Angeles",
    "united states": "New York, Chicago, Denver or Los Angeles",
}
_OFFSET = re.compile(r"(?:utc|gmt)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)


def zone_of(place: str, *, argument: str) -> tzinfo:
    """The zone of a city, of a zone's name or abbreviation, or at an offset (``UTC+2``).

    Raises:
        ToolError: naming ``argument``, when the place is unknown or has several zones.
    """
    offset = _OFFSET.fullmatch(place.strip())
    if offset is not None:
        return _at_offset(*offset.groups(), argument=argument)
    known = _zones()
    name = _plain(place)
    if name in _SEVERAL:
        raise ToolError(f"{argument}: may be several zones; name one: {_SEVERAL[name]}")
    for candidate in (name, _plain(place.partition(",")[0])):
        if candidate in known:
            return ZoneInfo(known[candidate])
    near = get_close_matches(name[:LONGEST], known, n=2, cutoff=0.75)
    hint = f"did you mean {' or '.join(map(known.__getitem__, near))}? " if near else ""
    raise ToolError(
        f"{argument}: is no place known here; {hint}Give a large city (Tokyo) or a zone "
        "(Europe/Paris, UTC+2)"
    )


def _at_offset(sign: str, hours: str, minutes: str | None, *, argument: str) -> tzinfo:
    size = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if size > timedelta(hours=14) or int(minutes or 0) > 59:
        raise ToolError(f"{argument}: offsets go from -14:00 to +14:00")
    return timezone(-size if sign == "-" else size)


@cache
def _zones() -> dict[str, str]:
    """Zone names by plain name: the zone's own, its last part, and those of other cities."""
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    found = {_plain(name.rpartition("/")[2]): name for name in names if "/" in name}
    found |= {_plain(name): name for name in names}
    for zone, others in _ELSEWHERE.items():
        found |= dict.fromkeys(map(_plain, others.split(",")), zone)
    return found


def _plain(name: str) -> str:
    """Without case, accents and punctuation."""
    spelled = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(mark for mark in spelled if not unicodedata.combining(mark))
    return " ".join(re.sub(r"[_.,\-]", " ", letters).split())
