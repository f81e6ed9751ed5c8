"""The Brave Search API (api-dashboard.search.brave.com)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from plugins.search.providers.answers import Loose, answer_to, plain, results_in, title_of
from plugins.search.results import Found, Freshness, Wanted, as_date

_QUERY_CHARS, _QUERY_WORDS = 400, 50
_MOST = 20
_FRESHNESS = {
    Freshness.DAY: "pd",
    Freshness.WEEK: "pw",
    Freshness.MONTH: "pm",
    Freshness.YEAR: "py",
}


class _Row(Loose):
    url: str
    title: str | None = None
    description: str | None = None
    page_age: str | None = None
    extra_snippets: list[str] | None = None


class _Web(Loose):
    results: tuple[Any, ...] = ()


class _Rows(Loose):
    type: str
    web: _Web | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brave:
    """The service at ``url``, with a key."""

    url: str
    key: str = field(repr=False)

    async def search(self, wanted: Wanted, http: httpx.AsyncClient) -> Sequence[Found]:
        """See :class:`~plugins.search.results.Provider`."""
        site = "" if wanted.site is None else f" site:{wanted.site}"
        words = wanted.query.split()[: _QUERY_WORDS - 1]
        params = {
            "q": " ".join(words)[: _QUERY_CHARS - len(site)] + site,
            "count": str(min(wanted.count, _MOST)),
            "text_decorations": "false",
            "result_filter": "web",
        }
        if wanted.freshness is not None:
            params["freshness"] = _FRESHNESS[wanted.freshness]
        answer = await answer_to(
            http,
            "GET",
            f"{self.url}/res/v1/web/search",
            _Rows,
            headers={"X-Subscription-Token": self.key},
            params=params,
        )
        return results_in(answer.web.results if answer.web else (), _Row, _found)


def _found(row: _Row) -> Found:
    texts = [row.description or "", *(row.extra_snippets or ())]
    return Found(
        url=row.url,
        title=title_of(row.title, row.url),
        text=plain("\n".join(text for text in texts if text)),
        date=as_date(row.page_age),
    )
