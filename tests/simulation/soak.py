"""Simulating many turns over several processes, and telling what happened."""

import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

from tests.simulation.records import Seen, Violation
from tests.simulation.world import simulate

BATCH = 100
"""Seeds one process simulates before it reports."""

FAILURES = 10
"""Failing seeds after which simulating stops."""


def replay(seed: int) -> int:
    """Print a seed's trace and what it broke."""
    seen = simulate(seed)
    for line in trace_lines(seen):
        sys.stdout.write(line + "\n")
    for violation in seen.violations:
        sys.stdout.write(describe(seed, violation) + "\n")
    if not seen.violations:
        sys.stdout.write(f"seed {seed}: every invariant held\n")
    return 1 if seen.violations else 0


def trace_lines(seen: Seen) -> list[str]:
    """The trace of a simulated scenario, a line for each thing seen."""
    return [
        f"{at:9.3f} {'' if delivery is None else f'd{delivery}':>4} {what}: {detail}"
        for at, delivery, what, detail in seen.trace
    ]


def describe(seed: int, violation: Violation) -> str:
    """A broken invariant in a line."""
    where = "" if violation.delivery is None else f", delivery {violation.delivery}"
    return f"seed {seed}, {violation.at:.3f} s{where}: {violation.invariant}: {violation.what}"


def soak(turns: int, start: int, processes: int) -> int:
    """Simulate at least ``turns`` turns from seed ``start`` on, showing progress."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    began = shown = time.monotonic()
    next_seed = start
    running: set[Future[tuple[Counter[str], list[str]]]] = set()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        while counts["turns"] < turns and len(failures) < FAILURES:
            while len(running) < 2 * processes:
                running.add(pool.submit(simulate_batch, next_seed, BATCH))
                next_seed += BATCH
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for batch in done:
                found, broken = batch.result()
                counts += found
                failures += broken
                sys.stderr.writelines(f"{line}\n" for line in broken)
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                _progress(counts["turns"], turns, len(failures), shown - began)
        for batch in running:
            batch.cancel()
    took = time.monotonic() - began
    for name, number in sorted(counts.items()):
        sys.stdout.write(f"{number:10}  {name}\n")
    for failure in failures[:FAILURES]:
        sys.stdout.write(failure + "\n")
    broken_or_not = f"{len(failures)} broken" if failures else "every invariant held"
    sys.stdout.write(
        f"{counts['turns']} turns of seeds {start} to {next_seed - 1} in {took:.0f} s "
        f"({counts['turns'] / took:.0f} a second): {broken_or_not}\n"
    )
    return 1 if failures else 0


def simulate_batch(start: int, seeds: int) -> tuple[Counter[str], list[str]]:
    """Counts over some seeds, and a line for each that broke something."""
    counts: Counter[str] = Counter()
    failures = []
    for seed in range(start, start + seeds):
        seen = simulate(seed)
        counts += seen.counts
        if seen.violations:
            failures.append(describe(seed, seen.violations[0]))
    return counts, failures


def _progress(turns: int, target: int, failures: int, seconds: float) -> None:
    left = (target - turns) * seconds / max(turns, 1)
    sys.stderr.write(
        f"{turns} of {target} turns, {failures} seeds failing, about {left:.0f} s left\n"
    )
    sys.stderr.flush()
