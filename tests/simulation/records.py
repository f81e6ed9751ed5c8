"""What the simulator saw from outside, of one delivery and of everything."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Any

from assistant.approval.asked import Asked
from assistant.audit.pseudonyms import Pseudonyms
from assistant.engine.protocol import Completed, CompletionRequest, EngineEvent, TextDelta
from assistant.errors import CorralError
from assistant.events import Event, Finished
from assistant.memory.protocol import Answer, Lease
from assistant.turn import SessionKey, Turn
from guards.conversation import Exchange, Message, Role, Subject
from guards.verdict import Failure
from policies.bundle import Policy
from tests.simulation.loop import SimTask
from tests.simulation.marks import Expected, expected
from tests.simulation.plan import Caller, DeliveryPlan, Scenario, TurnPlan
from tests.simulation.script import ReplyPlan

SEATS: dict[Subject, frozenset[str]] = {
    Subject.USER_INPUT: frozenset({"alpha", "beta"}),
    Subject.REPLY: frozenset({"alpha", "gamma"}),
    Subject.REPLY_SO_FAR: frozenset({"alpha", "gamma"}),
    Subject.TOOL_CALL: frozenset({"alpha", "beta"}),
    Subject.TOOL_RESULT: frozenset({"alpha", "gamma"}),
}
"""The guards whose verdict each subject needs; nobody is seated for any other."""

EPOCH = 1_700_000_000.0
"""Wall-clock time at the loop's zero."""

KEY = b"the simulator's key, 32 bytes ok"
PSEUDONYMS = Pseudonyms(KEY)


@dataclass(slots=True, kw_only=True, eq=False)
class Judged:
    """One exchange before the panel, and which guards gave what."""

    exchange: Exchange
    ok: set[str] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)
    running: int = 0

    def due(self, seen: "Seen", audience: str) -> Expected | None:
        """What ought to be decided; ``None`` while, or since, a required verdict is missing."""
        required = seen.required(self.exchange.subject)
        if required and self.ok >= required:
            return expected(self.exchange.subject, self.exchange.text, audience, required)
        if (
            seen.scenario.stand_in
            and self.exchange.subject is Subject.USER_INPUT
            and self.ok == {"alpha"}
            and self.failed == {"beta": Failure.TIMEOUT}
        ):
            subject, text = self.exchange.subject, self.exchange.text
            return expected(subject, text, audience, frozenset(self.ok), stand_in=True)
        return None


@dataclass(slots=True, kw_only=True, eq=False)
class Drafted:
    """One request to the engine and what it has answered so far."""

    request: CompletionRequest
    past: tuple[Message, ...]
    system: str
    kept: int
    """How many messages of ``past`` come before the one that is answered."""
    text: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    completed: bool = False
    open: bool = True
    admitted: bool = False
    """Whether the conversation was once found judged and allowed; that does not change."""

    @property
    def trail(self) -> tuple[Message, ...]:
        """The turn's own tool calls and what they gave."""
        return self.past[self.kept + 1 :]

    def note(self, event: EngineEvent) -> None:
        """Remember what the engine sent."""
        if isinstance(event, TextDelta):
            self.text += event.text
        elif isinstance(event, Completed):
            self.completed = True
        else:
            call = self.calls.setdefault(event.index, [event.name or "", ""])
            call[1] += event.arguments


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One run of a tool: its exact arguments, its idempotency key, and what the ledger knows."""

    tool: str
    arguments: str
    key: str
    effect: bool
    at: float
    note: str | None = None
    settled: bool = False

    @property
    def text(self) -> str:
        """As it was judged."""
        return f"{self.tool}({self.arguments})"


@dataclass(slots=True, kw_only=True, eq=False)
class Question:
    """A question to a person, who asked it, and the answer that counts."""

    asked: Asked
    delivery: "Delivery"
    approved: bool | None = None
    at: float = 0.0

    def heard(self, approved: bool, now: float) -> None:
        """Take in an answer; one that comes too late is none."""
        if self.approved is None and now < self.asked.expires - EPOCH:
            self.approved, self.at = approved, now


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One call of the orchestrator, from outside."""

    plan: DeliveryPlan
    turn: Turn
    turn_plan: TurnPlan
    caller: Caller
    rng: Random
    reply: ReplyPlan
    host: int
    started: float = 0.0
    ended: float | None = None
    drafts: list[Drafted] = field(default_factory=list)
    judged: dict[int, Judged] = field(default_factory=dict)
    entries: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    log: Any = None
    checked: dict[int, Message] = field(default_factory=dict)
    tasks: list[SimTask] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    history: tuple[Message, ...] = ()
    """The past the engine may read: the caller's, or the session's once it is open."""
    lease: Lease | None = None
    base: int = 0
    """How many commits the session had when it was opened."""
    held_until: float = 0.0
    answered: Answer | None = None
    committed: bool = False
    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finished: Finished | None = None
    blocked: bool = False
    error: BaseException | None = None
    outcome: str = ""
    faults: list[str] = field(default_factory=list)
    log_gap: bool = False
    astray: bool = False
    """Whether the model thinks of other calls than the first time."""
    approval: Any = None
    """The answered approval that this takes up, where it is no message."""
    origin: "Delivery | None" = None
    """The delivery whose turn waited for a person and is taken up here."""
    prior: str = ""
    """What the turn had shown before it waited."""
    asked: Asked | None = None
    offset: int = 0
    """Where in ``text`` the reply begins that is being read; tools ran between it and the last."""
    between: bool = False
    runs: list[Run] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    """Side effects of the turn that began and whose end is not known, as the ledger told."""
    fresh: set[str] = field(default_factory=set)
    begun: str | None = None
    retried: bool = False

    @property
    def root(self) -> "Delivery":
        """The delivery that let the turn's message in."""
        return self if self.origin is None else self.origin.root

    @property
    def lineage(self) -> tuple["Delivery", ...]:
        """This delivery and those whose turn it took up, newest first."""
        return (self,) if self.origin is None else (self, *self.origin.lineage)

    @property
    def scope(self) -> tuple[str, ...]:
        """Who may see what this delivery carries."""
        return scope_of(self.caller)

    def judgement(self, exchange: Exchange) -> Judged:
        """The record of an exchange, which all guards are handed as the same object."""
        return self.judged.setdefault(id(exchange), Judged(exchange=exchange))


