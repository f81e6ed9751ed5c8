"""A decision log whose disk is full for a while or fails to sync, watched."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from assistant.clock import Clock
from assistant.errors import LogUnavailableError
from assistant.testing.decision_log import InMemoryDecisionLog
from tests.simulation.engine import dawdle
from tests.simulation.records import CURRENT, EPOCH, Delivery, Seen
from tests.simulation.store import Host


def _headline(body: dict[str, Any]) -> Any:
    return body.get("decision") or body.get("code") or body.get("stage")


EntryCheck = Callable[[Delivery, str, dict[str, Any]], None]


@contextmanager
def overheard(hear: Callable[[str], None]) -> Iterator[None]:
    """Hand every line that is logged for operators to ``hear``, instead of showing it."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            hear(record.getMessage())

    logger, listener = logging.getLogger("corral"), Listener()
    shown = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = shown


class SimulatedClock:
    """Wall-clock time that is the loop's own."""

    def now(self) -> float:
        """See :class:`Clock`."""
        return EPOCH + asyncio.get_running_loop().time()


class WatchedLog:
    """One process's decision log. A sync that failed makes it useless until a restart."""

    def __init__(self, host: Host, seen: Seen, *, clock: Clock, writer: str, check: EntryCheck):
        self.inner = InMemoryDecisionLog(clock=clock, writer=writer)
        self.writer = writer
        self.full_until = 0.0
        self.unusable = False
        self._host = host
        self._seen = seen
        self._check = check

    def append(self, kind: str, body: dict[str, Any]) -> str:
        """See :class:`DecisionLog`."""
        delivery = CURRENT.get()
        rates = self._seen.scenario.rates
        full = asyncio.get_running_loop().time() < self.full_until
        if rates.log and delivery.rng.random() < rates.log:
            full = True
        if full or self.unusable or not self._host.alive:
            if self._host.alive:
                self._seen.counts["fault: log cannot be written"] += 1
                self._seen.note(delivery, "log", "cannot be written")
                delivery.log_gap = True
            raise LogUnavailableError("decision log: cannot be written (no space left)")
        name = self.inner.append(kind, body)
        delivery.entries.append((name, kind, body))
        if kind == "call" and body["stage"] == "replayed":
            self._seen.counts["side effect not repeated"] += 1
        self._seen.note(delivery, f"logged {kind} {name}", _headline(body))
        self._check(delivery, kind, body)
        return name

    async def durable(self) -> None:
        """See :class:`DecisionLog`."""
        delivery = CURRENT.get()
        covered = len(self.inner.lines)
        rates, rng = self._seen.scenario.rates, delivery.rng
        await dawdle(rates, rng)
        if rates.log and rng.random() < rates.log / 2:
            self._seen.counts["fault: log cannot be synced"] += 1
            self.unusable = True
        if self.unusable or not self._host.alive:
            raise LogUnavailableError("decision log: the disk failed to sync")
        self.inner.durable_entries = max(self.inner.durable_entries, covered)

    def lose_power(self) -> None:
        """Drop what nobody has waited for."""
        del self.inner.lines[self.inner.durable_entries :]

    def holds(self, name: str, *, durable: bool = False) -> bool:
        """Whether there is an entry of that id, and one that somebody waited for."""
        writer, _, number = name.rpartition("-")
        count = self.inner.durable_entries if durable else len(self.inner.lines)
        return writer == self.writer and int(number) < count
