"""SearXNG, a metasearch engine that anybody can run (docs.searxng.org/dev/search_api)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from plugins.search.providers.answers import Loose, answer_to, plain, results_in, title_of
from plugins.search.results import Found, Wanted, as_date

_SYNTAX = re.compile(r"(?:^|(?<=\s))[!:<?]+(?=\S)")
"""SearXNG takes ``!name`` for an engine, ``!!name`` for a redirect to another site, ``:xx`` for a
language and ``<3`` for a time: words of a query are none of these."""


class _Row(Loose):
    url: str
    title: str | None = None
    content: str | None = None
    publishedDate: str | None = None  # noqa: N815 - SearXNG's name


class _Rows(Loose):
    results: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearXNG:
    """One instance; ``formats: [html, json]`` must stand in its settings.

    Attributes:
        url: of the instance.
        categories, engines, language: as SearXNG calls them; its own defaults when empty.
    """

    url: str
    categories: str = ""
    engines: str = ""
    language: str = ""

    async def search(self, wanted: Wanted, http: httpx.AsyncClient) -> Sequence[Found]:
        """See :class:`~plugins.search.results.Provider`."""
        query = _SYNTAX.sub("", wanted.query)
        form = {
            "q": query if wanted.site is None else f"{query} site:{wanted.site}",
            "format": "json",
            "time_range": wanted.freshness.value if wanted.freshness else "",
            "categories": self.categories,
            "engines": self.engines,
            "language": self.language,
        }
        given = {name: value for name, value in form.items() if value}
        # A form, not an address: addresses are what servers write into their logs.
        answer = await answer_to(http, "POST", f"{self.url}/search", _Rows, form=given)
        return results_in(answer.results, _Row, _found)


def _found(row: _Row) -> Found:
    return Found(
        url=row.url,
        title=title_of(row.title, row.url),
        text=plain(row.content),
        date=as_date(row.publishedDate),
    )
