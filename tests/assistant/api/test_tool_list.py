"""``/v1/tools``: what is on, for clients that show buttons and operators that want to know."""

from typing import Annotated

from pydantic import Field, SecretStr

from assistant.api.app import build_app
from assistant.api.tool_list import ToolList
from guards.conversation import Confidentiality
from guards.panel import Panel
from plugins.broker import Broker
from plugins.manifest import Manifest, SideEffect
from plugins.typed import tool
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant
from tests.assistant.api.serving import local_client
from tests.assistant.bench import POLICY, catalogue

MAIL = Manifest(
    name="mail",
    version="1.2",
    side_effect=SideEffect.IRREVERSIBLE,
    hosts=("mail.example.com", "spam.example.com"),
    reads=frozenset({Confidentiality.USER, Confidentiality.PUBLIC}),
)


@tool(reads=Confidentiality.USER, hosts=("mail.example.com",), command="query", aliases=("mails",))
async def find_mail(query: Annotated[str, Field(description="Words in it")]) -> str:
    """Find a mail."""
    return query


@tool(side_effect=SideEffect.IRREVERSIBLE)
async def send_mail(to: str) -> str:
    """Send a mail."""
    return to


def broker(*tools: object) -> Broker:
    catalogued = catalogue(tools, MAIL)  # type: ignore[arg-type] # tools
    return Broker(panel=Panel([]), policy=POLICY, catalogue=catalogued)


async def test_every_tool_is_told_with_all_it_may_do() -> None:
    app = build_app(assistant(ScriptedOrchestrator(()), broker=broker(find_mail, send_mail)))
    async with local_client(app) as client:
        response = await client.get("/v1/tools")
    assert response.status_code == 200
    ToolList.model_validate_json(response.content)
    find, send = response.json()["data"]
    assert find == {
        "object": "tool",
        "name": "find_mail",
        "description": "Find a mail.",
        "parameters": find_mail.spec.parameters,
        "plugin": "mail",
        "version": "1.2",
        "side_effect": "none",
        "egress": "named",
        "hosts": ["mail.example.com"],
        "reads": "user",
        "command": "query",
        "aliases": ["mails"],
    }
    assert (send["side_effect"], send["command"], send["aliases"]) == ("irreversible", None, [])
    assert send["hosts"] == ["mail.example.com", "spam.example.com"]


async def test_without_tools_the_list_is_empty() -> None:
    async with local_client(build_app(assistant(ScriptedOrchestrator(())))) as client:
        assert (await client.get("/v1/tools")).json() == {"object": "list", "data": []}


async def test_a_key_is_needed() -> None:
    keys, approvers = {SecretStr("k"): "acme"}, {SecretStr("a"): "acme"}
    made = assistant(ScriptedOrchestrator(()), api_keys=keys, approver_keys=approvers)
    async with local_client(build_app(made), client="203.0.113.9") as client:
        for key, status in (("", 401), ("a", 403), ("k", 200)):
            headers = {"authorization": f"Bearer {key}"} if key else {}
            assert (await client.get("/v1/tools", headers=headers)).status_code == status
