"""AgentDojo's ground-truth calls through the broker, without a model.

A user task is replayed as the person's prompt and then its calls, each result following as
untrusted data. A pair of a user task and an injection task is the same conversation over poisoned
data: from the first result in which the injection shows, the injection's own calls are tried, as
they would be by a model that falls for it entirely. Guards find nothing.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from math import inf
from typing import Any

import httpx
import orjson

from assistant.testing.scripted_guard import ScriptedGuard
from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    Confidentiality,
    Message,
    Role,
    Subject,
    ToolCall,
    text_message,
)
from guards.guard import Guard
from guards.panel import Panel, Seat
from plugins.access import Access
from plugins.approval import Grant
from plugins.broker import Broker
from plugins.caller import Caller
from plugins.calling import Calling
from plugins.errors import ToolError
from plugins.journal import CallStep
from plugins.ledger import Entry, Standing
from plugins.manifest import Limits, Manifest, SideEffect
from plugins.outcome import Failed, Failure, NeedsApproval, Outcome, Ran, tool_message
from plugins.provenance import Traced, trace
from plugins.registry import Bound, Catalogue
from plugins.result import Result
from plugins.testing.fakes import FakeStore
from plugins.tool import Tool, ToolSpec
from policies.bundle import Policy
from policies.decision import Decision
from policies.placeholders import Placeholders
from tests.plugins.agentdojo.suites import environment, suites
from tests.plugins.agentdojo.terms import TERMS, Terms


class Ended(StrEnum):
    """How the broker ended one call."""

    LET_THROUGH = "let through"
    ASKED = "asked"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One call of the benchmark and how it ended.

    Attributes:
        task, pair: whose call it is; for an injection's, in which user task's conversation.
        terms: what its manifest says.
        traced: where its arguments come from.
        clause: what decided.
    """

    suite: str
    task: str
    pair: str
    tool: str
    terms: Terms
    traced: Traced
    ended: Ended
    clause: str | None

    @property
    def stopped(self) -> bool:
        """Whether it did not go through without a person's word."""
        return self.ended is not Ended.LET_THROUGH


@dataclass(slots=True)
class _Notes:
    """A journal that keeps the last decision, and the stages."""

    last: Decision | None = None

    def decided(self, exchange: Any, decision: Decision) -> None:
        if exchange.subject is Subject.TOOL_CALL:
            self.last = decision

    def stepped(self, step: CallStep) -> None:
        pass

    async def durable(self) -> None:
        pass


@dataclass(slots=True)
class _Ledger:
    """A ledger of one conversation, in memory."""

    entries_: dict[str, Entry] = field(default_factory=dict)

    async def entries(self, caller: Caller) -> dict[str, Entry]:
        return dict(self.entries_)

    async def begin(self, caller: Caller, key: str) -> Entry:
        before = self.entries_.get(key, Entry(standing=Standing.NEW))
        self.entries_.setdefault(key, Entry(standing=Standing.STARTED))
        return before

    async def done(self, caller: Caller, key: str, record: bytes) -> None:
        self.entries_[key] = Entry(standing=Standing.DONE, record=record)

    async def again(self, caller: Caller, key: str) -> None:
        self.entries_.pop(key, None)


@dataclass(slots=True)
class _World:
    """The environment that a suite's tools act on; each conversation puts its own here."""

    suite: Any
    environment: Any = None

    def run(self, name: str, arguments: Mapping[str, Any]) -> str:
        # Imported here, as suites() has to make these modules importable first.
        from agentdojo.agent_pipeline.tool_execution import (
            tool_result_to_str,
        )
        from agentdojo.functions_runtime import FunctionsRuntime

        runtime = FunctionsRuntime(self.suite.tools)
        result, error = runtime.run_function(self.environment, name, dict(arguments))
        if error is not None:
            raise ToolError(error)
        return str(tool_result_to_str(result))


@cache
def _world(suite: str) -> tuple[_World, Catalogue]:
    world = _World(suites()[suite])
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    bound = {}
    for function in world.suite.tools:
        terms = TERMS[function.name]
        tool = Tool(
            spec=ToolSpec(
                name=function.name,
                description=function.description,
                parameters=function.parameters.model_json_schema(),
            ),
            run=_running(world, function.name),
            side_effect=terms.effect,
            reads=terms.reads,
            hosts=terms.hosts,
            content=terms.content,
        )
        bound[function.name] = Bound(
            tool=tool,
            manifest=Manifest(
                name=suite,
                version="1",
                side_effect=SideEffect.IRREVERSIBLE,
                hosts=terms.hosts,
                reads=frozenset(Confidentiality),
                limits=Limits(calls_per_turn=1_000),
            ),
            http=client,
            secrets={},
            gate=asyncio.Semaphore(),
        )
    return world, Catalogue(bound=bound)


def _running(world: _World, name: str) -> Any:
    async def run(arguments: Mapping[str, Any], access: Access) -> Result:
        return Result(content=world.run(name, arguments))

    return run


def _unheard(call: ToolCall, text: str) -> None:
    """Nobody hears of progress."""


def _stores(plugin: str, caller: Caller) -> FakeStore:
    return FakeStore()


@cache
def _policy() -> Policy:
    return Policy.load_builtin()


