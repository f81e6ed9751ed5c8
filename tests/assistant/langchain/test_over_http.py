"""What the how-to promises of LangChain's ``ChatOpenAI`` in front of a server."""

from collections.abc import Sequence

from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from assistant.api.app import build_app
from assistant.events import Event, FinishReason, ToolCallReleased
from assistant.turn import SessionKey, Turn
from guards.conversation import ToolCall
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant, finished, say
from tests.assistant.api.serving import serving

KEY = "key-of-acme"
ANA = ToolCall(id="c1", name="Person", arguments='{"name":"Ana"}')


class Person(BaseModel):
    """A person somebody speaks of."""

    name: str


def script(turn: Turn) -> Sequence[Event]:
    if turn.tools:
        return (ToolCallReleased(call=ANA), finished(FinishReason.TOOL_CALLS))
    return say("Hello", ", Ana.")


async def test_sessions_streams_and_structured_output_work() -> None:
    orchestrator = ScriptedOrchestrator(script)
    app = build_app(assistant(orchestrator, api_keys={SecretStr(KEY): "acme"}))
    async with serving(app) as address:
        model = ChatOpenAI(
            base_url=f"{address}/v1", api_key=SecretStr(KEY), model="corral", max_retries=0
        )
        session = {"corral": {"session": "physics"}, "user": "ana"}
        remembered = await model.bind(extra_body=session).ainvoke("hi")
        shown = [str(chunk.content) async for chunk in model.astream("hi")]
        # ChatOpenAI's own way is a JSON schema for the engine; tools are Corral's to judge.
        person = model.with_structured_output(Person, method="function_calling")
        found = await person.ainvoke("Ana is here.")
    assert remembered.text == "Hello, Ana."
    assert "".join(shown) == "Hello, Ana."
    assert found == Person(name="Ana")
    assert orchestrator.turns[0].key == SessionKey(tenant="acme", user="ana", session="physics")
    assert [turn.remembered for turn in orchestrator.turns] == [True, False, False]
    # The page says so; were it to change, the page could promise more.
    assert "corral" not in remembered.response_metadata
