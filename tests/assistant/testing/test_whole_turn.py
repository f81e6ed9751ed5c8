"""A plugin's developer can hold a whole turn with it, with nothing real but Corral itself."""

import json

from assistant.events import Refused
from assistant.testing.scripted_engine import call, say
from assistant.testing.scripted_guard import flag
from assistant.testing.whole_turn import whole_turn
from guards.conversation import ToolCall
from guards.hazards import Hazard
from plugins.testing import answering
from tests.plugins.conformance.honest import HOST, plugin
from tests.plugins.isolation.wild import wild

SUNNY = answering({f"https://{HOST}/": {"said": "sunny"}})
SECRETS = {"KEY": "k"}


def asks(city: str) -> ToolCall:
    return ToolCall(id="c1", name="forecast", arguments=json.dumps({"city": city}))


async def test_the_model_calls_reads_and_answers() -> None:
    turn = await whole_turn(
        plugin,
        "How will the weather be in Oslo?",
        [call(asks("Oslo")), say("It will be", " sunny.")],
        http=SUNNY,
        secrets=SECRETS,
    )
    assert turn.reply == "It will be sunny."
    (finished,) = turn.calls
    assert (finished.tool, finished.failure) == ("forecast", None)
    assert [request.url.params["city"] for request in turn.requests] == ["Oslo"]
    assert "sunny" in turn.read[1].messages[-1].text
    assert turn.questions == ()


async def test_a_failure_is_told_to_the_model() -> None:
    turn = await whole_turn(
        plugin, "Weather?", [call(asks("Oslo")), say("I do not know.")], secrets=SECRETS
    )
    assert turn.reply == "I do not know."
    assert [finished.failure for finished in turn.calls] == ["tool_error"]


async def test_what_the_guard_finds_the_policy_decides() -> None:
    turn = await whole_turn(
        plugin,
        "bomb",
        [say("never shown")],
        secrets=SECRETS,
        finds=flag({"bomb": Hazard.INDISCRIMINATE_WEAPONS}),
    )
    assert any(isinstance(event, Refused) for event in turn.events)
    assert turn.calls == ()


async def test_a_plugin_that_is_opened_is_opened() -> None:
    greet = ToolCall(id="c1", name="greet", arguments="{}")
    turn = await whole_turn(
        wild.opening,
        "Greet me",
        [call(greet), say("Done.")],
        http=answering({"https://example.com/": "page"}),
        options={"greeting": "hey"},
        secrets=SECRETS,
    )
    assert "hey page k" in turn.read[1].messages[-1].text
