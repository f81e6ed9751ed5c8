"""Several providers' results as one list."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from guards.conversation import Confidentiality
from plugins.index.hits import fused
from plugins.index.likeness import alike, fingerprint
from plugins.search.addresses import belongs, canonical, host_of
from plugins.search.asking import Listed, Seat
from plugins.search.results import Found, Wanted

LOCAL_SCHEME = "kb:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page of the list.

    Attributes:
        url, title, text, date: as the provider that placed it highest says; the longest text.
        key: the same for all spellings of its address.
        reads: the highest class of the providers that found it.
        providers: which did.
    """

    url: str
    title: str
    text: str
    date: datetime | None
    key: str
    reads: Confidentiality
    providers: tuple[str, ...]

    @property
    def public(self) -> bool:
        """Whether it is a page of the web, rather than a document of this machine."""
        return not self.url.startswith(LOCAL_SCHEME)

    @property
    def site(self) -> str:
        """Where it is from, for people."""
        return (host_of(self.url) or "").removeprefix("www.") if self.public else ""


def merged(lists: Sequence[Listed], wanted: Wanted) -> list[Entry]:
    """What meets the filters, best first, each page once: reciprocal rank fusion."""
    found: dict[str, list[tuple[Seat, Found]]] = {}
    rankings: list[list[str]] = []
    for listed in lists:
        ranking: list[str] = []
        for result in listed.results:
            key = _key(listed.seat, result)
            if key is None or not fits(result.url, result.date, wanted):
                continue
            if key not in ranking:
                ranking.append(key)
            found.setdefault(key, []).append((listed.seat, result))
        rankings.append(ranking)
    return _distinct(_entry(key, found[key]) for key, _ in fused(rankings))


def fits(url: str, date: datetime | None, wanted: Wanted) -> bool:
    """Whether a result is from where and when it was wanted; an unknown date is taken to be."""
    if wanted.site is not None and not belongs(url, wanted.site):
        return False
    since = wanted.since
    return since is None or date is None or date >= since


def _key(seat: Seat, result: Found) -> str | None:
    if seat.local and result.url.startswith(LOCAL_SCHEME):
        return result.url
    return canonical(result.url)


def _entry(key: str, found: Sequence[tuple[Seat, Found]]) -> Entry:
    best = found[0][1]
    secret = any(seat.reads is not Confidentiality.PUBLIC for seat, _ in found)
    return Entry(
        url=best.url,
        title=best.title,
        text=max((result.text for _, result in found), key=len),
        date=next((result.date for _, result in found if result.date is not None), None),
        key=key,
        reads=Confidentiality.TENANT if secret else Confidentiality.PUBLIC,
        providers=tuple(dict.fromkeys(seat.name for seat, _ in found)),
    )


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Without those that say what a better one does."""
    chosen: list[Entry] = []
    prints: list[frozenset[tuple[str, str]]] = []
    for entry in entries:
        mark = fingerprint(entry.text)
        if not any(alike(mark, other) for other in prints):
            chosen.append(entry)
            prints.append(mark)
    return chosen
