"""Scenarios: everything that is going to happen, drawn from one seed before it begins."""

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from policies.bundle import Audience
from tests.simulation.errand import Errand, Reaction, errand, reaction
from tests.simulation.marks import RULES
from tests.simulation.script import ReplyPlan, reply_plan, without_calls


class Leaving(StrEnum):
    """How a client behaves while it is answered."""

    STAYS = "stays"
    SLOW = "reads slowly"
    BREAKS = "stops reading after some events"
    CANCELLED = "is cancelled at some time"
    STEPPED = "is cancelled at some step"
    TWICE = "is cancelled several times"


class Trouble(StrEnum):
    """What happens to a whole process or to everything."""

    KILL = "process killed"
    POWER = "power lost"
    FREEZE = "everything frozen"
    LOCKS_LOST = "store restarted without its locks"
    DISK_FULL = "log disk full for a while"


class Tamper(StrEnum):
    """What a caller without a session puts into the past it sends along."""

    NONE = "nothing"
    HARMFUL_USER = "harmful user message"
    HARMFUL_REPLY = "harmful reply"
    HARMFUL_CALL = "harmful tool call"
    HARMFUL_RESULT = "harmful tool result"
    PERSONAL = "personal data in a message with a tool call"
    STEERED = "contested message"
    LONG = "long past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who sends turns, within a session or with the past of their own."""

    tenant: str
    user: str
    session: str
    remembered: bool
    audience: Audience
    instructions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPlan:
    """One message; ``number`` is in the token of its text."""

    number: int
    caller: int
    words: str
    tools: bool
    image: bool
    tamper: Tamper
    errand: Errand | None = None


