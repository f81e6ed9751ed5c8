"""Picks a tool for models that cannot call one: constrained output in the place of a call."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from assistant.clock import Ids
from assistant.engine.protocol import CompletionRequest, Engine, TextDelta
from assistant.turn import Sampling
from guards.conversation import BY_OPERATOR, Message, Role, ToolCall, text_message
from plugins.tool import ToolSpec

NONE = "none"
MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Asks the engine for one JSON object that names a tool and its arguments, or none.

    ``tokens`` bounds the object. What does not parse is no call: it is checked like any other.
    """

    engine: Engine
    ids: Ids
    tokens: int = 256

    async def route(
        self, messages: tuple[Message, ...], tools: Sequence[ToolSpec]
    ) -> ToolCall | None:
        """The call that the next step of the conversation needs, if any.

        Raises:
            EngineError: the engine failed.
        """
        if not tools:
            return None
        instructions = text_message(
            _instructions(tools), id="router", role=Role.SYSTEM, provenance=BY_OPERATOR
        )
        spoken = tuple(m for m in messages if m.role is not Role.SYSTEM)
        request = CompletionRequest(
            messages=(instructions, *spoken),
            sampling=Sampling(
                temperature=0.0,
                max_tokens=self.tokens,
                extra={"response_format": _format(tools)},
            ),
        )
        pieces: list[str] = []
        async with aclosing(self.engine.stream(request)) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    pieces.append(event.text)
                    if sum(map(len, pieces)) > MAX_CHARS:
                        return None
        return self._call("".join(pieces), {tool.name for tool in tools})

    def _call(self, text: str, names: set[str]) -> ToolCall | None:
        try:
            chosen: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(chosen, dict) or chosen.get("tool") not in names:
            return None
        arguments = chosen.get("arguments", {})
        return ToolCall(id=self.ids("call_"), name=chosen["tool"], arguments=json.dumps(arguments))


def _instructions(tools: Sequence[ToolSpec]) -> str:
    lines = [f"- {tool.name}: {' '.join(tool.description.split())}" for tool in tools]
    return (
        "Choose the tool that helps with the user's last message and fill in its arguments, or "
        f'choose "{NONE}". Tools:\n' + "\n".join(lines)
    )


def _format(tools: Sequence[ToolSpec]) -> dict[str, Any]:
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
    schema = {"anyOf": choices}
    # One server reads the schema beside the type, the others below json_schema.
    return {
        "type": "json_schema",
        "json_schema": {"name": "tool", "schema": schema, "strict": True},
        "schema": schema,
    }


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
