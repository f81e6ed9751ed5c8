"""What is asked of a provider, and what it finds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Protocol

import httpx

_DAY_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class Freshness(StrEnum):
    """How old a result may be."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def days(self) -> int:
        """The same in days."""
        match self:
            case Freshness.DAY:
                return 1
            case Freshness.WEEK:
                return 7
            case Freshness.MONTH:
                return 31
            case Freshness.YEAR:
                return 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A search.

    Attributes:
        query: words, or a question.
        site: host name that results must be from, its subdomains included.
        freshness: how old results may be.
        count: results at most, of one provider.
        now: the time of the search, with its zone.
    """

    query: str
    site: str | None
    freshness: Freshness | None
    count: int
    now: datetime

    @property
    def since(self) -> datetime | None:
        """The oldest date a result may have."""
        return None if self.freshness is None else self.now - timedelta(days=self.freshness.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One result. ``text`` is what the provider quotes of it; ``date`` has its zone."""

    url: str
    title: str
    text: str
    date: datetime | None = None


class ProviderError(Exception):
    """A provider gave nothing that can be used; the message says why in a fixed phrase."""


class Provider(Protocol):
    """Somewhere to search."""

    async def search(self, wanted: Wanted, http: httpx.AsyncClient) -> Sequence[Found]:
        """Results, best first; as many as there are, in whatever state.

        Raises:
            ProviderError: it answered with what is no list of results.
            AccessDeniedError: it may not be reached.
            httpx.HTTPError: it cannot be reached.
        """


def as_date(text: str | None) -> datetime | None:
    """The date that a provider wrote, in ISO 8601 or as in mail; ``None`` for what is none."""
    if not text or len(text) > 64:
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(text.strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if _DAY_ONLY.match(text.strip()):
            # The day's end: who asks for a day's news wants that of yesterday evening too.
            date += timedelta(hours=23, minutes=59)
        return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return None
