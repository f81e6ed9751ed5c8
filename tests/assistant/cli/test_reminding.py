"""Who is reminded, and what happens when the reminders cannot be read."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from assistant.cli.reminding import Reminding
from assistant.cli.terminal import Terminal
from assistant.cli.turns import TENANT, USER
from assistant.errors import MemoryUnavailableError
from plugins.caller import Caller
from plugins.errors import ToolError
from plugins.reminders import book, plugin
from plugins.testing.fakes import FakeStore

PAST = datetime.now(UTC) - timedelta(minutes=1)


class _Broker:
    """A broker with plugins of some names; all keep their values in one store."""

    def __init__(self, *names: str) -> None:
        self.catalogue = SimpleNamespace(manifests=[SimpleNamespace(name=name) for name in names])
        self.kept = FakeStore()
        self.asked: list[tuple[str, Caller]] = []

    def store(self, name: str, caller: Caller) -> FakeStore:
        self.asked.append((name, caller))
        return self.kept


def reminding(broker: _Broker, *, json_mode: bool = False) -> Reminding:
    assistant: Any = SimpleNamespace(broker=broker)
    return Reminding.of(assistant, Terminal(json_mode=json_mode))


async def test_the_person_at_the_terminal_is_reminded_of_their_own() -> None:
    broker = _Broker("clock", plugin.manifest.name)
    await book.add(broker.kept, text="Call\nmum", at=PAST, key="1")
    told = reminding(broker)
    (line,) = await told.due()
    assert line.startswith("Reminder: Call mum (")
    assert await told.due() == ()
    ((name, caller),) = broker.asked
    assert (name, caller.tenant, caller.user) == ("reminders", TENANT, USER)


@pytest.mark.parametrize(
    ("names", "json_mode"), [(("clock",), False), ((plugin.manifest.name,), True)]
)
async def test_nobody_else_is(names: tuple[str, ...], json_mode: bool) -> None:
    broker = _Broker(*names)
    await book.add(broker.kept, text="Call mum", at=PAST, key="1")
    assert await reminding(broker, json_mode=json_mode).due() == ()
    assert broker.asked == []


@pytest.mark.parametrize("error", [MemoryUnavailableError("gone"), ToolError("unreadable")])
async def test_a_chat_goes_on_without_them(error: Exception) -> None:
    broker = _Broker(plugin.manifest.name)

    async def broken(key: str) -> bytes | None:
        raise error

    broker.kept.get = broken  # type: ignore[method-assign] # a memory that fails
    assert await reminding(broker).due() == ()
