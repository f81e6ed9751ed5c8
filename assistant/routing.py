"""Picks a tool for models that cannot call one: constrained output in the place of a call."""

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from assistant.clock import Ids
from assistant.engine.protocol import CompletionRequest, Engine, TextDelta
from assistant.errors import EngineRequestError
from assistant.turn import Sampling
from guards.conversation import BY_OPERATOR, Message, Role, ToolCall, text_message
from plugins.tool import ToolSpec

NONE = "none"
MAX_CHARS = 20_000


class Router:
    """Asks the engine for one JSON object that names a tool and its arguments, or none.

    What does not parse is no call; what does is checked like any other.

    Args:
        tokens: bounds the object.
    """

    def __init__(self, *, engine: Engine, ids: Ids, tokens: int = 256) -> None:
        self._engine = engine
        self._ids = ids
        self._tokens = tokens
        self._format = 0

    async def route(
        self, messages: tuple[Message, ...], tools: Sequence[ToolSpec]
    ) -> ToolCall | None:
        """The call that the next step of the conversation needs, if any.

        Raises:
            EngineError: the engine failed.
        """
        if not tools:
            return None
        schema = _schema(tools)
        while True:
            try:
                text = await self._chosen(messages, tools, _FORMATS[self._format](schema))
            except EngineRequestError:
                # llama-cpp-python knows another spelling than everybody else.
                if self._format + 1 == len(_FORMATS):
                    self._format = 0
                    raise
                self._format += 1
            else:
                return self._call(text, {tool.name for tool in tools})

    async def _chosen(
        self,
        messages: tuple[Message, ...],
        tools: Sequence[ToolSpec],
        response_format: dict[str, Any],
    ) -> str:
        instructions = text_message(
            _instructions(tools), id="router", role=Role.SYSTEM, provenance=BY_OPERATOR
        )
        request = CompletionRequest(
            messages=(instructions, *(m for m in messages if m.role is not Role.SYSTEM)),
            sampling=Sampling(
                temperature=0.0,
                max_tokens=self._tokens,
                extra={"response_format": response_format},
            ),
        )
        text = ""
        async with aclosing(self._engine.stream(request)) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    text += event.text
                    if len(text) > MAX_CHARS:
                        return ""
        return text

    def _call(self, text: str, names: set[str]) -> ToolCall | None:
        try:
            chosen: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(chosen, dict) or chosen.get("tool") not in names:
            return None
        arguments = chosen.get("arguments", {})
        return ToolCall(id=self._ids("call_"), name=chosen["tool"], arguments=json.dumps(arguments))


def _instructions(tools: Sequence[ToolSpec]) -> str:
    lines = [f"- {tool.name}: {' '.join(tool.description.split())}" for tool in tools]
    return (
        "Choose the tool that helps with the user's last message and fill in its arguments, or "
        f'choose "{NONE}". Tools:\n' + "\n".join(lines)
    )


def _schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """One object: a tool's name beside arguments of its schema, or none."""
    choices: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {"tool": {"const": tool.name}, "arguments": _inlined(tool.parameters)},
            "required": ["tool", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    choices.append(
        {
            "type": "object",
            "properties": {"tool": {"const": NONE}},
            "required": ["tool"],
            "additionalProperties": False,
        }
    )
    return {"anyOf": choices}


_FORMATS: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
    lambda schema: {"type": "json_schema", "json_schema": {"name": "tool", "schema": schema}},
    lambda schema: {"type": "json_object", "schema": schema},
)
"""Ways to ask for output of a schema, the standard one first."""


def _inlined(parameters: dict[str, Any]) -> dict[str, Any]:
    """A schema without ``$defs``, whose references would point to the wrong root here."""
    definitions = parameters.get("$defs", {})

    def walk(schema: Any, depth: int) -> Any:
        if isinstance(schema, list):
            return [walk(item, depth) for item in schema]
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref", "")
        name = reference.removeprefix("#/$defs/") if isinstance(reference, str) else ""
        if name in definitions and reference:
            return walk(definitions[name], depth + 1) if depth < _DEEPEST else {}
        return {key: walk(value, depth) for key, value in schema.items() if key != "$defs"}

    inlined: dict[str, Any] = walk(parameters, 0)
    return inlined


_DEEPEST = 8
