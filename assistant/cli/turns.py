"""Holds turns for a person at a terminal: opens the assistant, plays a turn, shows its text."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import assert_never

from assistant import bootstrap
from assistant.approval.asked import Asked
from assistant.bootstrap import Assistant, Progress
from assistant.cli.exits import Exit, Failed
from assistant.cli.report import Told, TurnReport
from assistant.cli.terminal import Terminal
from assistant.clock import random_id
from assistant.events import (
    ApprovalNeeded,
    Cited,
    Event,
    Finished,
    ImageReleased,
    Judged,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
)
from assistant.locale import locale_of
from assistant.settings import Settings, load_settings
from assistant.turn import Sampling, SessionKey, Turn
from guards.conversation import text_message
from policies.decision import Approver

Assemble = Callable[[Settings, Progress], AbstractAsyncContextManager[Assistant]]

TENANT = "local"
USER = "cli"


@asynccontextmanager
async def opened(
    assemble: Assemble | None, terminal: Terminal, settings: Settings | None = None
) -> AsyncIterator[Assistant]:
    """The assistant that ``settings`` describe, or the environment; its start is shown step by
    step on standard error."""
    start = assemble or bootstrap.assemble
    async with start(settings or load_settings(), terminal.note) as assistant:
        yield assistant


def user_turn(
    text: str, *, session: str | None, locale: str, sampling: Sampling | None = None
) -> Turn:
    """A turn of the person at this terminal; without a ``session`` nothing is remembered.

    Raises:
        Failed: the text is empty or holds what is no Unicode.
    """
    checked(text)
    turn_id = random_id("msg_")
    key = SessionKey(tenant=TENANT, user=USER, session=session or random_id("once_"))
    return Turn(
        id=turn_id,
        key=key,
        message=text_message(text, id=turn_id),
        remembered=session is not None,
        locale=locale_of(text, locale),
        sampling=sampling or Sampling(),
    )


def checked(text: str) -> str:
    """``text`` if it can be judged.

    Raises:
        Failed: it is empty, or was not UTF-8.
    """
    if not text.strip():
        raise Failed(
            "the text is empty", hint="give at least one word", code="empty_text", exit=Exit.USAGE
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Failed(
            "the text is not valid UTF-8",
            hint="convert it first, for example with iconv",
            code="not_utf8",
            exit=Exit.USAGE,
        ) from None
    return text


def read_text(argument: str) -> str:
    """The text itself, or standard input for ``-``, whatever its bytes."""
    if argument != "-":
        return argument
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


async def play(events: AsyncGenerator[Event, None], terminal: Terminal) -> TurnReport:
    """Run a turn by its events, show its text as it is released, and say what it came to.

    Raises:
        CorralError: the turn could not be held.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    shown: list[str] = []
    judged: list[Judged] = []
    told = Told()
    finished: Finished | None = None
    first_text: float | None = None
    async with aclosing(events):
        async for event in events:
            match event:
                case Judged():
                    judged.append(event)
                case TextReleased(text=text) | Refused(text=text):
                    if first_text is None:
                        first_text = loop.time() - start
                    shown.append(text)
                    terminal.write(text)
                case Retracted(text=text):
                    # A terminal cannot take back what it showed; it says so instead.
                    terminal.write("\n[withdrawn] ")
                    terminal.write(text)
                    shown = [text]
                case ToolStarted(tool=tool, plugin=plugin):
                    told.tools.append(tool)
                    terminal.note(f"[{plugin}: {tool}]")
                case ToolProgressed(text=text):
                    terminal.note(f"[{text}]")
                case ToolFinished(tool=tool, failure=failure):
                    if failure is not None:
                        terminal.note(f"[{tool}: {failure.replace('_', ' ')}]")
                case Cited():
                    told.sources.append(event)
                case ImageReleased(picture=picture):
                    terminal.line(f"[{picture.media_type}, {len(picture.data)} bytes]")
                case ApprovalNeeded(asked=asked):
                    told.asked = asked
                    question = f"\n\n{asked.shown}" if shown else asked.shown
                    shown.append(question)
                    terminal.write(question)
                case ToolCallReleased():
                    pass  # no tools of its own are offered from a terminal
                case Finished():
                    finished = event
                case _:
                    assert_never(event)
    terminal.line()
    if told.asked is not None:
        terminal.note(_how_to_answer(told.asked, terminal))
    for source in told.sources:
        citation = source.citation
        terminal.line(f"[{source.number}] {citation.title} {citation.url}", "dim")
    if finished is None:
        raise RuntimeError("the turn ended without its last event")
    return TurnReport(
        reply="".join(shown),
        judged=tuple(judged),
        told=told,
        finished=finished,
        first_text=first_text,
        total=loop.time() - start,
    )


def _how_to_answer(asked: Asked, terminal: Terminal) -> str:
    by_command = f"`corral approval approve {asked.id}` or `corral approval deny {asked.id}`"
    if asked.approver is Approver.USER and terminal.interactive:
        return f"Answer yes or no, or with {by_command}."
    return f"Answer with {by_command}."
