"""Tools called by a real model on a real vLLM server, in both ways a model can call them."""

from contextlib import aclosing
from pathlib import Path

import pytest

from assistant.bootstrap import assemble
from assistant.engine.launcher import LocalEngine
from assistant.events import Event, Finished, TextReleased, ToolFinished, ToolStarted
from assistant.settings import load_settings
from assistant.turn import Sampling, SessionKey, Turn
from guards.conversation import text_message
from tests.live.environment import say

QUESTION = "What is 15% of 240?"
CHOICE = {"type": "function", "function": {"name": "calculate"}}


async def held(server: LocalEngine, folder: Path, tool_calls: str, turn: Turn) -> list[Event]:
    """All events of one turn of an assistant that has only a calculator."""
    settings = load_settings(
        engine_urls=(server.base_url,),
        engine_model=server.model,
        engine_api_key=server.api_key,
        first_token_timeout=60,
        data_dir=folder,
        plugins=("calculator",),
        tool_calls=tool_calls,
        tool_rounds=1,
    )
    async with (
        assemble(settings, say) as assistant,
        aclosing(assistant.orchestrator.run(turn)) as events,
    ):
        return [event async for event in events]


def asked(**fields: object) -> Turn:
    return Turn(
        id="m1",
        key=SessionKey(tenant="live", user="ana", session=""),
        message=text_message(QUESTION, id="m1"),
        sampling=Sampling(temperature=0.0, max_tokens=60),
        **fields,  # type: ignore[arg-type] # by name
    )


@pytest.mark.parametrize(("way", "choice"), [("native", CHOICE), ("constrained", None)])
async def test_a_real_model_calls_a_tool_and_answers(
    server: LocalEngine, tmp_path: Path, way: str, choice: object
) -> None:
    events = await held(server, tmp_path, way, asked(tool_choice=choice))
    assert [event.tool for event in events if isinstance(event, ToolStarted)] == ["calculate"]
    assert any(isinstance(event, ToolFinished) for event in events)
    assert "".join(event.text for event in events if isinstance(event, TextReleased)).strip()
    assert isinstance(events[-1], Finished)
