"""Frames and messages: nothing is lost on the way, and nonsense is nothing but nonsense."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.conversation import Confidentiality
from plugins.access import Access, Person
from plugins.isolation import messages, wire
from plugins.isolation.meter import Meter
from plugins.isolation.wire import WireError
from plugins.result import Citation, Picture, Result
from plugins.sdk import Limits, Manifest, SideEffect
from plugins.tool import Tool, ToolSpec
from tests.plugins.isolation.wild import wild

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def carried(message: messages.FromPlugin) -> messages.FromPlugin:
    framed = wire.frame(message)
    assert wire.length(framed[: wire.HEAD]) == len(framed) - wire.HEAD
    return wire.from_plugin(framed[wire.HEAD :])


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_nonsense(body: bytes) -> None:
    for parse in (wire.from_plugin, wire.from_corral):
        with pytest.raises(WireError):
            parse(body)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON, max_size=5), st.sampled_from(["returned", "told", "fetch"]))
def test_json_is_a_message_or_nonsense(fields_: dict[str, Any], kind: str) -> None:
    with pytest.raises(WireError):
        wire.from_plugin(json.dumps({**fields_, "kind": kind, "unknown": 1}).encode())


def test_deep_nonsense_is_nonsense() -> None:
    deep = b'{"kind":"returned","call":1,"result":' + b"[" * 100_000
    with pytest.raises(WireError):
        wire.from_plugin(deep)


@settings(max_examples=50)
@given(
    content=st.text(),
    artifact=JSON,
    cited=st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=2),
    pictured=st.lists(st.tuples(st.binary(), st.text(), st.text()), max_size=2),
    confidentiality=st.none() | st.sampled_from(Confidentiality),
)
def test_a_result_arrives_as_it_was(
    content: str,
    artifact: Any,
    cited: list[tuple[str, str, str]],
    pictured: list[tuple[bytes, str, str]],
    confidentiality: Confidentiality | None,
) -> None:
    result = Result(
        content=content,
        artifact=artifact,
        citations=tuple(Citation(title=t, url=u, text=x) for t, u, x in cited),
        images=tuple(Picture(data=d, media_type=m, alt=a) for d, m, a in pictured),
        confidentiality=confidentiality,
    )
    arrived = carried(messages.Returned(call=1, result=messages.Given.of(result)))
    assert isinstance(arrived, messages.Returned)
    assert arrived.result.result() == result


def test_no_term_of_a_tool_is_left_behind() -> None:
    tool = Tool(
        spec=ToolSpec(name="act", description="Act.", parameters={"type": "object"}),
        run=wild.echo.run,
        side_effect=SideEffect.IRREVERSIBLE,
        reads=Confidentiality.TENANT,
        hosts=("a.example", "b.example:8080"),
        content=frozenset({"a", "b"}),
        prompt="a",
        command="b",
        aliases=("do",),
        direct=True,
    )
    default = Tool(spec=ToolSpec(name="", description="", parameters={}), run=wild.echo.run)
    for field in fields(Tool):
        if field.name != "run":
            assert getattr(tool, field.name) != getattr(default, field.name), field.name
    opened = carried(messages.Opened(tools=(messages.Terms.of(tool),)))
    assert isinstance(opened, messages.Opened)
    assert opened.tools[0].tool(tool.run) == tool


def test_no_word_of_a_manifest_is_left_behind() -> None:
    manifest = Manifest(
        name="act",
        version="2",
        side_effect=SideEffect.REVERSIBLE,
        description="Acts.",
        hosts=("a.example",),
        reads=frozenset({Confidentiality.USER, Confidentiality.SECRET}),
        secrets=("KEY",),
        isolated=True,
        limits=Limits(seconds=1.5, memory_bytes=2, output_chars=3, calls_per_turn=4, at_once=5),
    )
    hello = carried(messages.Hello(manifest=manifest))
    assert isinstance(hello, messages.Hello)
    assert hello.manifest == manifest


def test_all_that_a_call_is_given_has_a_place() -> None:
    told = set(messages.Invoke.model_fields) | set(messages.Who.model_fields)
    over_the_channel = {"http", "store", "progress"}
    assert {field.name for field in fields(Access)} - over_the_channel - told == set()
    assert {field.name for field in fields(Person)} == set(messages.Who.model_fields)


@pytest.mark.parametrize(
    "manifest",
    [
        b'{"name":"Bad Name","version":"1","side_effect":"none"}',
        b'{"name":"a","version":"1","side_effect":"none","hosts":["https://a/"]}',
        b'{"name":"a","version":"1","side_effect":"none","limits":{"seconds":-1}}',
        b'{"name":"a","version":"1","side_effect":"severe"}',
        b'{"name":"a","version":"1"}',
    ],
)
def test_a_manifest_that_is_none_is_nonsense(manifest: bytes) -> None:
    with pytest.raises(WireError):
        wire.from_plugin(b'{"kind":"hello","manifest":' + manifest + b"}")


def test_what_is_too_long_or_no_json_is_not_sent() -> None:
    with pytest.raises(WireError, match="more than"):
        wire.frame(messages.Fetched(ask=1, status=200, url="", headers=(), body=b"x" * 13_000_000))
    given = messages.Given.of(Result(content="", artifact=object()))
    with pytest.raises(WireError, match="cannot be written as JSON"):
        wire.frame(messages.Returned(call=1, result=given))
    with pytest.raises(WireError, match="longer than any"):
        wire.length(b"\xff\xff\xff\xff")


def test_bursts_are_fine_and_floods_are_not() -> None:
    now = [0.0]
    meter = Meter(lambda: now[0])
    assert all(meter.admits(100) for _ in range(10_000))
    assert not meter.admits(100)
    now[0] = 60.0
    assert meter.admits(100)
    sizes = Meter(lambda: now[0])
    assert all(sizes.admits(16 * 1024 * 1024) for _ in range(4))
    assert not sizes.admits(16 * 1024 * 1024)
