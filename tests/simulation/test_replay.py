"""A seed is one run: the same events at the same times, in any process."""

import os
import subprocess
import sys

import pytest

from tests.simulation.plan import scenario
from tests.simulation.soak import soak, trace_lines
from tests.simulation.world import simulate

PROGRAM = """
import hashlib
from tests.simulation.soak import trace_lines
from tests.simulation.world import simulate
for seed in range(40):
    lines = trace_lines(simulate(seed))
    print(len(lines), hashlib.sha256("\\n".join(lines).encode(errors="replace")).hexdigest())
"""


def test_a_seed_gives_the_same_trace_whatever_the_hash_seed() -> None:
    traces = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert len(set(traces[0].splitlines())) == 40


def test_a_scenario_is_its_seed() -> None:
    assert scenario(7) == scenario(7)
    assert scenario(7) != scenario(8)


def test_a_trace_says_what_happened() -> None:
    lines = trace_lines(simulate(1))
    for what in ("delivered", "engine asked", "guard alpha on user_input", "logged decision"):
        assert any(what in line for line in lines), what


def test_soaking_counts_and_ends(capfd: pytest.CaptureFixture[str]) -> None:
    assert soak(turns=50, start=0, processes=1) == 0
    shown = capfd.readouterr().out
    assert "every invariant held" in shown
    assert "outcome: allow (stop)" in shown