AGAIN = 100
"""Added to a delivery's number for the repeat that follows its failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """One arrival of a message; several of the same ``turn`` are repeats."""

    number: int
    turn: int
    at: float
    host: int
    leaving: Leaving
    leave_at: float
    leave_step: int
    reply: ReplyPlan
    again: ReplyPlan
    """What the model says when the message comes once more after a failure."""
    seed: int
    reaction: Reaction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Trouble at a time; ``seconds`` is how long it lasts, where it does."""

    trouble: Trouble
    at: float
    host: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How likely each await fails (``delay``: takes its time)."""

    engine: float
    guard: float
    store: float
    log: float
    delay: float
    tool: float = 0.0

    @property
    def calm(self) -> bool:
        """Whether nothing fails."""
        return self.engine == self.guard == self.store == self.log == self.tool == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A few callers, their turns, and everything that goes wrong."""

    seed: int
    speculative: bool
    stand_in: bool
    retain_blocked: bool
    unseated: str | None
    window: int
    hosts: int
    rates: Rates
    callers: tuple[Caller, ...]
    turns: tuple[TurnPlan, ...]
    deliveries: tuple[DeliveryPlan, ...]
    incidents: tuple[Incident, ...]
    equipped: bool = False
    """Whether Corral has tools of its own."""

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong, so that every turn must come to its due end."""
        staying = all(d.leaving in (Leaving.STAYS, Leaving.SLOW) for d in self.deliveries)
        ending = not any(plan.fails for d in self.deliveries for plan in (d.reply, d.again))
        at_rest = self.rates.calm and not self.incidents and self.unseated is None
        return at_rest and staying and ending


def scenario(seed: int) -> Scenario:
    """The scenario of ``seed``; the same in every process."""
    rng = Random(seed)
    calm = rng.random() < 0.25
    callers = tuple(_caller(rng) for _ in range(rng.choice((1, 2, 3, 4))))
    turns: list[TurnPlan] = []
    deliveries: list[DeliveryPlan] = []
    hosts = rng.choice((1, 1, 2))
    at = 0.0
    for _ in range(rng.randint(4, 12)):
        at += rng.choice((0.0, 0.0, 0.01, 0.3, 1.0, 4.0, 12.0))
        if turns and rng.random() < 0.2:
            turn = rng.choice(turns)
        else:
            turn = _turn(rng, len(turns) + 1, callers)
            turns.append(turn)
        deliveries.append(_delivery(rng, len(deliveries), turn, at, hosts, calm))
    rates = Rates(engine=0.0, guard=0.0, store=0.0, log=0.0, delay=rng.choice((0.0, 0.1, 0.3)))
    incidents: tuple[Incident, ...] = ()
    if not calm:
        often = (0.0, 0.0, 0.02, 0.1)
        rates = Rates(
            engine=rng.choice((*often, 0.2)),
            guard=rng.choice((*often, 0.2)),
            store=rng.choice(often),
            log=rng.choice((0.0, 0.0, 0.01, 0.05)),
            delay=rng.choice((0.0, 0.05, 0.3)),
        )
        incidents = tuple(
            Incident(
                trouble=rng.choice(list(Trouble)),
                at=rng.uniform(0.0, at + 1.0),
                host=rng.randrange(hosts),
                seconds=rng.choice((0.2, 3.0, 7.0, 25.0)),
            )
            for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))
        )
    plan = Scenario(
        seed=seed,
        speculative=rng.random() < 0.7,
        stand_in=rng.random() < 0.15,
        retain_blocked=rng.random() < 0.1,
        unseated=rng.choice(("tool_call", "tool_result")) if rng.random() < 0.04 else None,
        window=rng.choice((300, 700, 8192, 8192)),
        hosts=hosts,
        rates=rates,
        callers=callers,
        turns=tuple(turns),
        deliveries=tuple(deliveries),
        incidents=incidents,
    )
    return _equipped(plan, Random(f"tools {seed}")) if seed % 10 in (1, 3, 6) else plan


def _equipped(plan: Scenario, rng: Random) -> Scenario:
    """``plan`` where Corral has tools of its own, and callers have none."""
    turns = tuple(
        replace(turn, tools=False, image=False, errand=errand(rng, turn.number))
        for turn in plan.turns
    )
    deliveries = tuple(
        replace(
            delivery,
            reply=without_calls(delivery.reply, delivery.number),
            again=without_calls(delivery.again, delivery.number + AGAIN),
            reaction=reaction(rng),
        )
        for delivery in plan.deliveries
    )
    calm = plan.rates.calm and not plan.incidents
    rate = 0.0 if calm else rng.choice((0.0, 0.1, 0.3))
    rates = replace(plan.rates, tool=rate)
    return replace(plan, turns=turns, deliveries=deliveries, rates=rates, equipped=True)


_AUDIENCES = {
    ("tenant-acme", "user-ann"): Audience.GENERAL,
    ("tenant-acme", "user-bob"): Audience.MINOR,
    ("tenant-bolt", "user-ann"): Audience.GENERAL,
    ("tenant-bolt", "user-bob"): Audience.ADULT,
}


def _caller(rng: Random) -> Caller:
    # Few names, so that callers share users and sessions across tenants.
    remembered = rng.random() < 0.65
    tenant, user = rng.choice(list(_AUDIENCES))
    return Caller(
        tenant=tenant,
        user=user,
        session=rng.choice(("session-one", "session-two")) if remembered else "",
        remembered=remembered,
        audience=_AUDIENCES[tenant, user],
        instructions=rng.choice(("", "", "Speak like a pirate.")),
    )


def _turn(rng: Random, number: int, callers: tuple[Caller, ...]) -> TurnPlan:
    caller = rng.randrange(len(callers))
    words = "hello there" + " and more" * rng.choice((0, 0, 0, 0, 20))
    if rng.random() < 0.35:
        words += "".join(f" {mark(rng)}" for _ in range(rng.choice((1, 1, 2, 3)))) + " so"
    if rng.random() < 0.02:
        words = rng.choice(("", "   ", "x" * 500, "long " * 75))
    tampers = list(Tamper)[1:]
    tampering = not callers[caller].remembered and rng.random() < 0.3
    return TurnPlan(
        number=number,
        caller=caller,
        words=words,
        tools=rng.random() < 0.2,
        image=rng.random() < 0.01,
        tamper=rng.choice(tampers) if tampering else Tamper.NONE,
    )


def _delivery(
    rng: Random, number: int, turn: TurnPlan, at: float, hosts: int, calm: bool
) -> DeliveryPlan:
    leaving = Leaving.STAYS if rng.random() < 0.8 else Leaving.SLOW
    if not calm and rng.random() < 0.2:
        leaving = rng.choice(list(Leaving)[2:])
    return DeliveryPlan(
        number=number,
        turn=turn.number,
        at=at,
        host=rng.randrange(hosts),
        leaving=leaving,
        leave_at=rng.choice((0.0, 0.01, 0.1, 0.4, 1.0, 6.0)) * rng.random(),
        leave_step=rng.randint(1, 120),
        reply=reply_plan(rng, number, turn.tools, calm=calm),
        again=reply_plan(rng, number + AGAIN, turn.tools, calm=calm),
        seed=rng.getrandbits(48),
    )


def mark(rng: Random) -> str:
    """A mark for some harm, some likelihood, and mostly for every guard to see."""
    guard = rng.choice(("", "", "", "@alpha", "@beta", "@gamma"))
    return (
        f"<{rng.choice(list(RULES))}:{rng.choice((0.1, 0.25, 0.35, 0.45, 0.55, 0.7, 0.95))}{guard}>"
    )
