"""Each invariant, broken on purpose: the simulator must see it and name it.

A simulator that finds nothing may just not look. Here the real orchestrator runs with one of its
parts replaced by one that breaks an invariant (`tests/simulation/mutations.py`), until the
simulator names that invariant.
"""

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.world import simulate

WITHIN = 3_000
"""Turns after which the simulator must have seen it; most are seen within fifty."""


def breaking(invariant: str) -> pytest.MarkDecorator:
    """One test for each mutation that breaks ``invariant``."""
    names = [name for name, mutation in MUTATIONS.items() if mutation.invariant == invariant]
    return pytest.mark.parametrize("name", names)


def assert_seen(name: str) -> None:
    """The simulator names the invariant that mutation ``name`` breaks."""
    mutation = MUTATIONS[name]
    turns, seed, others = 0, mutation.start, set()
    with mutation.applied():
        while turns < WITHIN:
            seen = simulate(seed)
            named = {violation.invariant for violation in seen.violations}
            if mutation.invariant in named:
                return
            others |= named
            turns += seen.counts["turns"]
            seed += 1
    pytest.fail(f"{mutation.what}: {mutation.invariant} unseen in {turns} turns, saw {others}")


def test_every_invariant_is_broken_at_least_once() -> None:
    broken = {mutation.invariant for mutation in MUTATIONS.values()}
    assert broken == {f"I{number}" for number in range(1, 12)}


@breaking("I1")
def test_i1_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I2")
def test_i2_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I3")
def test_i3_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I4")
def test_i4_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I5")
def test_i5_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I6")
def test_i6_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I7")
def test_i7_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I8")
def test_i8_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I9")
def test_i9_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I10")
def test_i10_broken_is_seen(name: str) -> None:
    assert_seen(name)


@breaking("I11")
def test_i11_broken_is_seen(name: str) -> None:
    assert_seen(name)
