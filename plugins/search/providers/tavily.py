"""The Tavily search API (docs.tavily.com)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from plugins.search.providers.answers import Loose, answer_to, plain, results_in, title_of
from plugins.search.results import Found, Wanted, as_date

_QUERY_CHARS = 400
_MOST = 20


class _Row(Loose):
    url: str
    title: str | None = None
    content: str | None = None
    published_date: str | None = None


class _Rows(Loose):
    results: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tavily:
    """The service at ``url``, with a key."""

    url: str
    key: str = field(repr=False)

    async def search(self, wanted: Wanted, http: httpx.AsyncClient) -> Sequence[Found]:
        """See :class:`~plugins.search.results.Provider`."""
        question: dict[str, Any] = {
            "query": wanted.query[:_QUERY_CHARS],
            "search_depth": "basic",
            "max_results": min(wanted.count, _MOST),
        }
        if wanted.site is not None:
            question["include_domains"] = [wanted.site]
        if wanted.freshness is not None:
            question["time_range"] = wanted.freshness.value
        answer = await answer_to(
            http,
            "POST",
            f"{self.url}/search",
            _Rows,
            headers={"Authorization": f"Bearer {self.key}"},
            json=question,
        )
        return results_in(answer.results, _Row, _found)


def _found(row: _Row) -> Found:
    return Found(
        url=row.url,
        title=title_of(row.title, row.url),
        text=plain(row.content),
        date=as_date(row.published_date),
    )
