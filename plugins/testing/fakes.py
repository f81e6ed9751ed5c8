"""A store, a clock and the whole of :class:`~plugins.access.Access`, without anything real."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from plugins.access import Access, Person
from plugins.errors import ToolError
from plugins.manifest import ANY_PUBLIC_HOST
from plugins.testing.http import Answer, FakeHTTP

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_MOST = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class FakeClock:
    """Stands still until it is told to go on."""

    time: datetime = NOON

    def now(self) -> datetime:
        """The time."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Go on."""
        self.time += timedelta(seconds=seconds)


class FakeStore:
    """Keeps values in a dictionary; they expire by ``clock``.

    Attributes:
        values: what is kept, and until when.
        writes: keys in the order they were put or deleted.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self._clock = clock or FakeClock()
        self.values: dict[str, tuple[bytes, datetime]] = {}
        self.writes: list[str] = []

    async def get(self, key: str) -> bytes | None:
        """See :class:`~plugins.access.Store`."""
        value, until = self.values.get(key, (None, NOON))
        return value if value is not None and self._clock.now() < until else None

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """See :class:`~plugins.access.Store`."""
        if len(value) > _MOST:
            raise ToolError(f"a value to keep has {len(value)} bytes; at most {_MOST} are right")
        if not 0 < ttl < float("inf"):
            raise ValueError("ttl must be a positive number of seconds")
        self.writes.append(key)
        self.values[key] = (value, self._clock.now() + timedelta(seconds=ttl))

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        """See :class:`~plugins.access.Store`."""
        if await self.get(key) != expected:
            return False
        await self.put(key, value, ttl=ttl)
        return True

    async def delete(self, key: str) -> None:
        """See :class:`~plugins.access.Store`."""
        self.writes.append(key)
        self.values.pop(key, None)


def access(
    *,
    http: Answer | FakeHTTP | None = None,
    hosts: Iterable[str] = (ANY_PUBLIC_HOST,),
    secrets: Mapping[str, str] | None = None,
    person: Person | None = None,
    store: FakeStore | None = None,
    clock: FakeClock | None = None,
    progress: Callable[[str], None] | None = None,
    key: str = "key-1",
) -> Access:
    """One call's means, all of them fake; for calling ``Tool.run`` itself.

    ``http`` answers requests to ``hosts``; without it every request fails to connect.
    """
    clock = clock or FakeClock()
    network = http if isinstance(http, FakeHTTP) else FakeHTTP(http, hosts=hosts)
    return Access(
        http=network.client(),
        secrets=dict(secrets or {}),
        person=person or Person(pseudonym="person-1"),
        store=store or FakeStore(clock),
        now=clock.now,
        progress=progress or (lambda _text: None),
        key=key,
    )
