"""The only way a tool call goes on: validated, judged, decided (I4)."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator

from guards.conversation import Exchange, Message, ToolCall
from guards.exchanges import call_exchange
from guards.panel import Panel
from plugins.access import Store
from plugins.caller import Caller
from plugins.calling import Calling, Desk, Progress, Stores
from plugins.effects import Effects
from plugins.journal import Journal
from plugins.ledger import Ledger
from plugins.registry import Catalogue
from plugins.schemas import InvalidArgumentsError, compiled, parsed
from plugins.tool import ToolSpec
from policies.bundle import Audience, Policy
from policies.decision import Decision
from policies.placeholders import Placeholders


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
    """Lets tools be called: Corral's own through :meth:`calling`; of those that a caller runs
    itself it decides the calls.

    Args:
        catalogue: Corral's own tools.
        ledger: where their side effects are noted; without one, tools that have any fail.
        stores: makes what a plugin keeps for a caller, by the plugin's name.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        panel: Panel,
        policy: Policy,
        catalogue: Catalogue | None = None,
        ledger: Ledger | None = None,
        stores: Stores | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._panel = panel
        self._policy = policy
        self.catalogue = catalogue or Catalogue()
        self._desk = Desk(
            panel=panel,
            policy=policy,
            catalogue=self.catalogue,
            ledger=ledger,
            stores=stores or _no_store,
            clock=clock,
        )

    def calling(
        self,
        caller: Caller,
        journal: Journal,
        *,
        offered: Iterable[str],
        placeholders: Placeholders,
        progress: Progress,
        tally: Mapping[str, int] | None = None,
    ) -> Calling:
        """What makes the calls of one turn; see :class:`~plugins.calling.Calling`."""
        return Calling(
            desk=self._desk,
            caller=caller,
            journal=journal,
            offered=frozenset(offered),
            placeholders=placeholders,
            progress=progress,
            effects=Effects(ledger=self._desk.ledger, caller=caller),
            tally=Counter(tally or {}),
        )

    def store(self, plugin: str, caller: Caller) -> Store:
        """What ``plugin`` keeps for the caller's user, for front ends that show some of it.

        Raises:
            LookupError: this broker keeps nothing.
        """
        return self._desk.stores(plugin, caller)

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


def _no_store(plugin: str, caller: Caller) -> Store:
    del caller
    raise LookupError(f"nothing is kept for plugin {plugin}")
