"""Pages made to harm, in the process that may fall over."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from plugins.errors import ToolError
from plugins.pages import PageLimits
from plugins.pages.parser import PageParser

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "Rivers carry more than water, they carry the stories of those who live beside them."
ARTICLE = f"""<!DOCTYPE html><html><head><title>Rivers &amp; people</title>
<meta property="article:published_time" content="2026-03-04T10:00:00Z"></head>
<body><nav><a href="/">Home</a> <a href="/about">About</a></nav>
<article><h1>Rivers &amp; people</h1>{"".join(f"<p>{n}. {TEXT}</p>" for n in range(8))}
<p>Read <a href="/more">more about rivers</a> where they are told, and tell others of it.</p>
<script>alert("script-word")</script><style>p {{ color: style-word }}</style>
<!-- comment-word --></article><footer>Footer</footer></body></html>"""


def html(**given: object) -> dict[str, object]:
    url = "https://example.com/a"
    return {"kind": "html", "url": url, "charset": None, "chars": 5_000, "links": False, **given}


async def test_an_article_is_its_text(parser: PageParser) -> None:
    answer = await parser.ask(html(), ARTICLE.encode())
    assert answer["title"] == "Rivers & people"
    assert answer["published"] == "2026-03-04"
    assert answer["text"].count(TEXT) == 8
    assert not answer["cut"]
    for word in ("script-word", "style-word", "comment-word", "example.com/more"):
        assert word not in answer["text"]


async def test_links_are_kept_where_they_are_asked_for(parser: PageParser) -> None:
    answer = await parser.ask(html(links=True), ARTICLE.encode())
    assert "[more about rivers](https://example.com/more)" in answer["text"]


async def test_text_is_cut(parser: PageParser) -> None:
    answer = await parser.ask(html(chars=100), ARTICLE.encode())
    assert len(answer["text"]) == 100
    assert answer["cut"]


HARMFUL = {
    "deep": b"<div>" * 200_000 + TEXT.encode(),
    "deep inline": b"<html><body>" + b"<b><i>" * 50_000 + TEXT.encode() + b"</i></b>" * 50_000,
    "tables": b"<html><body>" + b"<table><tr><td>" * 50_000 + TEXT.encode(),
    "attribute": b"<html><body><p title='" + b"a" * 1_000_000 + b"'>" + TEXT.encode(),
    "angles": b"<" * 1_000_000,
    "entities": b"<!DOCTYPE a [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><html><body><p>&b;</p><p>x",
    "file": b"<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><html><body><p>&a;</p><p>x",
    "encoding": b"<?xml version='1.0' encoding='rot13'?><html><body><p>x</p></body></html>",
    "binary": bytes(range(256)) * 1_000,
    "title": b"<html><head><title>" + b"t" * 500_000,
    "empty": b"",
}


async def test_pages_made_to_harm_give_some_text_or_none(parser: PageParser) -> None:
    for name, page in HARMFUL.items():
        with contextlib.suppress(ToolError):
            answer = await parser.ask(html(), page)
            assert len(answer["text"]) <= 5_000, name
            assert len(answer["title"]) <= 300, name
            assert "root:" not in answer["text"], name
    assert (await parser.ask(html(), ARTICLE.encode()))["text"].count(TEXT) == 8


async def test_a_page_that_takes_too_long_is_given_up_and_the_next_is_read() -> None:
    page = b"<html><body><p " + b" ".join(b"a%d=1" % number for number in range(300_000)) + b">"
    async with PageParser(PageLimits(parse_seconds=0.5, parsers=1)) as parser:
        with pytest.raises(ToolError, match="too long"):
            await parser.ask(html(), page)
        assert parser.processes == 0


async def test_a_page_cannot_take_more_memory_than_its_process_may() -> None:
    limits = PageLimits(parse_seconds=60, parse_memory_bytes=300 * 1024 * 1024, parsers=1)
    page = b"<html><body>" + b"<p>x" * 1_000_000
    async with PageParser(limits) as parser:
        with contextlib.suppress(ToolError):
            assert (await parser.ask(html(), page))["text"] == ""
        assert (await parser.ask(html(), ARTICLE.encode()))["text"].count(TEXT) == 8
    async with PageParser(PageLimits(parse_memory_bytes=50 * 1024 * 1024)) as parser:
        with pytest.raises(ToolError, match="cannot be read"):
            await parser.ask(html(), ARTICLE.encode())


async def test_a_process_that_ends_costs_one_page(parser: PageParser) -> None:
    question = {"kind": "text", "charset": None, "chars": 100}
    assert (await parser.ask(question, b"hello"))["text"] == "hello"
    parser._idle[0].kill()
    await parser._idle[0].wait()
    with pytest.raises(ToolError, match="cannot be read"):
        await parser.ask(question, b"hello")
    assert (await parser.ask(question, b"hello"))["text"] == "hello"


async def test_a_cancelled_question_stops_its_process() -> None:
    page = b"<html><body><p " + b" ".join(b"a%d=1" % number for number in range(300_000)) + b">"
    async with PageParser(PageLimits(parse_seconds=60)) as parser:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(parser.ask(html(), page), 0.3)
        assert parser.processes == 0


async def test_more_questions_than_processes_wait(parser: PageParser) -> None:
    question = {"kind": "text", "charset": None, "chars": 100}
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(parser.ask(question, b"%d" % number)) for number in range(9)]
    assert [task.result()["text"] for task in asked] == [str(number) for number in range(9)]
    assert parser.processes == PageLimits().parsers


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process was given")
async def test_the_process_inherits_no_secret(
    parser: PageParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAVE_KEY", "hunter2")
    await parser.ask({"kind": "text", "charset": None, "chars": 100}, b"hello")
    given = Path(f"/proc/{parser._idle[0].pid}/environ")
    environment = await asyncio.to_thread(given.read_bytes)
    assert b"LANG=C.UTF-8" in environment
    assert b"hunter2" not in environment
