"""What Prometheus is told: counts and durations, never a word of anybody's.

With several workers, each scrape must see all of them: the runner then points
``PROMETHEUS_MULTIPROC_DIR`` at a folder where every process keeps its values, and whichever
worker is scraped adds them up.
"""

import asyncio
import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from assistant.events import Finished, Judged
from guards.verdict import Unscanned, Verdict
from policies.decision import decision_name

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """All of Corral's metrics, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.turns = Counter(
            "corral_turns", "Turns by how they ended.", ["outcome"], registry=registry
        )
        self.decisions = Counter(
            "corral_decisions",
            "Decisions of the policy.",
            ["subject", "decision", "clause"],
            registry=registry,
        )
        self.guard_seconds = Histogram(
            "corral_guard_seconds",
            "Seconds of one guard's judgement.",
            ["guard"],
            buckets=SECONDS,
            registry=registry,
        )
        self.guard_failures = Counter(
            "corral_guard_failures",
            "Judgements a guard did not give.",
            ["guard", "reason"],
            registry=registry,
        )
        self.first_text_seconds = Histogram(
            "corral_first_text_seconds",
            "Seconds from a turn's start to its first released text.",
            buckets=SECONDS,
            registry=registry,
        )
        self.turn_seconds = Histogram(
            "corral_turn_seconds",
            "Seconds of a whole turn that finished.",
            buckets=SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "corral_errors",
            "Errors answered, by code; those that begin with engine_ are the engine's.",
            ["code"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "corral_turns_in_flight",
            "Turns that are running.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def count_error(self, code: str) -> None:
        self.errors.labels(code).inc()

    def judged(self, event: Judged) -> None:
        """Count one decision, and what each guard took for its part in it."""
        decision = event.decision
        basis = decision.basis
        self.decisions.labels(
            event.subject.value, decision_name(decision), basis.clause or "none"
        ).inc()
        for judgement in basis.verdict.judgements:
            match judgement:
                case Verdict():
                    self.guard_seconds.labels(judgement.guard).observe(judgement.elapsed)
                case Unscanned():
                    self.guard_failures.labels(judgement.guard, judgement.reason.value).inc()

    def expose(self) -> bytes:
        """All metrics in Prometheus' text format, of every worker."""
        folder = os.environ.get(SHARED_FOLDER)
        if not folder:
            return generate_latest(self._registry)
        _forget_dead(Path(folder))
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered, path=folder)  # type: ignore[no-untyped-call] # untyped there
        return generate_latest(gathered)


class TurnMeter:
    """Measures one turn. Times are of the event loop's clock."""

    __slots__ = ("_began", "_loop", "_metrics", "_texts", "_waiting")

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._waiting = True

    def text(self) -> None:
        """Text was released; only the first of a turn counts."""
        if self._waiting:
            self._waiting = False
            self._metrics.first_text_seconds.observe(self._loop.time() - self._began)

    def judged(self, event: Judged) -> None:
        self._metrics.judged(event)

    def finished(self, event: Finished) -> None:
        self._metrics.turn_seconds.observe(self._loop.time() - self._began)
        outcome = "replayed" if event.replayed else event.reason.value
        self._metrics.turns.labels(outcome).inc()

    def failed(self) -> None:
        self._metrics.turns.labels("error").inc()

    def gone(self) -> None:
        self._metrics.turns.labels("aborted").inc()


def _forget_dead(folder: Path) -> None:
    """Drop the in-flight turns of workers that were killed; what they counted stays."""
    for values in folder.glob("gauge_live*_*.db"):
        pid = int(values.stem.rsplit("_", 1)[-1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call] # untyped there
        except PermissionError:
            continue
