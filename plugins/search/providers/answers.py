"""Providers' answers, read with care."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from html import unescape
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from plugins.search.results import Found, ProviderError

ANSWER_BYTES = 2 * 1024 * 1024
MOST_RESULTS = 50
TEXT_CHARS = 8_000
TITLE_CHARS = 300

_MARKUP = re.compile(r"</?(?:strong|b|em|i|mark|span|br)\b[^<>]{0,80}>", re.IGNORECASE)


class Loose(BaseModel):
    """Part of an answer: what Corral does not use is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Answer = TypeVar("Answer", bound=Loose)
Item = TypeVar("Item", bound=Loose)


async def answer_to(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    shape: type[Answer],
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | None = None,
) -> Answer:
    """The answer to one request, which follows no redirect: the headers may hold a key.

    Raises:
        ProviderError: it is not of this ``shape``, an error, or too large.
    """
    request = http.build_request(
        method,
        url,
        headers={"Accept": "application/json", **(headers or {})},
        params=params,
        data=form,
        json=json,
    )
    response = await http.send(request, stream=True, follow_redirects=False)
    async with aclosing(response):
        if not response.is_success:
            raise ProviderError(_status(response.status_code))
        if "html" in response.headers.get("content-type", ""):
            raise ProviderError("answered with a web page instead of JSON")
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > ANSWER_BYTES:
                raise ProviderError("gave too large an answer")
    try:
        return shape.model_validate_json(bytes(body))
    except ValidationError:
        raise ProviderError("gave an answer that cannot be understood") from None


def _status(code: int) -> str:
    match code:
        case 401 | 403:
            return f"refused the request ({code}): its key, or its format, is not allowed"
        case 402 | 429 | 432 | 433:
            return f"has had too many requests ({code})"
        case _:
            return f"answered {code}"


def results_in(
    rows: Iterable[Any], shape: type[Item], result: Callable[[Item], Found]
) -> list[Found]:
    """The rows that are results; others are passed over.

    Raises:
        ProviderError: there are rows and none is a result.
    """
    found: list[Found] = []
    total = 0
    for row in rows:
        total += 1
        if len(found) == MOST_RESULTS:
            break
        try:
            found.append(result(shape.model_validate(row)))
        except ValidationError:
            continue
    if total and not found:
        raise ProviderError("gave an answer that cannot be understood")
    return found


def plain(text: str | None) -> str:
    """A snippet without the marks that providers put around what was searched for."""
    return unescape(_MARKUP.sub("", (text or "")[: 2 * TEXT_CHARS]))[:TEXT_CHARS]


def title_of(text: str | None, url: str) -> str:
    """The title, or the address where there is none."""
    return " ".join(plain(text).split())[:TITLE_CHARS] or url
