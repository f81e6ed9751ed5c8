"""The real assistant around a scripted model and, where a test says so, a scripted guard."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assistant.bootstrap import assemble
from assistant.cli.main import main
from assistant.testing.scripted_guard import ScriptedGuard, flag
from assistant.testing.scripted_replies import (
    Plan,
    Received,
    Respond,
    Timing,
    standard_replies,
    stream,
)
from assistant.testing.scripted_upstream import ScriptedUpstream
from guards.guard import Guard
from guards.hazards import Hazard

HARMFUL = "pipe bomb"


def conversation(received: Received) -> list[dict[str, Any]]:
    """What the model was given to read."""
    messages: list[dict[str, Any]] = received.json["messages"]
    return messages


def replying(reply: Callable[[list[dict[str, Any]]], Sequence[str]]) -> Respond:
    """A server that answers chats by ``reply`` and all else in the standard way."""
    standard = standard_replies(Timing())

    def respond(received: Received) -> Plan:
        if received.path.endswith("/chat/completions"):
            return stream(tuple(reply(conversation(received))))
        return standard(received)

    return respond


def recalls(messages: list[dict[str, Any]]) -> Sequence[str]:
    """A model that knows the name if, and only if, it was given the conversation."""
    if messages[-1]["role"] == "tool" and "350 days" in messages[-1]["content"]:
        return ("For 350", " days [1].")
    if "What is my name?" in messages[-1]["content"]:
        told = any("My name is Ana" in message["content"] for message in messages[:-1])
        return ("Your name", " is Ana.") if told else ("I do not", " know.")
    return ("Blue light", " scatters most.")


def scripted_guard() -> ScriptedGuard:
    return ScriptedGuard(answer=flag({HARMFUL: Hazard.INDISCRIMINATE_WEAPONS}))


@contextmanager
def upstream(respond: Respond) -> Iterator[ScriptedUpstream]:
    """A scripted server in a thread of its own, for commands that own the main thread."""
    server = ScriptedUpstream(respond)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A server and the environment that leads commands to it."""

    server: ScriptedUpstream
    environment: dict[str, str]
    data: Path

    def run(self, *args: str, guards: Sequence[Guard] | None = None) -> int:
        """One command in this process; its exit code."""
        seated = [scripted_guard()] if guards is None else guards
        return main(args, assemble=partial(assemble, guards=seated))
