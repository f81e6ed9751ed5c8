"""Each service is asked as its documentation says, and understood."""

from pathlib import Path
from typing import Any

import pytest

from plugins.errors import ToolError
from plugins.search.results import as_date
from tests.plugins.http.world import answer, redirect
from tests.plugins.search.services import KEYS, Services, as_json, flood, hang, opened

SEARXNG = {
    "query": "leave",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://example.org/leave",
            "title": "Leave",
            "content": "Everybody has thirty days of leave.",
            "publishedDate": "2026-05-28T09:00:00",
            "engine": "mojeek",
            "score": 1.0,
            "category": "general",
        },
        {"url": "https://other.org/x", "title": "Other", "content": None, "publishedDate": None},
    ],
    "answers": [],
    "unresponsive_engines": [["brave", "timeout"]],
}
BRAVE = {
    "type": "search",
    "query": {"original": "leave"},
    "web": {
        "type": "search",
        "results": [
            {
                "title": "Leave &amp; absence",
                "url": "https://example.org/leave",
                "description": "Everybody has <strong>thirty</strong> days of leave.",
                "page_age": "2026-05-28T09:00:00",
                "age": "4 days ago",
                "extra_snippets": ["It must be taken by March."],
                "meta_url": {"hostname": "example.org"},
            }
        ],
    },
}
TAVILY = {
    "query": "leave",
    "answer": None,
    "images": [],
    "results": [
        {
            "title": "Leave",
            "url": "https://example.org/leave",
            "content": "Everybody has thirty days of leave.",
            "score": 0.98,
            "raw_content": None,
            "published_date": "Thu, 28 May 2026 09:00:00 GMT",
        }
    ],
    "response_time": 1.1,
}
EXA = {
    "requestId": "1",
    "searchType": "auto",
    "results": [
        {
            "id": "https://example.org/leave",
            "title": "Leave",
            "url": "https://example.org/leave",
            "publishedDate": "2026-05-28T09:00:00.000Z",
            "author": None,
            "highlights": ["Everybody has thirty days of leave."],
            "highlightScores": [0.4],
        }
    ],
    "costDollars": {"total": 0.005},
}
PATHS = {
    "searxng": "/search",
    "brave": "/res/v1/web/search",
    "tavily": "/search",
    "exa": "/search",
}
ANSWERS: dict[str, Any] = {"searxng": SEARXNG, "brave": BRAVE, "tavily": TAVILY, "exa": EXA}
KINDS = tuple(PATHS)


def options(server: Services, kind: str, **more: Any) -> dict[str, Any]:
    return {"providers": [{"kind": kind, "url": server.url}], "seconds": 1.0, **more}


@pytest.mark.parametrize("kind", KINDS)
async def test_results_are_understood(kind: str, server: Services, tmp_path: Path) -> None:
    server.answers[PATHS[kind]] = ANSWERS[kind]
    async with opened(server, options(server, kind), folder=tmp_path) as rig:
        result = await rig.search("how many days of leave")
    assert result.content.startswith("[1] Leave")
    assert "example.org, 2026-05-28\nEverybody has thirty days of leave." in result.content
    assert result.citations[0].url == "https://example.org/leave"
    assert result.artifact[0]["providers"] == [kind]


async def test_searxng_gets_a_form(server: Services, tmp_path: Path) -> None:
    server.answers["/search"] = SEARXNG
    async with opened(server, options(server, "searxng"), folder=tmp_path) as rig:
        await rig.search("!!g :de <3 leave !important", site="example.org", freshness="week")
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/search")
    assert asked.params == {
        "q": "g de 3 leave important site:example.org",
        "format": "json",
        "time_range": "week",
    }


async def test_brave_gets_parameters_and_its_key_in_a_header(
    server: Services, tmp_path: Path
) -> None:
    server.answers[PATHS["brave"]] = BRAVE
    async with opened(server, options(server, "brave"), folder=tmp_path) as rig:
        await rig.search("word " * 70, site="example.org", freshness="month", count=3)
    (asked,) = server.asked
    assert asked.headers["x-subscription-token"] == KEYS["BRAVE_KEY"]
    assert asked.params == {
        "q": "word " * 49 + "site:example.org",
        "count": "10",
        "freshness": "pm",
        "text_decorations": "false",
        "result_filter": "web",
    }


