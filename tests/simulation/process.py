"""A simulated process: the real orchestrator among watched parts, and the policy it runs by."""

import asyncio
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from assistant.audit.entries import EntryBodies
from assistant.clock import Ids
from assistant.orchestrator import Orchestrator, TurnLimits
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_ledger import InMemoryLedger
from assistant.testing.memory_store import InMemorySessionStore
from guards.conversation import Subject
from guards.panel import Panel, Seat
from guards.stream import Pace
from guards.verdict import Failure
from plugins.broker import Broker
from policies.audience import Audience
from policies.bundle import Drafting, Policy, Retention
from policies.clause import StandIn
from tests.simulation.check_memory import (
    check_committed,
    check_exchange,
    check_opened,
    check_request,
)
from tests.simulation.check_record import check_entry
from tests.simulation.check_tools import check_run
from tests.simulation.desk import Cupboard, WatchedApprovals, WatchedLedger
from tests.simulation.engine import WatchedEngine
from tests.simulation.guards import DEADLINE, WatchedGuard
from tests.simulation.log import SimulatedClock, WatchedLog
from tests.simulation.marks import STAND_IN_CEILING
from tests.simulation.plan import (
    Scenario,
)
from tests.simulation.records import (
    PSEUDONYMS,
    SEATS,
    Delivery,
    Seen,
)
from tests.simulation.store import Host, WatchedStore
from tests.simulation.tools import catalogue

TURN = TurnLimits(seconds=15.0, reply_tokens=64, input_chars=400, renew_every=2.0)
PACE = Pace(interval=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all processes share beside the session store."""

    ledger: InMemoryLedger
    approvals: InMemoryApprovals
    cupboard: Cupboard


class Process(Host):
    """A running assistant."""

    def __init__(
        self,
        number: int,
        seen: Seen,
        *,
        store: InMemorySessionStore,
        ids: Ids,
        writer: str,
        shared: Shared,
    ) -> None:
        super().__init__(number)
        self.clients: dict[asyncio.Task[None], Delivery] = {}
        self.log = WatchedLog(
            self,
            seen,
            clock=SimulatedClock(),
            writer=writer,
            check=lambda delivery, kind, body: check_entry(seen, delivery, kind, body),
        )
        watched = WatchedStore(
            store,
            self,
            seen,
            opened=lambda delivery, result: check_opened(seen, delivery, result),
            committed=lambda delivery, lease, commit: check_committed(
                seen, delivery, lease, commit
            ),
        )
        panel = Panel(_seats(seen))
        clock = SimulatedClock()
        equipped = seen.scenario.equipped
        tools = catalogue(self, seen, lambda *run: check_run(seen, *run)) if equipped else None
        self.orchestrator = Orchestrator(
            engine=WatchedEngine(
                seen, lambda delivery, draft: check_request(seen, delivery, draft)
            ),
            panel=panel,
            policy=seen.policy,
            store=watched,
            log=self.log,
            entries=EntryBodies(pseudonyms=PSEUDONYMS, retention=seen.policy.retention),
            ids=ids,
            limits=TURN,
            pace=PACE,
            broker=Broker(
                panel=panel,
                policy=seen.policy,
                catalogue=tools,
                ledger=WatchedLedger(shared.ledger, self, seen),
                stores=shared.cupboard.of,
                clock=clock.now,
            ),
            approvals=WatchedApprovals(shared.approvals, self, seen) if equipped else None,
            clock=clock,
        )


def _seats(seen: Seen) -> list[Seat]:
    seats = []
    for name in ("alpha", "beta", "gamma"):
        subjects = frozenset(subject for subject in SEATS if name in seen.required(subject))
        guard = WatchedGuard(
            name, seen, subjects, lambda delivery, judged: check_exchange(seen, delivery, judged)
        )
        seats.append(Seat(guard=guard, subjects=subjects, deadline=DEADLINE))
    return seats


@cache
def _loaded() -> Policy:
    return Policy.load(Path(__file__).parent / "policy.yaml")


@cache
def variant(speculative: bool, stand_in: bool, retain_blocked: bool) -> Policy:
    policy = _loaded()
    if stand_in:
        rule = StandIn(
            guard="beta",
            fallback="alpha",
            subjects=frozenset({Subject.USER_INPUT}),
            failures=frozenset({Failure.TIMEOUT}),
            hazards=frozenset(h for clause in policy.clauses for h in clause.hazards),
            cutoffs=dict.fromkeys(Audience, STAND_IN_CEILING),
        )
        policy = replace(policy, rules=replace(policy.rules, stand_ins=(rule,)))
    return replace(
        policy,
        drafting=Drafting.SPECULATIVE if speculative else Drafting.AFTER_VERDICT,
        retention=Retention.BLOCKED if retain_blocked else Retention.NONE,
    )


def policy_of(plan: Scenario) -> Policy:
    """The simulator's policy as a scenario wants it."""
    return variant(plan.speculative, plan.stand_in, plan.retain_blocked)
