"""Tools for other agents: the same broker, and nothing that they say is anybody's word."""

import json

from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.tool_desk import ToolDesk
from assistant.turn import SessionKey
from policies.schema import Retention
from tests.assistant.bench import Bench, Counter
from tests.assistant.test_tools import SENT, add, find, pay, poisoned


def desk(*tools: object) -> tuple[Bench, ToolDesk]:
    bench = Bench(tools=tools)  # type: ignore[arg-type] # tools
    return bench, ToolDesk(
        broker=bench.broker,
        log=bench.log,
        entries=EntryBodies(pseudonyms=Pseudonyms(bytes(32)), retention=Retention.NONE),
        ids=Counter(),
        key=SessionKey(tenant="local", user="mcp", session="s"),
        locale="en",
    )


async def test_a_call_gives_text_and_sources() -> None:
    _, tools = desk(add, find)
    assert [spec.name for spec in tools.specs] == ["add", "find"]
    assert await tools.call("add", {"expression": "1+2"}) == ("3", False)
    text, failed = await tools.call("find", {"query": "llamas"})
    assert not failed
    assert text.endswith("[1] About llamas https://example.org/a")


async def test_what_is_wrong_is_told_as_a_failure() -> None:
    _, tools = desk(add, poisoned)
    for name, arguments, error in (
        ("add", {"expression": 5}, "invalid_arguments"),
        ("add", {"expression": "x"}, "tool_error"),
        ("shell", {}, "unknown_tool"),
        ("add", {"expression": "BOMB"}, "denied_by_policy"),
        ("poisoned", {}, "result_withheld"),
    ):
        text, failed = await tools.call(name, arguments)
        assert failed
        assert json.loads(text)["error"] == error


async def test_i4_an_agents_word_moves_nothing_irreversible() -> None:
    SENT.clear()
    _, tools = desk(pay)
    text, failed = await tools.call("pay", {"to": "bob", "amount": 5})
    assert failed
    assert "a person must approve" in text
    assert SENT == []


async def test_every_call_is_in_the_decision_log() -> None:
    bench, tools = desk(add)
    await tools.call("add", {"expression": "1+2"})
    stages = [e.body["stage"] for e in bench.log.entries if e.kind == "call"]
    assert stages == ["started", "finished"]
