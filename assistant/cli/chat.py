"""``corral chat``: a guarded conversation at a terminal or through a pipe."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from textwrap import shorten

import typer

from assistant.bootstrap import Assistant
from assistant.cli.exits import Complaint, Exit, Failed
from assistant.cli.lines import begun, lines
from assistant.cli.reminding import Reminding
from assistant.cli.terminal import Terminal
from assistant.cli.turns import Assemble, opened, play, user_turn
from assistant.clock import random_id
from assistant.commands import command_of
from assistant.errors import CorralError, LogUnavailableError, MemoryUnavailableError
from plugins.registry import Bound

PROMPT = "you> "
OWN = {
    "/new": "begin a new conversation",
    "/help": "show this",
    "/quit": "end (Ctrl-D does too; Ctrl-C also aborts a reply)",
}
"""Commands of the chat itself; a tool cannot take their names."""

DESCRIPTION_CHARS = 60


def run_chat(assemble: Assemble | None, *, session: str, json_mode: bool) -> None:
    """Hold turns until the input ends."""
    terminal = Terminal(json_mode=json_mode)
    code = asyncio.run(_chat(assemble, session, terminal))
    if code is not Exit.OK:
        raise typer.Exit(code)


async def _chat(assemble: Assemble | None, session: str, terminal: Terminal) -> Exit:
    async with opened(assemble, terminal) as assistant:
        return await converse(assistant, session, terminal)


async def converse(assistant: Assistant, session: str, terminal: Terminal) -> Exit:
    """Answer line after line in ``session``.

    A turn that fails is told and the conversation goes on where a person can react; a pipe ends
    with the failed turn's exit code once its input is used up.
    """
    if terminal.interactive:
        terminal.note(f"Session {session!r}. /help lists the commands.")
    code = Exit.OK
    bound = assistant.broker.catalogue.bound
    prompt = PROMPT if terminal.interactive else ""
    reminding = Reminding.of(assistant, terminal)
    async with aclosing(lines(prompt)) as typed:
        while (line := await _next_line(typed, reminding, terminal)) is not None:
            word = line.strip()
            if not word:
                continue
            if word.startswith("/") and not _calls_tool(word, bound.values()):
                if word == "/quit":
                    break
                session = _command(word, session, terminal, bound.values())
                continue
            try:
                turn = user_turn(line, session=session, locale=assistant.settings.locale)
                report = await play(assistant.orchestrator.run(turn), terminal)
            except (LogUnavailableError, MemoryUnavailableError):
                raise  # nothing said from here on could be recorded or remembered
            except (CorralError, Failed) as error:
                complaint = Complaint.about(error)
                complaint.show(terminal)
                code = Exit.OK if terminal.interactive else complaint.exit
            else:
                if terminal.json_mode:
                    terminal.json(report.as_json())
                else:
                    terminal.line(report.as_text(), "dim")
        else:
            if terminal.interactive:
                terminal.line()  # Ctrl-D leaves the cursor behind the prompt
    return code


async def _next_line(
    typed: AsyncGenerator[str, None], reminding: Reminding, terminal: Terminal
) -> str | None:
    """What is typed next, ``None`` at the end; before and meanwhile, what somebody wanted to be
    reminded of."""

    async def line() -> str | None:
        return await anext(typed, None)

    for reminder in await reminding.due():
        terminal.line(reminder)
    waiting = asyncio.create_task(line())
    try:
        while terminal.interactive:
            done, _ = await asyncio.wait((waiting,), timeout=reminding.every)
            if done:
                break
            if reminders := await reminding.due():
                terminal.line()  # they come below what is being typed, which then stands again
                for reminder in reminders:
                    terminal.line(reminder)
                terminal.write(PROMPT + begun())
        return await waiting
    finally:
        waiting.cancel()
        await asyncio.wait((waiting,))


def _calls_tool(word: str, tools: Iterable[Bound]) -> bool:
    return word.split()[0] not in OWN and command_of(word, tools, random_id) is not None


def _command(word: str, session: str, terminal: Terminal, tools: Iterable[Bound]) -> str:
    match word:
        case "/new":
            session = f"{session.partition('@')[0]}@{random_id('')[:6]}"
            terminal.note(f"New conversation; `corral chat --session {session}` comes back to it.")
        case "/help":
            terminal.note(_help(tools), "")
        case _:
            terminal.note("No such command.", "yellow")
            terminal.note(_help(tools), "")
    return session


def _help(tools: Iterable[Bound]) -> str:
    """All commands, the chat's own first, each with what it does."""
    told = dict(OWN)
    for tool in (bound.tool for bound in tools):
        if tool.command is not None:
            named = dict.fromkeys(f"/{name}" for name in (*tool.aliases, tool.name))
            names = ", ".join(name for name in named if name not in OWN)
            first, *_ = (*tool.spec.description.strip().splitlines(), "")
            if names:
                told[names] = shorten(first, DESCRIPTION_CHARS, placeholder=" …")
    width = max(map(len, told))
    return "\n".join(f"{names:<{width}}  {does}" for names, does in told.items())
