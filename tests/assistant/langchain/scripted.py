"""A model that does what LangChain's standard tests ask of one, by script."""

import json
from collections.abc import Sequence
from typing import Any

from assistant.engine.protocol import CompletionRequest
from assistant.testing.scripted_engine import Step, call, say
from guards.conversation import Role, ToolCall
from plugins.tool import ToolSpec

VALUES: dict[str, Any] = {
    "string": "a cat",
    "integer": 3,
    "number": 3,
    "boolean": True,
    "null": None,
}


def obliging(request: CompletionRequest) -> Sequence[Step]:
    """Calls a tool where the request leaves no choice, or where a person asked for one; else talks.

    Every argument is a value of its type; texts repeat what was asked, so that a test can see
    that it came through.
    """
    chosen = _chosen(request)
    if chosen is None:
        return say("Hello", ", how", " are you?")
    asked = request.messages[-1].text
    arguments = {
        name: asked if schema.get("type") == "string" else _value(schema)
        for name, schema in chosen.parameters.get("properties", {}).items()
    }
    return call(
        ToolCall(
            id=f"call-{len(request.messages)}",
            name=chosen.name,
            arguments=json.dumps(arguments, ensure_ascii=False),
        )
    )


def _chosen(request: CompletionRequest) -> ToolSpec | None:
    match request.tool_choice:
        case {"function": {"name": name}}:
            return next(tool for tool in request.tools if tool.name == name)
        case "required":
            return request.tools[0]
        case "none":
            return None
        case _:
            fresh = request.messages[-1].role is Role.USER
            return request.tools[0] if request.tools and fresh else None


def _value(schema: dict[str, Any]) -> Any:
    kinds = [schema, *schema.get("anyOf", ())]
    return next((VALUES[kind["type"]] for kind in kinds if kind.get("type") in VALUES), None)
