"""Twenty thousand turns with faults everywhere, and every invariant holds."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.simulation.errand import Word
from tests.simulation.guards import GuardFault
from tests.simulation.plan import Leaving, Tamper, Trouble
from tests.simulation.script import Ending
from tests.simulation.soak import simulate_batch
from tests.simulation.tools import EFFECTS, ToolFault

TURNS = 20_000
SEEDS = 2_035
BATCHES = 11

OUTCOMES = (
    "allow (stop)",
    "allow (length)",
    "allow (tool_calls)",
    "steer (stop)",
    "rewrite (stop)",
    "support (content_filter)",
    "refuse (content_filter)",
    "escalate (content_filter)",
    "retracted",
    "draft begun anew",
    "tool calls released",
    "past cut to the window",
    "decided by a stand-in",
    "repeat given the first answer",
    "a person is asked",
    "asked again",
    "client left",
    "client cancelled",
    "client killed",
    "error invalid_request",
    "error context_length_exceeded",
    "error session_busy",
    "error memory_unavailable",
    "error decision_log_unavailable",
    "error engine_unreachable",
    "error engine_overloaded",
    "error engine_timeout",
    "error engine_response_invalid",
    "error RuntimeError",
)

FAULTS = (
    *GuardFault,
    "engine unreachable",
    "engine fails mid-stream",
    *(f"store does not answer {what}" for what in ("open", "renew", "commit", "release")),
    *(f"store's reply to {what} is lost" for what in ("open", "renew", "commit", "release")),
    *(f"{what} does not answer" for what in ("ledger", "approvals")),
    *(f"{what}'s reply is lost" for what in ("ledger", "approvals")),
    *ToolFault,
    "log cannot be written",
    "log cannot be synced",
)

HAPPENING = (
    "delivered again after a failure",
    "engine counted tokens",
    "lease renewed",
    "turn taken up",
    "tool ran after a person's word",
    "side effect repeated after a person's word",
    "side effect not repeated",
    "command answered by its tool",
    "answer turned down: approval_expired",
    *(f"tool ran: {name}" for name in EFFECTS),
    *(f"person: {word}" for word in Word),
    *(f"outcome: {name}" for name in OUTCOMES),
    *(f"fault: {name}" for name in FAULTS),
    *(f"trouble: {name}" for name in Trouble),
    *(f"client: {name}" for name in Leaving),
    *(f"model: {name}" for name in Ending),
    *(f"past forged: {name}" for name in Tamper),
)
"""Everything that has to happen, so that no invariant holds only because nothing did."""


@cache
def batch(number: int) -> tuple[Counter[str], list[str]]:
    """One part of all turns."""
    seeds = SEEDS // BATCHES
    return simulate_batch(number * seeds, seeds)


@pytest.mark.parametrize("number", range(BATCHES))
def test_every_invariant_holds(number: int) -> None:
    _, broken = batch(number)
    assert not broken, "\n".join([*broken[:10], "python -m tests.simulation --seed N shows one"])


@pytest.mark.timeout(300)
def test_everything_happens() -> None:
    counts: Counter[str] = Counter()
    for number in range(BATCHES):
        counts += batch(number)[0]
    assert counts["turns"] >= TURNS
    missing = [name for name in HAPPENING if not counts[name]]
    assert not missing
    unlisted = [name for name in counts if name.startswith(("trouble", "fault"))]
    assert set(unlisted) <= set(HAPPENING)


@pytest.mark.parametrize("seed", Path(__file__).with_name("seeds.txt").read_text().splitlines())
def test_a_seed_that_once_failed_holds(seed: str) -> None:
    number, _, why = seed.partition(" ")
    _, broken = simulate_batch(int(number), 1)
    assert not broken, why
