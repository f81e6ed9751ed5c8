"""``corral chat``: a guarded conversation at a terminal or through a pipe."""

import asyncio
from contextlib import aclosing

import typer

from assistant.bootstrap import Assistant
from assistant.cli.exits import Complaint, Exit, Failed
from assistant.cli.lines import lines
from assistant.cli.terminal import Terminal
from assistant.cli.turns import Assemble, opened, play, user_turn
from assistant.clock import random_id
from assistant.errors import CorralError, LogUnavailableError, MemoryUnavailableError

PROMPT = "you> "
HELP = (
    "/new    begin a new conversation\n"
    "/help   show this\n"
    "/quit   end (Ctrl-D does too; Ctrl-C also aborts a reply)"
)


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
    async with aclosing(lines(PROMPT if terminal.interactive else "")) as typed:
        async for line in typed:
            word = line.strip()
            if not word:
                continue
            if word.startswith("/"):
                if word == "/quit":
                    break
                session = _command(word, session, terminal)
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


def _command(word: str, session: str, terminal: Terminal) -> str:
    match word:
        case "/new":
            session = f"{session.partition('@')[0]}@{random_id('')[:6]}"
            terminal.note(f"New conversation; `corral chat --session {session}` comes back to it.")
        case "/help":
            terminal.note(HELP, "")
        case _:
            terminal.note("No such command.", "yellow")
            terminal.note(HELP, "")
    return session
