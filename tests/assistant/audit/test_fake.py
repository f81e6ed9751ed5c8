"""The log without a disk keeps the same promises."""

import pytest

from assistant.audit.chain import START
from assistant.clock import SystemClock
from assistant.errors import LogUnavailableError
from assistant.testing.decision_log import InMemoryDecisionLog


async def test_it_chains_and_names_entries_as_the_real_one_does() -> None:
    log = InMemoryDecisionLog(clock=SystemClock(), writer="w7")
    names = [log.append("decision", {"n": n}) for n in range(3)]
    assert names == ["w7-1", "w7-2", "w7-3"]
    entries = log.entries
    assert [entry.prev for entry in entries] == [START, *(e.hash for e in entries[:-1])]
    assert [entry.id for entry in entries] == ["w7-0", *names]
    assert log.head == entries[-1].hash
    assert log.durable_entries == 0
    await log.durable()
    assert log.durable_entries == 4


def test_it_refuses_what_is_not_json() -> None:
    log = InMemoryDecisionLog(clock=SystemClock())
    head = log.head
    with pytest.raises(LogUnavailableError):
        log.append("decision", {"x": object()})
    assert log.head == head
    assert log.append("decision", {}) == "w0-1"