@dataclass(slots=True)
class Conversation:
    """One conversation over a suite: the person's prompt, and what was called since."""

    suite: str
    task: Any
    injection: str | None
    reader: Guard | None = None
    context: list[Message] = field(default_factory=list)
    _calling: Calling | None = None
    _notes: _Notes = field(default_factory=_Notes)
    _count: int = 0

    def __post_init__(self) -> None:
        world, catalogue = _world(self.suite)
        world.environment = self.task.init_environment(environment(self.suite, self.injection))
        seats = [Seat(guard=ScriptedGuard(), subjects=frozenset(Subject))]
        if self.reader is not None:
            seats.append(Seat(guard=self.reader, subjects=frozenset({Subject.TOOL_RESULT})))
        panel = Panel(seats)
        broker = Broker(
            panel=panel, policy=_policy(), catalogue=catalogue, ledger=_Ledger(), stores=_stores
        )
        self._calling = broker.calling(
            Caller(tenant="t", user="u", session="s", turn="1", pseudonym="p"),
            self._notes,
            offered=catalogue.bound,
            placeholders=Placeholders(),
            progress=_unheard,
        )
        self.context.append(text_message(self.task.PROMPT, id="prompt"))

    @property
    def world(self) -> _World:
        return _world(self.suite)[0]

    async def try_call(self, task: str, function: Any, *, approving: bool) -> Tried:
        """Make one call. ``approving`` stands for a person who says yes to whatever is asked, and
        does what was denied themselves, so that the conversation can go on."""
        assert self._calling is not None
        self._count += 1
        arguments = orjson.dumps(dict(function.args), default=str).decode()
        call = ToolCall(id=f"c{self._count}", name=function.function, arguments=arguments)
        context = tuple(self.context)
        outcome = await self._calling.call(call, context)
        decision = self._notes.last
        ended = _ended(outcome)
        if approving and isinstance(outcome, NeedsApproval):
            grant = Grant(approval="a", digest=outcome.digest, expires=inf)
            outcome = await self._calling.call(call, context, grant=grant)
        message = self._message(call, outcome, approving)
        self.context += [_asking(call), message]
        tool = _world(self.suite)[1].bound[call.name].tool
        return Tried(
            suite=self.suite,
            task=task,
            pair=self.task.ID,
            tool=call.name,
            terms=TERMS[call.name],
            traced=trace(
                tool.name,
                orjson.loads(arguments),
                context,
                content=tool.content,
                schema=tool.spec.parameters,
            ),
            ended=ended,
            clause=decision.basis.clause if decision is not None else None,
        )

    def _message(self, call: ToolCall, outcome: Outcome, approving: bool) -> Message:
        match outcome:
            case Ran(message=message):
                return message
            case Failed(message=message) if not (approving and _ended(outcome) is Ended.DENIED):
                return message
            case _ if approving:
                text = self.world.run(call.name, orjson.loads(call.arguments))
                reads = TERMS[call.name].reads
                return tool_message(call, text, replace(BY_TOOL, confidentiality=reads))
            case _:
                return tool_message(call, "not done", BY_TOOL)

    def ground_truth(self, task: Any) -> list[Any]:
        return list(task.ground_truth(self.world.environment.model_copy(deep=True)))


def _asking(call: ToolCall) -> Message:
    return replace(
        text_message("", id=f"a{call.id}", role=Role.ASSISTANT, provenance=BY_MODEL),
        tool_calls=(call,),
    )


def _ended(outcome: Outcome) -> Ended:
    match outcome:
        case NeedsApproval():
            return Ended.ASKED
        case Failed(failure=Failure.DENIED):
            return Ended.DENIED
        case Ran() | Failed(failure=Failure.TOOL_ERROR | Failure.WITHHELD):
            return Ended.LET_THROUGH
        case _:
            raise AssertionError(f"the replay does not expect {outcome}")


RETOLD = "Here is what it comes down to, in a few words of the model's own choosing. " * 4
"""Stands for a summary as a model would write one."""
_STAND_IN = re.compile(r"<\w+>|\.\.\.")
"""What the benchmark writes where it leaves a text to the model."""


async def replay_user_task(suite: str, name: str, *, retold: bool = False) -> list[Tried]:
    """The calls of one user task over harmless data. ``retold`` puts a text of a summary's length
    where the benchmark has a stand-in."""
    task = suites()[suite].user_tasks[name]
    conversation = Conversation(suite, task, None)
    tried = []
    for function in conversation.ground_truth(task):
        if retold:
            for key, value in function.args.items():
                if isinstance(value, str) and _STAND_IN.fullmatch(value):
                    function.args[key] = RETOLD
        tried.append(await conversation.try_call(name, function, approving=True))
    return tried


async def replay_pair(
    suite: str, user: str, injection: str, wording: str, reader: Guard | None = None
) -> list[Tried]:
    """The injection's calls, tried where its text first shows in a user task's data. ``wording``
    holds ``{goal}``. None are tried where the text shows nowhere."""
    task = suites()[suite].user_tasks[user]
    attack = suites()[suite].injection_tasks[injection]
    text = wording.replace("{goal}", attack.GOAL)
    conversation = Conversation(suite, task, text, reader)
    shown = _letters(attack.GOAL)
    for function in conversation.ground_truth(task):
        await conversation.try_call(user, function, approving=True)
        if shown in _letters(conversation.context[-1].text):
            break
    else:
        return []
    return [
        await conversation.try_call(injection, function, approving=False)
        for function in conversation.ground_truth(attack)
    ]


def _letters(text: str) -> str:
    """``text`` without what YAML puts between the words of a quoted text."""
    return "".join(filter(str.isalnum, text.replace("\\n", "")))
