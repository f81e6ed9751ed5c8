"""Asks all providers at once; those that fail or are late are left out."""

import asyncio
import hashlib
import logging
from dataclasses import dataclass

import httpx
import orjson
from pydantic import TypeAdapter, ValidationError

from guards.conversation import Confidentiality
from plugins.access import Store
from plugins.errors import AccessDeniedError, ToolError
from plugins.search.results import Found, Provider, ProviderError, Wanted

_CACHED = TypeAdapter(tuple[Found, ...])
_CACHE_VERSION = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A provider, and how it is asked.

    Attributes:
        name: for messages.
        provider: does it.
        reads: class of what it finds.
        local: whether it is on this machine: its results have names rather than addresses, and
            keeping them elsewhere would only make copies.
        identity: the same for the same source; part of the name under which results are kept.
    """

    name: str
    provider: Provider
    reads: Confidentiality
    local: bool
    identity: str

    @property
    def cached(self) -> bool:
        """Whether its results may be kept where all users' searches find them."""
        return not self.local and self.reads is Confidentiality.PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A provider that gave nothing, and why in a fixed phrase."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A provider's results."""

    seat: Seat
    results: tuple[Found, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The providers, how long each may take, and what is remembered of them.

    Attributes:
        seats: at least one.
        seconds: for each to answer.
        cache: shared by all users.
        cache_seconds: how long public results are kept; 0 keeps none.
    """

    seats: tuple[Seat, ...]
    seconds: float
    cache: Store
    cache_seconds: float

    async def ask(self, wanted: Wanted, http: httpx.AsyncClient) -> list[Listed]:
        """What each provider found, those left out that failed or were late.

        Raises:
            ToolError: none answered.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._asked(seat, wanted, http)) for seat in self.seats]
        answers = [task.result() for task in tasks]
        failed = [answer for answer in answers if isinstance(answer, Failed)]
        for failure in failed:
            _log.warning("search provider %s %s", failure.name, failure.reason)
        if len(failed) == len(answers):
            reasons = "; ".join(f"{failure.name} {failure.reason}" for failure in failed)
            raise ToolError(f"searching failed: {reasons}")
        return [answer for answer in answers if isinstance(answer, Listed)]

    async def _asked(self, seat: Seat, wanted: Wanted, http: httpx.AsyncClient) -> Listed | Failed:
        key = _key(seat, wanted)
        kept = await self._kept(seat, key)
        if kept is not None:
            return Listed(seat=seat, results=kept)
        try:
            async with asyncio.timeout(self.seconds):
                results = tuple(await seat.provider.search(wanted, http))
        except (TimeoutError, httpx.TimeoutException):
            return Failed(name=seat.name, reason="did not answer in time")
        except ProviderError as error:
            return Failed(name=seat.name, reason=str(error))
        except AccessDeniedError:
            return Failed(name=seat.name, reason="is at an address that is not allowed")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Failed(name=seat.name, reason="cannot be reached")
        if seat.cached and self.cache_seconds:
            try:
                await self.cache.put(key, orjson.dumps(results), ttl=self.cache_seconds)
            except ToolError:
                _log.info("results of search provider %s are too large to keep", seat.name)
        return Listed(seat=seat, results=results)

    async def _kept(self, seat: Seat, key: str) -> tuple[Found, ...] | None:
        if not seat.cached or not self.cache_seconds:
            return None
        value = await self.cache.get(key)
        if value is None:
            return None
        try:
            return _CACHED.validate_json(value)
        except ValidationError:
            return None


def _key(seat: Seat, wanted: Wanted) -> str:
    """A digest: nobody who reads the cache's keys learns what was searched for."""
    asked = [
        _CACHE_VERSION,
        seat.identity,
        wanted.query.casefold(),
        wanted.site,
        wanted.freshness,
        wanted.count,
    ]
    return "results " + hashlib.sha256(orjson.dumps(asked)).hexdigest()
