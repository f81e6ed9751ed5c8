"""LangChain's tools as ours, and the other way."""

import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from langchain_core.tools import (
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    ToolException,
    tool,
)
from langchain_core.tools import Tool as OneTextTool
from pydantic import BaseModel, Field

from guards.conversation import Confidentiality
from plugins.adapters.langchain import as_langchain, from_langchain
from plugins.errors import ToolError
from plugins.manifest import SideEffect
from plugins.schemas import compiled, parsed
from plugins.testing import access
from plugins.tool import ToolSpec


class Trip(BaseModel):
    """Where to."""

    city: str = Field(description="A city.")
    days: int = Field(default=1, ge=1)


@tool(args_schema=Trip)
async def plan(city: str, days: int) -> str:
    """Plans a trip."""
    if city == "Atlantis":
        raise ToolException("no such city")
    return f"{days} days in {city}"


async def test_a_tool_with_a_pydantic_schema() -> None:
    ours = from_langchain(plan)
    assert (ours.name, ours.spec.description) == ("plan", "Plans a trip.")
    properties = ours.spec.parameters["properties"]
    assert properties["city"] == {"description": "A city.", "type": "string"}
    assert ours.spec.parameters["required"] == ["city"]
    assert (await ours.run({"city": "Rome"}, access())).content == "1 days in Rome"
    with pytest.raises(ToolError, match=r"^no such city$"):
        await ours.run({"city": "Atlantis"}, access())
    with pytest.raises(ToolError, match="days: Input should be greater than or equal to 1"):
        await ours.run({"city": "Rome", "days": 0}, access())


def test_it_is_taken_at_its_worst_where_nothing_is_said() -> None:
    ours = from_langchain(plan)
    assert (ours.side_effect, ours.reads) == (SideEffect.IRREVERSIBLE, Confidentiality.USER)
    assert (ours.hosts, ours.content) == (("*",), frozenset())
    ours = from_langchain(
        plan,
        name="trip",
        side_effect=SideEffect.NONE,
        reads=Confidentiality.PUBLIC,
        hosts=(),
        content=("city",),
    )
    assert (ours.name, ours.side_effect, ours.hosts) == ("trip", SideEffect.NONE, ())
    assert (ours.reads, ours.content) == (Confidentiality.PUBLIC, {"city"})


async def test_a_dict_schema_is_checked_by_the_broker() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    async def double(n: int) -> str:
        return str(n * 2)

    theirs = StructuredTool(name="double", description="Doubles.", args_schema=schema,
                            coroutine=double)  # fmt: skip
    ours = from_langchain(theirs)
    assert parsed('{"n": 2}', compiled(ours.spec)) == {"n": 2}
    with pytest.raises(ValueError, match="n: must meet type"):
        parsed('{"n": "many"}', compiled(ours.spec))
    with pytest.raises(ValueError, match="unknown field"):
        parsed('{"n": 1, "config": {}}', compiled(ours.spec))
    assert (await ours.run({"n": 2}, access())).content == "4"


async def test_content_and_artifact() -> None:
    @tool(response_format="content_and_artifact")
    def find(q: str) -> tuple[str, Any]:
        """Finds."""
        return f"found {q}", {"hits": [1, 2]} if q == "json" else object()

    ours = from_langchain(find)
    assert (await ours.run({"q": "json"}, access())).artifact == {"hits": [1, 2]}
    result = await ours.run({"q": "other"}, access())
    assert (result.content, result.artifact) == ("found other", None)


async def test_blocks_and_data() -> None:
    @tool
    async def mixed(kind: str) -> Any:
        """Answers."""
        if kind == "data":
            return {"a": [1]}
        return [{"type": "text", "text": "seen"}, {"type": "image", "url": "https://x.example"}]

    ours = from_langchain(mixed)
    assert (await ours.run({"kind": "data"}, access())).content == '{"a": [1]}'
    assert (await ours.run({"kind": "blocks"}, access())).content == "seen\n[image, left out]"


async def test_injected_arguments_are_not_the_models() -> None:
    @tool
    async def pay(
        amount: int,
        call_id: Annotated[str, InjectedToolCallId],
        account: Annotated[str, InjectedToolArg] = "own",
    ) -> str:
        """Pays."""
        return f"{amount} from {account} as {call_id}"

    ours = from_langchain(pay)
    assert set(ours.spec.parameters["properties"]) == {"amount"}
    given = {"amount": 5, "account": "other", "call_id": "x"}
    assert (await ours.run(given, access(key="k1"))).content == "5 from own as k1"

    @tool
    async def greet(user: Annotated[str, InjectedToolArg]) -> str:
        """Greets."""
        return user

    with pytest.raises(TypeError, match="needs 'user' injected"):
        from_langchain(greet)


async def test_a_synchronous_tool_runs_in_a_thread() -> None:
    @tool
    def where() -> str:
        """Tells its thread."""
        return threading.current_thread().name

    content = (await from_langchain(where).run({}, access())).content
    assert content != threading.current_thread().name
    upper = OneTextTool(name="upper", description="Upper.", func=str.upper)
    ours = from_langchain(upper)
    assert (await ours.run({"__arg1": "a"}, access())).content == "A"


async def test_errors_that_the_tool_handles_are_errors() -> None:
    @tool
    async def fragile() -> str:
        """Fails."""
        raise ToolException("try tomorrow")

    fragile.handle_tool_error = True
    with pytest.raises(ToolError, match="try tomorrow"):
        await from_langchain(fragile).run({}, access())

    @tool
    async def broken() -> str:
        """Fails."""
        raise KeyError("secret")

    with pytest.raises(KeyError):
        await from_langchain(broken).run({}, access())


@pytest.mark.parametrize("name", ["no spaces please", "", "x" * 65])
def test_names_that_no_model_can_call(name: str) -> None:
    theirs = StructuredTool(name=name, description="D.", args_schema={"type": "object"},
                            coroutine=plan.coroutine)  # type: ignore[attr-defined]  # fmt: skip
    with pytest.raises(ValueError, match="is no name for a tool"):
        from_langchain(theirs)
    with pytest.raises(ValueError, match="has no argument 'x'"):
        from_langchain(plan, content=("x",))


async def test_ours_as_langchains() -> None:
    calls: list[tuple[str, Mapping[str, Any]]] = []

    async def call(name: str, arguments: Mapping[str, Any]) -> str:
        calls.append((name, arguments))
        return "done"

    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}}
    spec = ToolSpec(name="count", description="Counts.", parameters=parameters)
    theirs = as_langchain(spec, call)
    assert await theirs.ainvoke({"n": 3}) == "done"
    assert calls == [("count", {"n": 3})]
    back = from_langchain(theirs)
    assert back.spec.parameters["properties"] == parameters["properties"]
    spec = ToolSpec(
        name="count",
        description="Counts.",
        parameters={"type": "object", "properties": {"config": {"type": "object"}}},
    )
    with pytest.raises(ValueError, match="takes the argument 'config' for its own"):
        as_langchain(spec, call)


def test_importing_the_adapters_imports_none_of_the_libraries() -> None:
    code = (
        "import sys, plugins.opening, plugins.adapters.langchain, plugins.adapters.mcp, "
        "plugins.adapters.openapi; "
        "print([m for m in ('mcp', 'langchain_core', 'httpx2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
