"""A tool call goes on only validated, judged and decided (I4)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.scripted_guard import ScriptedGuard, flag
from guards.conversation import Subject, ToolCall, text_message
from guards.hazards import Hazard
from guards.panel import Panel, Seat
from plugins.broker import Broker, InvalidCall, Toolbox, ToolSchemaError
from plugins.tool import ToolSpec
from policies.audience import Audience
from policies.bundle import Policy
from policies.decision import Allow, Decision, Refuse

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
POLICY = Policy.load_builtin()
PAST = (text_message("What is the weather?", id="m1"),)


def tool(name: str = "weather", parameters: dict[str, Any] | None = None) -> ToolSpec:
    return ToolSpec(
        name=name, description="", parameters=CITY if parameters is None else parameters
    )


def call(arguments: str, name: str = "weather") -> ToolCall:
    return ToolCall(id="c1", name=name, arguments=arguments)


async def decided(
    wanted: ToolCall, *tools: ToolSpec, guard: ScriptedGuard | None = None
) -> Decision | InvalidCall:
    seats = [] if guard is None else [Seat(guard=guard, subjects=frozenset({Subject.TOOL_CALL}))]
    broker = Broker(panel=Panel(seats), policy=POLICY)
    result = await broker.decide(
        wanted, Toolbox.of(tools or [tool()]), PAST, audience=Audience.GENERAL, locale="en"
    )
    return result if isinstance(result, InvalidCall) else result[1]


async def test_a_valid_call_is_judged_with_its_arguments_in_its_context() -> None:
    guard = ScriptedGuard()
    assert isinstance(await decided(call('{"city": "Lisbon"}'), guard=guard), Allow)
    (judging,) = guard.judgings
    assert judging.exchange.subject is Subject.TOOL_CALL
    assert "Lisbon" in judging.exchange.text
    assert judging.exchange.context == PAST


async def test_i4_what_the_guard_finds_in_the_arguments_is_refused() -> None:
    guard = ScriptedGuard(answer=flag({"bomb": Hazard.INDISCRIMINATE_WEAPONS}))
    assert isinstance(await decided(call('{"city": "bomb"}'), guard=guard), Refuse)


async def test_i2_a_call_that_nobody_can_judge_is_refused() -> None:
    decision = await decided(call('{"city": "Lisbon"}'))
    assert isinstance(decision, Refuse)
    assert decision.basis.clause == "guard-unavailable"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("{", "not JSON"),
        ('{"city": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["Lisbon"]', "not a JSON object"),
        ('"Lisbon"', "not a JSON object"),
        ("{}", "missing city"),
        ("", "missing city"),
        ('{"city": 1}', "city: must meet type"),
        ('{"city": ""}', "city: must meet minLength"),
        ('{"city": "Lisbon", "and": "more"}', "unknown field; known are city"),
    ],
)
async def test_i4_invalid_arguments_are_named_and_not_even_judged(
    arguments: str, problem: str
) -> None:
    guard = ScriptedGuard()
    result = await decided(call(arguments), guard=guard)
    assert isinstance(result, InvalidCall)
    assert problem in result.problem
    assert "Lisbon" not in result.problem
    assert guard.judgings == []


async def test_i4_a_tool_that_was_not_offered_is_not_called() -> None:
    result = await decided(call("{}", name="shell"), guard=ScriptedGuard())
    assert isinstance(result, InvalidCall)


@pytest.mark.parametrize(
    "parameters", [{"type": "banana"}, {"properties": []}, {"type": {1}}, {"required": "city"}]
)
def test_what_is_no_schema_is_named_by_its_place(parameters: dict[str, Any]) -> None:
    with pytest.raises(ToolSchemaError) as caught:
        Toolbox.of([tool(), tool("other", parameters)])
    assert caught.value.index == 1


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolSchemaError):
        Toolbox.of([tool(), tool()])


async def test_a_reference_in_a_schema_is_never_fetched() -> None:
    elsewhere = tool(parameters={"$ref": "http://127.0.0.1:1/schema.json"})
    result = await decided(call("{}"), elsewhere, guard=ScriptedGuard())
    assert isinstance(result, InvalidCall)
    assert "cannot be resolved" in result.problem


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
async def test_i4_no_value_but_a_fitting_object_passes(value: Any) -> None:
    fits = (
        isinstance(value, dict)
        and value.keys() == {"city"}
        and isinstance(value["city"], str)
        and value["city"] != ""
    )
    result = await decided(call(json.dumps(value)), guard=ScriptedGuard())
    assert isinstance(result, InvalidCall) != fits