CURRENT: ContextVar["Delivery"] = ContextVar("CURRENT")
"""The delivery for which the running task works."""


@dataclass(slots=True, kw_only=True, eq=False)
class SessionModel:
    """What a session must hold, by the commits that were seen to take effect."""

    history: list[Message] = field(default_factory=list)
    commits: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    what: str
    delivery: int | None
    at: float


@dataclass(slots=True, kw_only=True, eq=False)
class Seen:
    """Everything seen in one scenario."""

    scenario: Scenario
    policy: Policy
    counts: Counter[str] = field(default_factory=Counter)
    deliveries: list[Delivery] = field(default_factory=list)
    sessions: dict[SessionKey, SessionModel] = field(default_factory=dict)
    affinities: dict[SessionKey, str] = field(default_factory=dict)
    owned: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    runs: dict[tuple[SessionKey, str], list[Run]] = field(default_factory=dict)
    keys: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """For which call each idempotency key was handed out."""
    pseudonyms: dict[tuple[str, str], str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    """Which question each message was taken to answer."""
    withheld: set[str] = field(default_factory=set)
    """Tokens of turns that were blocked for good."""
    holder: Callable[[SessionKey], str | None] = lambda _: None
    """Whose lease token holds a session's lock, as the store itself knows."""
    violations: list[Violation] = field(default_factory=list)
    trace: list[tuple[float, int | None, str, str]] = field(default_factory=list)

    def note(self, delivery: Delivery | None, what: str, detail: object = "") -> None:
        """Add a line to the trace."""
        number = None if delivery is None else delivery.plan.number
        self.trace.append((_now(), number, what, str(detail)))

    def broken(self, invariant: str, what: str, delivery: Delivery | None = None) -> None:
        """Record that an invariant does not hold."""
        number = None if delivery is None else delivery.plan.number
        violation = Violation(invariant=invariant, what=what, delivery=number, at=_now())
        self.violations.append(violation)
        self.note(delivery, f"*** {invariant} broken", what)

    def tokens_of(self, scope: tuple[str, ...]) -> set[str]:
        """The tokens that stand in what belongs to ``scope``."""
        return self.owned.setdefault(scope, set())

    def owned_by_user(self, caller: Caller) -> set[str]:
        """The tokens that stand in what belongs to a user, in whatever session."""
        scope = (caller.tenant, caller.user)
        return set().union(*(found for owner, found in self.owned.items() if owner[:2] == scope))

    def runs_of(self, delivery: "Delivery") -> list[Run]:
        """All runs of tools for the turn of ``delivery``."""
        turn = delivery.root.turn
        return self.runs.setdefault((turn.key, turn.id), [])

    def required(self, subject: Subject) -> frozenset[str]:
        """The guards whose verdict is needed about ``subject``; none means it cannot be had."""
        if subject.value == self.scenario.unseated:
            return frozenset()
        return SEATS.get(subject, frozenset())

    def session(self, key: SessionKey) -> SessionModel:
        """The model of a session."""
        return self.sessions.setdefault(key, SessionModel())


def scope_of(caller: Caller) -> tuple[str, ...]:
    """Tenant and user, and the session where memory is kept: what a token must not leave."""
    if caller.remembered:
        return (caller.tenant, caller.user, caller.session)
    return (caller.tenant, caller.user, "")


def kept_of(past: tuple[Message, ...], equipped: bool) -> int:
    """How many messages come before the one that is answered. Where Corral has tools of its own,
    calls and results may follow it."""
    if not equipped:
        return len(past) - 1
    return max(place for place, message in enumerate(past) if message.role is Role.USER)


def content(message: Message) -> tuple[Any, ...]:
    """A message as far as the model reads it."""
    calls = tuple((call.name, call.arguments) for call in message.tool_calls)
    return (message.role, message.text, calls, message.tool_call_id)


def failure_kind(error: BaseException | None) -> str:
    """What went wrong, in a word."""
    if isinstance(error, CorralError):
        return error.code
    return type(error).__name__


def subject_of(message: Message) -> Subject:
    """As what a message of a conversation is judged."""
    match message.role:
        case Role.USER:
            return Subject.USER_INPUT
        case Role.TOOL:
            return Subject.TOOL_RESULT
        case _:
            return Subject.REPLY


def _now() -> float:
    return asyncio.get_running_loop().time()
