"""The only way a tool call goes on: validated, judged, decided (I4).

Today it decides the calls of tools that the caller brought and runs itself. Tools that Corral
runs pass through the same first two steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator

from guards.conversation import Exchange, Message, ToolCall
from guards.exchanges import call_exchange
from guards.panel import Panel
from plugins.schemas import InvalidArgumentsError, compiled, parsed
from plugins.tool import ToolSpec
from policies.bundle import Audience, Policy
from policies.decision import Decision


class ToolSchemaError(ValueError):
    """A tool's ``parameters`` are no JSON schema; ``index`` is its place in the list."""

    def __init__(self, index: int) -> None:
        super().__init__("parameters must be a JSON schema (draft 2020-12) of an object")
        self.index = index


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidCall:
    """A call that cannot go on whatever a policy says. ``problem`` quotes no argument."""

    call: ToolCall
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The tools of one turn with their schemas compiled."""

    tools: tuple[ToolSpec, ...]
    validators: dict[str, Validator] = field(repr=False)

    @classmethod
    def of(cls, tools: Sequence[ToolSpec]) -> "Toolbox":
        """Compile the schemas.

        Raises:
            ToolSchemaError: one is not a schema, or a name is taken twice.
        """
        validators: dict[str, Validator] = {}
        for index, tool in enumerate(tools):
            try:
                validator = compiled(tool)
            except (SchemaError, TypeError, ValueError) as error:
                raise ToolSchemaError(index) from error
            if tool.name in validators:
                raise ToolSchemaError(index)
            validators[tool.name] = validator
        return cls(tools=tuple(tools), validators=validators)


class Broker:
    """Validates a tool call, has it judged, and asks the policy."""

    def __init__(self, *, panel: Panel, policy: Policy) -> None:
        self._panel = panel
        self._policy = policy

    async def decide(
        self,
        call: ToolCall,
        toolbox: Toolbox,
        context: tuple[Message, ...],
        *,
        audience: Audience,
        locale: str,
    ) -> tuple[Exchange, Decision] | InvalidCall:
        """The policy's decision about exactly these arguments."""
        validator = toolbox.validators.get(call.name)
        if validator is None:
            return InvalidCall(call=call, problem="no such tool was offered")
        try:
            parsed(call.arguments, validator)
        except InvalidArgumentsError as error:
            return InvalidCall(call=call, problem=str(error))
        exchange = call_exchange(call, context)
        verdict = await self._panel.judge(exchange)
        return exchange, self._policy.decide(exchange, verdict, audience, locale)
