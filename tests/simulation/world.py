"""Runs one scenario: callers, troubles, and the checks around them."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random

from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_ledger import InMemoryLedger
from assistant.testing.memory_store import InMemorySessionStore
from assistant.testing.virtual_time import DeadlockError
from assistant.turn import Turn
from tests.simulation.check_memory import (
    check_sessions,
)
from tests.simulation.check_record import check_closed, check_end, check_logs
from tests.simulation.check_release import check_event
from tests.simulation.conversation import Conversation
from tests.simulation.desk import Cupboard
from tests.simulation.log import SimulatedClock, WatchedLog, overheard
from tests.simulation.loop import OWNED, SimLoop, run_simulated
from tests.simulation.marks import TOKEN
from tests.simulation.people import MOST, People
from tests.simulation.plan import (
    AGAIN,
    DeliveryPlan,
    Incident,
    Leaving,
    Scenario,
    Trouble,
    scenario,
)
from tests.simulation.process import Process, Shared, policy_of
from tests.simulation.records import (
    CURRENT,
    Delivery,
    Seen,
    Violation,
    failure_kind,
    scope_of,
)
from tests.simulation.store import LIMITS, lock_holder, lose_locks

AFTERWARDS = 40.0


class World:
    """Everything of one scenario."""

    def __init__(self, plan: Scenario, loop: SimLoop) -> None:
        self.seen = Seen(scenario=plan, policy=policy_of(plan))
        self._numbers = count(1)
        self.store = InMemorySessionStore(limits=LIMITS, ids=self.ids)
        self.seen.holder = partial(lock_holder, self.store)
        self._loop = loop
        self.shared = Shared(
            ledger=InMemoryLedger(),
            approvals=InMemoryApprovals(self.store, clock=SimulatedClock()),
            cupboard=Cupboard(self.seen),
        )
        self._people = People(self.seen, self.shared.approvals, self._play)
        self._logs: list[WatchedLog] = []
        self._processes = [self._boot(number) for number in range(plan.hosts)]
        self._conversations = [Conversation(caller) for caller in plan.callers]
        self._turns = {turn.number: turn for turn in plan.turns}
        self._built: dict[int, Turn] = {}
        for turn in plan.turns:
            owned = self.seen.tokens_of(scope_of(plan.callers[turn.caller]))
            owned |= {f"u{turn.number}", f"t{turn.number}"}
        for delivery in plan.deliveries:
            caller = plan.callers[self._turns[delivery.turn].caller]
            for number in (delivery.number + AGAIN * times for times in range(MOST)):
                self.seen.tokens_of(scope_of(caller)).update((f"r{number}", f"a{number}"))

    def ids(self, prefix: str) -> str:
        """See :class:`~assistant.clock.Ids`."""
        return f"{prefix}{next(self._numbers)}"

    async def run(self) -> Seen:
        """Play the scenario to its end and check what is left."""
        plan = self.seen.scenario
        work = [asyncio.create_task(self._client(delivery)) for delivery in plan.deliveries]
        work += [asyncio.create_task(self._incident(incident)) for incident in plan.incidents]
        await asyncio.gather(*work)
        await asyncio.sleep(AFTERWARDS)
        check_end(self.seen, self._loop)
        await check_sessions(self.seen, self.store)
        check_logs(self.seen, self._logs)
        return self.seen

    def heard(self, line: str) -> None:
        """Hold what was logged for operators against I9."""
        self.seen.counts["logged for operators"] += 1
        if TOKEN.search(line):
            self.seen.broken("I9", "the operators' log holds what somebody said")

    def _boot(self, number: int) -> Process:
        writer = f"w{len(self._logs)}"
        process = Process(
            number,
            self.seen,
            store=self.store,
            ids=self.ids,
            writer=writer,
            shared=self.shared,
        )
        self._logs.append(process.log)
        return process

    async def _client(self, plan: DeliveryPlan) -> None:
        await asyncio.sleep(plan.at)
        delivery = self._delivery(plan)
        await self._deliver(delivery)
        failed = delivery.error is not None or delivery.outcome == "killed"
        if failed and delivery.rng.random() < 0.7:
            await asyncio.sleep(delivery.rng.choice((0.0, 0.5, 8.0)))
            self.seen.counts["delivered again after a failure"] += 1
            again = replace(
                plan, number=plan.number + AGAIN, leaving=Leaving.STAYS, reply=plan.again
            )
            delivery = self._delivery(again)
            await self._deliver(delivery)
        if delivery.asked is not None and plan.reaction is not None:
            await self._people.follow(delivery, plan.reaction)

    async def _play(self, delivery: Delivery) -> None:
        """Deliver what people made of a question."""
        self.seen.deliveries.append(delivery)
        await self._deliver(delivery)

    def _delivery(self, plan: DeliveryPlan) -> Delivery:
        turn_plan = self._turns[plan.turn]
        rng = Random(plan.seed + plan.number)
        if plan.turn not in self._built:
            talk = self._conversations[turn_plan.caller]
            self._built[plan.turn] = talk.turn(turn_plan, rng)
        turn = self._built[plan.turn]
        process = self._processes[plan.host]
        delivery = Delivery(
            plan=plan,
            turn=turn,
            turn_plan=turn_plan,
            caller=self.seen.scenario.callers[turn_plan.caller],
            rng=rng,
            reply=plan.reply,
            host=plan.host,
            log=process.log,
            history=turn.history,
            astray=plan.number >= AGAIN and plan.reaction is not None and plan.reaction.astray,
        )
        self.seen.deliveries.append(delivery)
        return delivery

    async def _deliver(self, delivery: Delivery) -> None:
        process = self._processes[delivery.host]
        delivery.log = process.log
        self.seen.note(delivery, "delivered", f"{delivery.turn.id}: {delivery.turn.message.text!r}")
        task = asyncio.create_task(self._consume(delivery, process))
        process.clients[task] = delivery
        self._arrange(delivery, task)
        await asyncio.wait((task,))
        del process.clients[task]
        self._conversations[delivery.turn_plan.caller].heard(delivery, delivery.rng)
        self._tally(delivery)

    async def _consume(self, delivery: Delivery, process: Process) -> None:
        OWNED.set(delivery.tasks)
        CURRENT.set(delivery)
        seen, leaving = self.seen, delivery.plan.leaving
        read = 0
        try:
            orchestrator, approval = process.orchestrator, delivery.approval
            run = orchestrator.resume(approval) if approval else orchestrator.run(delivery.turn)
            async with aclosing(run) as events:
                async for event in events:
                    seen.note(delivery, "event", event_line(event))
                    check_event(seen, delivery, event)
                    read += 1
                    if leaving is Leaving.BREAKS and read > delivery.plan.leave_step % 6:
                        delivery.outcome = "left"
                        break
                    if leaving is Leaving.SLOW:
                        await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            delivery.outcome = "cancelled" if process.alive else "killed"
        except Exception as error:  # noqa: BLE001 - a client sees whatever comes
            delivery.error = error
        delivery.ended = self._loop.time()
        seen.note(delivery, "closed", f"{delivery.outcome} {failure_kind(delivery.error)}")
        check_closed(seen, delivery)

    def _arrange(self, delivery: Delivery, task: asyncio.Task[None]) -> None:
        """See to it that the client leaves when it is to."""
        plan = delivery.plan

        def leave() -> None:
            if not task.done():
                self.seen.note(delivery, "client", "goes away")
                task.cancel()

        match plan.leaving:
            case Leaving.CANCELLED:
                self._loop.call_later(plan.leave_at, leave)
            case Leaving.STEPPED:
                self._loop.after_steps(plan.leave_step, leave)
            case Leaving.TWICE:
                for extra in range(3):
                    self._loop.after_steps(plan.leave_step + extra, leave)
            case _:
                pass

    async def _incident(self, incident: Incident) -> None:
        await asyncio.sleep(incident.at)
        self.seen.note(None, "incident", incident.trouble)
        self.seen.counts[f"trouble: {incident.trouble}"] += 1
        process = self._processes[incident.host]
        match incident.trouble:
            case Trouble.KILL | Trouble.POWER:
                process.alive = False
                for task in process.clients:
                    task.cancel()
                if incident.trouble is Trouble.POWER:
                    process.log.lose_power()
                self._processes[incident.host] = self._boot(incident.host)
            case Trouble.FREEZE:
                self._loop.jump(incident.seconds)
            case Trouble.LOCKS_LOST:
                lose_locks(self.store)
                for delivery in self.seen.deliveries:
                    delivery.held_until = 0.0
            case Trouble.DISK_FULL:
                process.log.full_until = self._loop.time() + incident.seconds

    def _tally(self, delivery: Delivery) -> None:
        counts = self.seen.counts
        for name in outcomes(delivery):
            counts[f"outcome: {name}"] += 1
        counts[f"client: {delivery.plan.leaving}"] += 1
        counts[f"past forged: {delivery.turn_plan.tamper}"] += 1
        if delivery.drafts and not self.seen.scenario.equipped:
            counts[f"model: {delivery.reply.ending}"] += 1
        counts["turns"] += 1


def outcomes(delivery: Delivery) -> Iterator[str]:
    """What became of a delivery, in words to be counted."""
    if delivery.outcome:
        yield f"client {delivery.outcome}"
    if delivery.error is not None:
        yield f"error {failure_kind(delivery.error)}"
    if delivery.asked is not None:
        again = delivery.finished is not None and delivery.finished.replayed
        yield "asked again" if again else "a person is asked"
    elif delivery.answered is not None and delivery.finished is not None:
        yield "repeat given the first answer"
    elif delivery.finished is not None:
        yield f"{delivery.finished.decision} ({delivery.finished.reason})"
        if delivery.text and delivery.blocked:
            yield "retracted"
        if delivery.calls:
            yield "tool calls released"
        if len(delivery.drafts) > 1:
            yield "draft begun anew"
        if any(body.get("degraded") for _, _, body in delivery.entries):
            yield "decided by a stand-in"
    if delivery.drafts and delivery.drafts[-1].kept < len(delivery.root.history):
        yield "past cut to the window"


def event_line(event: object) -> str:
    """An event in a line of the trace."""
    decision = getattr(event, "decision", None)
    named = decision if isinstance(decision, str) else type(decision).__name__
    detail = getattr(event, "text", None) or getattr(event, "call", None) or named
    line = f"{type(event).__name__} {getattr(event, 'subject', '')} {detail}"
    return line if len(line) < 200 else f"{line[:200]}..."


def simulate(seed: int) -> Seen:
    """Run the scenario of ``seed`` and return all that was seen, violations included."""
    worlds: list[World] = []

    async def main(loop: SimLoop) -> Seen:
        world = World(scenario(seed), loop)
        worlds.append(world)
        return await world.run()

    def hear(line: str) -> None:
        worlds[0].heard(line)

    try:
        with overheard(hear):
            return run_simulated(main)
    except DeadlockError:
        seen = worlds[0].seen
        stuck = "every task waits for something that cannot come"
        seen.violations.append(Violation(invariant="LIVE", what=stuck, delivery=None, at=0.0))
        return seen
