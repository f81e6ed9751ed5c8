"""The engine dies in the middle of a sentence; last, because it takes the server down."""

import os
import signal
from contextlib import aclosing

import pytest

from assistant.engine.client import OpenAIEngine
from assistant.engine.launcher import EngineState, LocalEngine
from assistant.errors import EngineUnreachableError
from tests.live.conversations import answer, asking, user

RESTART_DEADLINE = 240.0


async def test_a_killed_engine_is_told_apart_and_comes_back(
    server: LocalEngine, engine: OpenAIEngine
) -> None:
    first = server.pid
    assert first is not None
    request = asking(
        user("Tell me a very long story."), max_tokens=1500, extra={"ignore_eos": True}
    )
    async with aclosing(engine.stream(request)) as events:
        await anext(events)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(EngineUnreachableError):
            async for _ in events:
                pass
    with pytest.raises(EngineUnreachableError):
        await answer(engine, asking(user("Are you there?")))

    await server.until(EngineState.RESTARTING, deadline=30)
    await server.ready(RESTART_DEADLINE)
    assert server.state is EngineState.READY
    assert server.pid != first
    assert "Paris" in (await answer(engine, asking(user("What is the capital of France?")))).text
