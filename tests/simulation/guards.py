"""Guards that answer by the oracle's marks and fail in every way there is, watched."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import Any, cast

from assistant.testing.scripted_guard import Answer, ScriptedGuard
from guards.conversation import Exchange, Subject
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard, UnknownHazardError
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict
from tests.simulation.marks import findings
from tests.simulation.records import CURRENT, Delivery, Judged, Seen

DEADLINE = 1.0


Shown = Callable[[Delivery, Judged], None]
"""Hears of every exchange when the first guard is shown it."""


class GuardFault(StrEnum):
    """How a guard fails to judge, or takes its time to."""

    RAISES = "guard raises"
    QUOTES = "guard raises, quoting the text"
    HANGS = "guard hangs"
    LATE = "guard answers after its deadline"
    NOTHING = "guard returns nothing"
    WORDS = "guard returns words"
    UNPARSED = "guard's output does not parse"
    OUTSIDE = "guard's span lies outside"
    UNKNOWN = "guard names an unknown category"
    FOREIGN = "guard's finding is of no known hazard"
    UNSCANNED = "guard says it could not judge"
    CANCELLED = "guard's own work was cancelled"


class WatchedGuard:
    """One seat's guard: a scripted one, with faults by the delivery's dice."""

    revision = "simulated-1"

    def __init__(self, name: str, seen: Seen, subjects: frozenset[Subject], check: Shown) -> None:
        self.name = name
        self.subjects = subjects
        self.hazards = frozenset(Hazard)
        self._seen = seen
        self._check = check
        self._inner = ScriptedGuard(name=name, answer=self._answer, delay=self._delay)

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`."""
        delivery = CURRENT.get()
        judged = delivery.judgement(exchange)
        if not judged.running and not judged.ok and not judged.failed:
            self._check(delivery, judged)
        judged.running += 1
        rng = delivery.rng
        loop = asyncio.get_running_loop()
        start = loop.time()
        reason: Failure | None = None
        try:
            if rng.random() < self._seen.scenario.rates.guard:
                fault = rng.choice(list(GuardFault))
                self._seen.counts[f"fault: {fault}"] += 1
                self._seen.note(delivery, f"guard {self.name}", fault)
                judgement = await self._fail(fault, exchange, rng)
            else:
                judgement = await self._inner.judge(exchange)
        except asyncio.CancelledError:
            # Cancelled from outside: by the deadline, or with the turn.
            late = loop.time() - start > DEADLINE - 1e-6
            reason = Failure.TIMEOUT if late else Failure.ERROR
            raise
        except Exception:
            reason = Failure.ERROR
            raise
        else:
            if not _sound(judgement, exchange):
                reason = Failure.NONSENSE
            return judgement
        finally:
            judged.running -= 1
            self._settle(delivery, judged, reason)

    def _settle(self, delivery: Delivery, judged: Judged, reason: Failure | None) -> None:
        if reason is None:
            judged.ok.add(self.name)
        else:
            judged.failed[self.name] = reason
        text = judged.exchange.text
        short = text if len(text) < 200 else f"{text[:200]}..."
        what = f"guard {self.name} on {judged.exchange.subject}"
        self._seen.note(delivery, what, f"{reason or 'judged'}: {short!r}")

    def _answer(self, exchange: Exchange) -> Answer:
        return findings(exchange.text, self.name)

    def _delay(self, _: Exchange) -> float:
        return CURRENT.get().rng.choice((0.0, 0.0, 0.01, 0.05, 0.15, 0.6))

    async def _fail(self, fault: GuardFault, exchange: Exchange, rng: Random) -> Judgement:
        await asyncio.sleep(rng.choice((0.0, 0.0, 0.02, 0.3)))
        match fault:
            case GuardFault.RAISES:
                raise RuntimeError("a bug in a guard")
            case GuardFault.QUOTES:
                raise ValueError(f"cannot judge {exchange.text!r}")
            case GuardFault.HANGS:
                await asyncio.get_running_loop().create_future()
            case GuardFault.LATE:
                await asyncio.sleep(DEADLINE * 1.5)
            case GuardFault.NOTHING:
                return cast("Judgement", None)
            case GuardFault.WORDS:
                return cast("Judgement", "safe")
            case GuardFault.UNPARSED:
                raise GuardNonsenseError("output does not parse")
            case GuardFault.OUTSIDE:
                end = len(exchange.text) + 5
                return self._verdict(
                    Finding(hazard=Hazard.HATE, probability=0.1, span=Span(start=0, end=end))
                )
            case GuardFault.UNKNOWN:
                raise UnknownHazardError("S99")
            case GuardFault.FOREIGN:
                return self._verdict(Finding(hazard=cast("Hazard", "S99"), probability=0.9))
            case GuardFault.UNSCANNED:
                return Unscanned(
                    guard=self.name,
                    revision=self.revision,
                    reason=rng.choice((Failure.MISSING, Failure.TOO_LONG, Failure.ERROR)),
                    detail="said so",
                    elapsed=0.0,
                )
            case GuardFault.CANCELLED:
                raise asyncio.CancelledError
        raise AssertionError("every fault that gets here was cut short")

    def _verdict(self, *found: Finding) -> Verdict:
        return Verdict(guard=self.name, revision=self.revision, findings=found, elapsed=0.0)


def _sound(judgement: Any, exchange: Exchange) -> bool:
    return isinstance(judgement, Verdict) and all(
        isinstance(cast("object", finding.hazard), Hazard)
        and (finding.span is None or finding.span.end <= len(exchange.text))
        for finding in judgement.findings
    )
