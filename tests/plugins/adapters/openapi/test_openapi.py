"""Operations of OpenAPI documents as tools."""

import json
from typing import Any

from guards.conversation import Confidentiality
from plugins.adapters.openapi import openapi_plugin, parse_openapi
from plugins.manifest import Egress, SideEffect
from plugins.registry import check_terms
from plugins.schemas import compiled
from tests.plugins.adapters.mcp.stage import nothing_wrong, opened
from tests.plugins.adapters.openapi.shop import BOOKSHOP, shop


async def plugin_of(*operations: str, **section: Any) -> Any:
    return await openapi_plugin(
        "shop",
        parse_openapi(
            {
                "document": str(BOOKSHOP),
                "operations": dict.fromkeys(operations),
                **section,
            }
        ),
        judge=nothing_wrong,
    )


async def test_operations_become_tools_whose_worst_is_their_method() -> None:
    plugin = await plugin_of("listBooks", "addBook")
    assert plugin.manifest.hosts == ("api.bookshop.example",)
    assert plugin.manifest.egress is Egress.NAMED
    assert plugin.manifest.side_effect is SideEffect.IRREVERSIBLE
    async with opened(plugin) as tools:
        listing, adding = tools["shop_listBooks"], tools["shop_addBook"]
        for tool in tools.values():
            check_terms(plugin.manifest, tool)
        assert listing.spec.description == "Lists books.\nNewest first."
        assert (listing.side_effect, adding.side_effect) == (
            SideEffect.NONE,
            SideEffect.IRREVERSIBLE,
        )
        assert listing.reads is Confidentiality.USER
    only_reads = await plugin_of("listBooks")
    assert only_reads.manifest.side_effect is SideEffect.NONE


async def test_the_operator_may_say_more() -> None:
    terms = {
        "addBook": {
            "name": "add",
            "side_effect": "reversible",
            "reads": "public",
            "hosts": ["*"],
            "content": ["title"],
        }
    }
    async with shop("addBook", terms=terms) as (_, tools, _access):
        tool = tools["add"]
        assert tool.side_effect is SideEffect.REVERSIBLE
        assert (tool.reads, tool.hosts) == (Confidentiality.PUBLIC, ("*",))
        assert tool.content == {"title"}


async def test_the_schema_holds_all_places_and_stands_alone() -> None:
    plugin = await plugin_of("listBooks", "addBook", "changeBook", "batch")
    async with opened(plugin) as tools:
        listing = tools["shop_listBooks"].spec
        assert set(listing.parameters["properties"]) == {
            "genre", "sizes", "tags", "filter", "where", "country", "page", "session", "X-Trace",
            "X-Api-Key",
        }  # fmt: skip
        assert listing.parameters["properties"]["country"] == {
            "type": ["string", "null"],
            "enum": ["NO", "SE", None],
        }
        assert listing.parameters["properties"]["page"] == {
            "type": "integer",
            "exclusiveMinimum": 0,
        }
        adding = tools["shop_addBook"].spec.parameters
        assert adding["required"] == ["title"]
        assert set(adding["properties"]) == {"title", "shelf", "subtitle", "X-Trace"}
        nested = {"label": "a", "within": {"label": "b", "next": None}}
        compiled(tools["shop_addBook"].spec).validate({"title": "x", "shelf": nested})
        changing = tools["shop_changeBook"].spec.parameters
        assert set(changing["properties"]) == {"id", "dry-run", "body_id", "title"}
        assert changing["properties"]["id"] == {"type": "string", "x-pattern": "^[a-z]+$"}
        assert changing["required"] == ["id"]
        assert tools["shop_batch"].spec.parameters["required"] == ["body"]


async def ask(tools: Any, access: Any, name: str, /, **arguments: Any) -> Any:
    compiled(tools[name].spec).validate(arguments)
    return json.loads((await tools[name].run(arguments, access)).content)


async def test_every_value_goes_to_its_place() -> None:
    async with shop("listBooks", "changeBook", "addBook", "order", "batch") as (_, tools, access):
        told = await ask(
            tools,
            access,
            "shop_listBooks",
            genre=["sci fi", "a&b=c"],
            sizes=[1, 2],
            tags=["x,y", "z"],
            filter={"year": 1999, "by": "O'Neil"},
            where={"a": [1]},
            country=None,
            session="s;1",
            **{"X-Trace": "t1"},
        )
        assert told["target"] == (
            "/v2/books?genre=sci%20fi&genre=a%26b%3Dc&sizes=1%7C2&tags=x%2Cy,z&"
            "filter%5Byear%5D=1999&filter%5Bby%5D=O%27Neil&where=%7B%22a%22%3A%5B1%5D%7D&country="
        )
        assert told["headers"]["x-trace"] == "t1"
        assert told["headers"]["cookie"] == "session=s%3B1"
        assert "idempotency-key" not in told["headers"]

        told = await ask(
            tools,
            access,
            "shop_changeBook",
            id="a/b é",
            body_id="2",
            title="T",
            **{"dry-run": True},
        )
        assert (told["method"], told["target"]) == ("PUT", "/v2/books/a%2Fb%20%C3%A9?dry-run=true")
        assert json.loads(told["body"]) == {"id": "2", "title": "T"}
        assert told["headers"]["content-type"] == "application/vnd.book+json"
        assert told["headers"]["idempotency-key"] == access.key

        told = await ask(tools, access, "shop_order", book="a b", gifts=["c", "d&e"])
        assert told["body"] == "book=a%20b&gifts=c&gifts=d%26e"
        told = await ask(tools, access, "shop_batch", body=[{"label": "A"}])
        assert json.loads(told["body"]) == [{"label": "A"}]


async def test_secrets_go_into_headers_and_no_argument_replaces_them() -> None:
    login = [
        {"kind": "bearer", "secret": "TOKEN"},
        {"kind": "header", "header": "X-Api-Key", "secret": "KEY"},
    ]
    secrets = {"TOKEN": "t0ken", "KEY": "k3y"}
    async with shop("listBooks", login=login, secrets=secrets) as (_, tools, access):
        assert "X-Api-Key" not in tools["shop_listBooks"].spec.parameters["properties"]
        told = await ask(tools, access, "shop_listBooks")
    assert told["headers"]["authorization"] == "Bearer t0ken"
    assert told["headers"]["x-api-key"] == "k3y"
    assert told["target"] == "/v2/books"
