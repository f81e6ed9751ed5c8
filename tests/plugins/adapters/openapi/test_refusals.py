"""What an OpenAPI source refuses: documents, values and answers."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from plugins.adapters.openapi import openapi_plugin, parse_openapi
from plugins.adapters.openapi.document import Document, DocumentError
from plugins.adapters.openapi.operation import operation_of
from plugins.adapters.openapi.request import outgoing
from plugins.errors import PluginEndedError, PluginLoadError, ToolError
from plugins.result import Picture
from tests.assistant.api.serving import serving
from tests.plugins.adapters.mcp.stage import nothing_wrong
from tests.plugins.adapters.openapi.shop import BOOKSHOP, NOBODY, Service, shop

DOCUMENT = Document(BOOKSHOP.read_bytes())


async def plugin_of(*operations: str, **section: Any) -> Any:
    data = {"document": str(BOOKSHOP), "operations": dict.fromkeys(operations), **section}
    return await openapi_plugin("shop", parse_openapi(data), judge=nothing_wrong)


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("other", "has 0 operations 'other'; there are: addBook, author,"),
        ("twice", "has 2 operations"),
        ("upload", "takes a body of multipart/form-data; JSON and forms are supported"),
        ("legacy", r"asks for a key in the address \(query\), which is refused"),
        ("matrix", "gives parameter 'm' the style 'matrix'"),
        ("far", "refers to 'https://elsewhere.example/parameters.yaml#/Far', which is not in"),
        ("lacking", "describes other path parameters than stand in its path"),
    ],
)
async def test_operations_that_cannot_be_offered_stop_start_up(operation: str, reason: str) -> None:
    with pytest.raises(PluginLoadError, match=f"operation {operation}: its document {reason}"):
        await plugin_of(operation)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("swagger: '2.0'", "says swagger 2.0"),
        ("openapi: 4.0.0", "says 4.0.0"),
        ("[1]", "is no OpenAPI document"),
        ("a: [", "is neither JSON nor YAML"),
        ("!!python/object/apply:os.system ['true']", "is neither JSON nor YAML"),
        ("", "is no OpenAPI document"),
    ],
)
async def test_files_that_are_no_document(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "api.yaml"
    file.write_text(text)
    with pytest.raises(PluginLoadError, match=reason):
        await plugin_of("x", document=str(file))


async def test_a_document_that_is_not_there_or_not_the_approved_one() -> None:
    with pytest.raises(PluginLoadError, match="cannot be read: No such file"):
        await plugin_of("x", document="/nonexistent.yaml")
    digest = hashlib.sha256(BOOKSHOP.read_bytes()).hexdigest()
    assert (await plugin_of("listBooks", sha256=digest)).manifest.version == "2.1"
    with pytest.raises(PluginLoadError, match=f"changed since it was approved.*sha256: {digest}"):
        await plugin_of("listBooks", sha256="0" * 64)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"login": [{"kind": "query", "secret": "K"}]}, "a key in the address"),
        ({"login": [{"kind": "bearer", "secret": "K"}]}, "its secret K is not declared"),
        ({"operations": {}}, "at least 1 item"),
        ({"color": "red"}, "Extra inputs"),
    ],
)
def test_sections_with_mistakes(section: dict[str, Any], reason: str) -> None:
    data = {"document": "api.yaml", "operations": {"a": None}, **section}
    with pytest.raises(ValidationError, match=reason):
        parse_openapi(data)


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("http://api.example", "url must be https"),
        ("https://user:pass@api.example", "without a user or password"),
        ("https://api.example/?key=1", "no query"),
        ("ftp://api.example", "must be https"),
    ],
)
async def test_bad_base_addresses(base: str, reason: str) -> None:
    with pytest.raises(PluginLoadError, match=reason):
        await plugin_of("listBooks", base_url=base)


async def test_a_document_from_an_address_its_relative_server_and_its_host() -> None:
    service = Service()
    text = BOOKSHOP.read_text().replace('"{scheme}://{host}/v2/"', "/v3")
    service.answer = Response(text, media_type="application/yaml")
    async with serving(service) as url:
        host = url.removeprefix("http://")
        plugin = await plugin_of("listBooks", document=f"{url}/api.yaml", private_hosts=[host])
        assert plugin.manifest.hosts == (host,)
        with pytest.raises(PluginLoadError, match="must be https"):
            await plugin_of("listBooks", document=f"{url}/api.yaml")
        service.answer = Response(status_code=404)
        with pytest.raises(PluginLoadError, match="answered 404"):
            await plugin_of("listBooks", document=f"{url}/api.yaml", private_hosts=[host])
    with pytest.raises(PluginLoadError, match="cannot be fetched: AccessDeniedError"):
        await plugin_of("listBooks", document="https://127.0.0.1/api.yaml")


async def test_a_poisoned_text_stops_start_up() -> None:
    async def judge(text: str) -> str | None:
        return "prompt injection" if "As on the cover" in text else None

    with pytest.raises(PluginLoadError, match="addBook: its text is not fit for a prompt"):
        async with shop("addBook", judge=judge):
            pass


@pytest.mark.parametrize("value", ["", ".", "..", "../admin", "a/../b", "..\\a", "%2e%2e/x"])
async def test_a_path_is_never_left(value: str) -> None:
    operation = operation_of(DOCUMENT, "author", base_url=None, login_headers=frozenset())
    with pytest.raises(ToolError, match="name: must not be empty or lead to another path"):
        outgoing(operation, {"name": value, "part": "x"})
    joined = operation_of(DOCUMENT, "joined", base_url=None, login_headers=frozenset())
    with pytest.raises(ToolError):
        outgoing(joined, {"a": ".", "b": "."})


@given(st.text(), st.text())
def test_any_text_stays_in_its_segment(name: str, part: str) -> None:
    operation = operation_of(DOCUMENT, "author", base_url=None, login_headers=frozenset())
    try:
        url = urlsplit(outgoing(operation, {"name": name, "part": part}).url)
    except ToolError:
        return
    assert (url.scheme, url.netloc) == ("https", "api.bookshop.example")
    assert [unquote(each) for each in url.path.split("/")] == ["", "v2", "authors", name, part]
    assert not url.query
    assert not url.fragment


@given(st.dictionaries(st.sampled_from(["genre", "tags"]), st.lists(st.text(), max_size=3)))
def test_any_list_stays_in_its_parameter(arguments: dict[str, list[str]]) -> None:
    operation = operation_of(DOCUMENT, "listBooks", base_url=None, login_headers=frozenset())
    query = urlsplit(outgoing(operation, arguments).url).query
    pairs = [pair.split("=") for pair in query.split("&") if pair]
    assert [unquote(v) for n, v in pairs if n == "genre"] == arguments.get("genre", [])
    tags = arguments.get("tags")
    expected = [] if tags is None else [tags or [""]]
    assert [[unquote(t) for t in v.split(",")] for n, v in pairs if n == "tags"] == expected


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "é", "a\x00"])
async def test_a_header_stays_on_its_line(value: str) -> None:
    operation = operation_of(DOCUMENT, "listBooks", base_url=None, login_headers=frozenset())
    with pytest.raises(ToolError, match="X-Trace: must be plain ASCII on one line"):
        outgoing(operation, {"X-Trace": value})


@pytest.mark.parametrize("value", ["\ud800", 2**70])
async def test_values_that_json_has_no_room_for(value: Any) -> None:
    operation = operation_of(DOCUMENT, "addBook", base_url=None, login_headers=frozenset())
    with pytest.raises(ToolError, match="too large"):
        outgoing(operation, {"title": value})


async def test_answers_of_all_kinds() -> None:
    async with shop("listBooks", "addBook", limits={"output_chars": 500}) as (service, tools, acc):
        reading, adding = tools["shop_listBooks"], tools["shop_addBook"]

        async def answered(tool: Any, answer: Response) -> Any:
            service.answer = answer
            return await tool.run({"title": "x"} if tool is adding else {}, acc)

        with pytest.raises(ToolError, match=r"answered 404: no such shelf$"):
            await answered(reading, Response("no such shelf", 404, media_type="text/plain"))
        with pytest.raises(ToolError, match=r"answered 422: x{500}$"):
            await answered(reading, Response("x" * 9_000, 422, media_type="text/plain"))
        with pytest.raises(ToolError, match=r"answered 418$"):
            await answered(reading, Response(b"\0", 418, media_type="image/png"))
        with pytest.raises(ToolError, match="answered 503"):
            await answered(reading, Response("trace", 503))
        with pytest.raises(PluginEndedError, match="503; how far it came is not known"):
            await answered(adding, Response("trace", 503))
        with pytest.raises(ToolError, match="a redirect, which is not followed"):
            await answered(reading, RedirectResponse("http://127.0.0.1:1/"))
        result = await answered(reading, Response(b'{"a":1}', media_type="application/hal+json"))
        assert (result.content, result.artifact) == ('{\n  "a": 1\n}', {"a": 1})
        result = await answered(reading, Response("y" * 9_000, media_type="text/plain"))
        assert len(result.content) == 500
        assert result.content.endswith("[cut: 9000 characters came]")
        result = await answered(reading, Response(b"\x89PNG", media_type="image/png"))
        assert result.images == (Picture(data=b"\x89PNG", media_type="image/png"),)
        result = await answered(reading, Response(b"PK", media_type="application/zip"))
        assert result.content.endswith("answered 200 with 2 bytes that are no text")
        result = await answered(adding, Response(status_code=204))
        assert "answered 204 and nothing more" in result.content


async def test_a_service_that_is_gone() -> None:
    async with shop("listBooks", base_url=f"http://{NOBODY}") as (_, tools, access):
        with pytest.raises(ToolError, match="cannot be reached: ConnectError"):
            await tools["shop_listBooks"].run({}, access)


def document(**more: Any) -> Document:
    """A small document of 3.1."""
    operation = {"operationId": "x", "parameters": [{"in": "query", "name": "q", **more}]}
    root = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example"}],
        "paths": {"/x": {"get": operation}},
        "components": {"schemas": {"Loop": {"$ref": "#/components/schemas/Loop"}}},
    }
    return Document(orjson.dumps(root))


def test_schemas_of_3_1_are_taken_as_they_are_and_loops_end() -> None:
    schema = {"type": ["string", "null"], "const": "a", "description": "Q"}
    operation = operation_of(document(schema=schema), "x", base_url=None, login_headers=frozenset())
    assert operation.schema["properties"]["q"] == schema
    looped = document(schema={"$ref": "#/components/schemas/Loop"})
    operation = operation_of(looped, "x", base_url=None, login_headers=frozenset())
    assert operation.schema["$defs"] == {"Loop": {"$ref": "#/$defs/Loop"}}
    with pytest.raises(DocumentError, match="round in a circle"):
        looped.resolved({"$ref": "#/components/schemas/Loop"})


def test_a_document_that_unfolds_for_ever_is_refused() -> None:
    laughs = "\n".join(f"a{n}: &a{n} {{allOf: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40))
    text = (
        "openapi: 3.1.0\nservers: [{url: https://api.example}]\na0: &a0 {type: string}\n"
        f"{laughs}\npaths: {{/x: {{get: {{operationId: x, parameters: "
        "[{in: query, name: q, schema: *a39}]}}}\n"
    )
    with pytest.raises(DocumentError, match="a schema that is too large"):
        operation_of(Document(text.encode()), "x", base_url=None, login_headers=frozenset())
