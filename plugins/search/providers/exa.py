"""The Exa search API (exa.ai/docs)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from plugins.search.providers.answers import Loose, answer_to, plain, results_in, title_of
from plugins.search.results import Found, Wanted, as_date

_MOST = 25
_HIGHLIGHT_CHARS = 1_000


class _Row(Loose):
    url: str
    title: str | None = None
    publishedDate: str | None = None  # noqa: N815 - Exa's name
    highlights: list[str] | None = None
    text: str | None = None


class _Rows(Loose):
    results: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exa:
    """The service at ``url``, with a key."""

    url: str
    key: str = field(repr=False)

    async def search(self, wanted: Wanted, http: httpx.AsyncClient) -> Sequence[Found]:
        """See :class:`~plugins.search.results.Provider`."""
        question: dict[str, Any] = {
            "query": wanted.query,
            "type": "auto",
            "numResults": min(wanted.count, _MOST),
            "contents": {"highlights": {"maxCharacters": _HIGHLIGHT_CHARS}},
        }
        if wanted.site is not None:
            question["includeDomains"] = [wanted.site]
        if wanted.since is not None:
            question["startPublishedDate"] = f"{wanted.since:%Y-%m-%dT00:00:00.000Z}"
        answer = await answer_to(
            http,
            "POST",
            f"{self.url}/search",
            _Rows,
            headers={"x-api-key": self.key},
            json=question,
        )
        return results_in(answer.results, _Row, _found)


def _found(row: _Row) -> Found:
    return Found(
        url=row.url,
        title=title_of(row.title, row.url),
        text=plain("\n".join(row.highlights or ()) or row.text),
        date=as_date(row.publishedDate),
    )
