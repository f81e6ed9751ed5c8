"""The OpenAPI description and the page that shows it."""

import re
from typing import Any

from jsonschema import Draft202012Validator

from assistant.api.app import build_app
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant
from tests.assistant.api.serving import local_client

PATHS = {
    "/v1/chat/completions": ["post"],
    "/v1/moderations": ["post"],
    "/v1/judge": ["post"],
    "/v1/approvals": ["get"],
    "/v1/approvals/{approval}": ["get", "post"],
    "/v1/tools": ["get"],
    "/v1/images/previews": ["post"],
    "/v1/models": ["get"],
    "/v1/models/{model}": ["get"],
    "/healthz": ["get"],
    "/readyz": ["get"],
    "/metrics": ["get"],
}


async def get(path: str) -> Any:
    async with local_client(build_app(assistant(ScriptedOrchestrator(())))) as client:
        return await client.get(path)


def references(node: Any) -> set[str]:
    match node:
        case dict():
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(value) for value in node.values()))
        case list():
            return set().union(*(references(value) for value in node))
        case _:
            return set()


async def test_every_path_is_described_and_every_reference_resolves() -> None:
    document = (await get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {path: [*item] for path, item in document["paths"].items()} == PATHS
    schemas = document["components"]["schemas"]
    prefix = "#/components/schemas/"
    assert {name.removeprefix(prefix) for name in references(document)} <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_the_described_examples_are_valid() -> None:
    document = (await get("/openapi.json")).json()
    for name in (
        "ChatRequest",
        "ModerationRequest",
        "JudgeRequest",
        "ApprovalRequest",
        "PreviewRequest",
    ):
        schema = document["components"]["schemas"][name]
        validator = Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})
        assert schema["examples"]
        for example in schema["examples"]:
            validator.validate(example)


async def test_bodies_and_streams_have_schemas() -> None:
    document = (await get("/openapi.json")).json()
    operation = document["paths"]["/v1/chat/completions"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ChatRequest"}
    content = operation["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["$ref"].endswith("/ChatCompletion")
    assert content["text/event-stream"]["schema"]["$ref"].endswith("/ChatCompletionChunk")
    properties = document["components"]["schemas"]["ChatRequest"]["properties"]
    assert {"messages", "tools", "stream", "corral"} <= set(properties)


async def test_the_query_of_the_approvals_is_described() -> None:
    document = (await get("/openapi.json")).json()
    parameters = document["paths"]["/v1/approvals"]["get"]["parameters"]
    assert [(each["name"], each["in"]) for each in parameters] == [
        ("user", "query"),
        ("limit", "query"),
    ]
    (path,) = document["paths"]["/v1/approvals/{approval}"]["get"]["parameters"]
    assert (path["name"], path["in"], path["required"]) == ("approval", "path", True)


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = await get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    local = [address for address in loaded if address.startswith("/docs/")]
    assert set(loaded) - set(local) == {"data:,"}
    for address in local:
        asset = await get(address)
        assert asset.status_code == 200
        assert asset.content
    assert "<script>" not in page.text
