"""LangChain's tools as ours, and ours as LangChain's.

langchain-core is imported when a tool is made, not with this module: it takes more than a second.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ValidationError

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.errors import ToolError
from plugins.manifest import ANY_PUBLIC_HOST, SideEffect
from plugins.result import Result
from plugins.tool import Tool, ToolSpec

if TYPE_CHECKING:
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import BaseTool

Call = Callable[[str, Mapping[str, Any]], Awaitable[str]]
"""Runs one of Corral's tools by name, through the broker; what the model reads of it."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TAKEN = frozenset({"config", "run_manager", "callbacks"})


def from_langchain(
    tool: "BaseTool",
    *,
    name: str | None = None,
    side_effect: SideEffect = SideEffect.IRREVERSIBLE,
    reads: Confidentiality = Confidentiality.USER,
    hosts: Iterable[str] | None = None,
    content: Iterable[str] = (),
) -> Tool:
    """A LangChain tool as a :class:`~plugins.tool.Tool`, at its worst where nothing is said.

    It brings its own network, of which Corral sees nothing: in this process it cannot be held to
    any hosts, and a deadline leaves a synchronous tool running in its thread. So by default its
    arguments count as sent anywhere. Name ``hosts`` only for a plugin that runs isolated, where
    there is no network but the broker's, or for a tool that you know. Its plugin's manifest must
    allow as much: ``hosts=("*",)`` unless you name some.

    Arguments that LangChain injects are not shown to the model. The id of the tool call is
    injected here (``Access.key``); a tool that needs anything else injected is refused.

    Args:
        tool: any ``BaseTool``; asynchronous where it can be, else in a thread.
        name: what the model calls it; by default the tool's own name.
        side_effect, reads, content: as for ``Tool``.
        hosts: where its arguments may end up; ``None`` is anywhere.

    Raises:
        ValueError: the name is none that models can call, or ``content`` names no argument.
        TypeError: it needs an argument that nobody here injects.
    """
    from langchain_core.utils.function_calling import convert_to_openai_tool

    function = convert_to_openai_tool(tool)["function"]
    called = name or tool.name
    if not _NAME.fullmatch(called):
        raise ValueError(f"{called!r} is no name for a tool; give one of letters, digits, _ and -")
    schema = {"type": "object", "properties": {}, **function.get("parameters", {})}
    schema.setdefault("additionalProperties", False)
    _check_injected(tool, frozenset(schema["properties"]))
    unknown = sorted(set(content) - set(schema["properties"]))
    if unknown:
        raise ValueError(f"{called} has no argument {unknown[0]!r}")

    async def run(arguments: Mapping[str, Any], access: Access) -> Result:
        # An argument that is not in the schema could be one that LangChain takes for injected.
        given = {key: value for key, value in arguments.items() if key in schema["properties"]}
        return await _run(tool, given, access.key)

    return Tool(
        spec=ToolSpec(name=called, description=tool.description, parameters=schema),
        run=run,
        side_effect=side_effect,
        reads=reads,
        hosts=(ANY_PUBLIC_HOST,) if hosts is None else tuple(hosts),
        content=frozenset(content),
    )


def _check_injected(tool: "BaseTool", shown: frozenset[str]) -> None:
    from langchain_core.tools import InjectedToolCallId

    schema = tool.args_schema
    if not isinstance(schema, type) or not issubclass(schema, BaseModel):
        return
    for name, field in schema.model_fields.items():
        marks = (*field.metadata, field.annotation)
        by_us = any(mark is InjectedToolCallId or isinstance(mark, InjectedToolCallId)
                    for mark in marks)  # fmt: skip
        if (field.alias or name) not in shown and field.is_required() and not by_us:
            raise TypeError(f"{tool.name} needs {name!r} injected, which nobody does here")


async def _run(tool: "BaseTool", arguments: dict[str, Any], key: str) -> Result:
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import ToolException

    try:
        answer = await tool.ainvoke(
            {"type": "tool_call", "id": key, "name": tool.name, "args": arguments}
        )
    except ToolException as error:
        raise ToolError(str(error) or "the tool failed and does not say why") from None
    except ValidationError as error:
        raise ToolError(_mistakes(error)) from None
    if not isinstance(answer, ToolMessage):
        raise TypeError("a LangChain tool must answer with content, not with a command")
    text = _text(answer)
    if answer.status == "error":
        raise ToolError(text)
    return Result(content=text, artifact=_artifact(answer.artifact))


def _text(answer: "ToolMessage") -> str:
    if isinstance(answer.content, str):
        return answer.content
    return "\n".join(
        str(block["text"]) if block["type"] == "text" else f"[{block['type']}, left out]"
        for block in answer.content_blocks
    )


def _artifact(artifact: Any) -> Any:
    """What is no JSON stays here: documents, data frames, clients."""
    try:
        return orjson.loads(orjson.dumps(artifact))
    except (TypeError, ValueError):
        return None


def _mistakes(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in mistake['loc']) or 'arguments'}: {mistake['msg']}"
        for mistake in error.errors(include_input=False, include_url=False, include_context=False)
    )


def as_langchain(spec: ToolSpec, call: Call) -> "BaseTool":
    """One of Corral's tools as a LangChain tool, asynchronous only.

    LangChain does not check arguments against a JSON schema; ``call``, which is the broker's, does.

    Raises:
        ValueError: it has an argument that LangChain takes for its own.
    """
    from langchain_core.tools import StructuredTool

    taken = sorted(_TAKEN & set(spec.parameters.get("properties", {})))
    if taken:
        raise ValueError(f"{spec.name}: LangChain takes the argument {taken[0]!r} for its own")

    async def run(**arguments: Any) -> str:
        return await call(spec.name, arguments)

    return StructuredTool(
        name=spec.name, description=spec.description, args_schema=spec.parameters, coroutine=run
    )