async def test_tavily_gets_json_and_its_key_in_a_header(server: Services, tmp_path: Path) -> None:
    server.answers["/search"] = TAVILY
    async with opened(server, options(server, "tavily"), folder=tmp_path) as rig:
        await rig.search("leave", site="example.org", freshness="year", count=10)
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {KEYS['TAVILY_KEY']}"
    assert asked.json == {
        "query": "leave",
        "search_depth": "basic",
        "max_results": 20,
        "include_domains": ["example.org"],
        "time_range": "year",
    }


async def test_exa_gets_json_and_its_key_in_a_header(server: Services, tmp_path: Path) -> None:
    server.answers["/search"] = EXA
    async with opened(server, options(server, "exa"), folder=tmp_path) as rig:
        await rig.search("leave", site="example.org", freshness="day")
        since = rig.clock.now().toordinal() - 1
    (asked,) = server.asked
    assert asked.headers["x-api-key"] == KEYS["EXA_KEY"]
    assert asked.json["includeDomains"] == ["example.org"]
    assert asked.json["contents"] == {"highlights": {"maxCharacters": 1000}}
    started = as_date(asked.json["startPublishedDate"])
    assert started is not None
    assert started.toordinal() == since


@pytest.mark.parametrize("kind", KINDS)
async def test_no_key_is_ever_in_an_address(kind: str, server: Services, tmp_path: Path) -> None:
    server.answers[PATHS[kind]] = ANSWERS[kind]
    async with opened(server, options(server, kind), folder=tmp_path) as rig:
        await rig.search("leave")
    for asked in server.asked:
        assert not any(key in asked.target for key in KEYS.values())


FAILURES = {
    "500": (as_json({}, status=500), "answered 500"),
    "429": (as_json({}, status=429), "too many requests"),
    "403": (answer(b"", status=403), "refused the request"),
    "redirect": (redirect("http://example.com/elsewhere"), "answered 302"),
    "html": (answer(b"<html>hello</html>", kind="text/html"), "web page instead of JSON"),
    "nonsense": (answer(b"{nonsense", kind="application/json"), "cannot be understood"),
    "other shape": (as_json({"results": "none"}), "cannot be understood"),
    "deep": (answer(b"[" * 100_000, kind="application/json"), "cannot be understood"),
    "bad rows": (
        as_json({"type": "x", "results": [1, {}], "web": {"results": [None, {"url": 3}]}}),
        "cannot be understood",
    ),
    "hangs": (hang, "did not answer in time"),
    "100 MB": (flood, "gave too large an answer"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", KINDS)
async def test_failures_are_told_when_nobody_answers(
    kind: str, failure: str, server: Services, tmp_path: Path
) -> None:
    server.answers[PATHS[kind]], reason = FAILURES[failure]
    given = {**options(server, kind), "seconds": 0.05 if failure == "hangs" else 5.0}
    async with opened(server, given, folder=tmp_path) as rig:
        with pytest.raises(ToolError, match=reason) as raised:
            await rig.search("secret words")
        assert not rig.cache.writes
    assert "secret words" not in str(raised.value)
    assert len(server.asked) == 1


async def test_a_private_address_must_be_allowed(server: Services, tmp_path: Path) -> None:
    given = options(server, "searxng")
    async with opened(server, given, folder=tmp_path, private=False) as rig:
        with pytest.raises(ToolError, match="address that is not allowed"):
            await rig.search("leave")
    assert server.asked == []


async def test_a_server_that_is_down_is_told(server: Services, tmp_path: Path) -> None:
    down = Services(port=1)
    async with opened(down, options(down, "exa"), folder=tmp_path) as rig:
        with pytest.raises(ToolError, match="exa cannot be reached"):
            await rig.search("leave")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-28T09:00:00.000Z", "2026-05-28T09:00:00+00:00"),
        ("2026-05-28T09:00:00", "2026-05-28T09:00:00+00:00"),
        ("2026-05-28", "2026-05-28T23:59:00+00:00"),
        ("Thu, 28 May 2026 09:00:00 GMT", "2026-05-28T09:00:00+00:00"),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("9999-99-99", None),
        ("x" * 1000, None),
    ],
)
def test_dates_are_read_as_services_write_them(text: str | None, expected: str | None) -> None:
    date = as_date(text)
    assert (None if date is None else date.isoformat()) == expected
