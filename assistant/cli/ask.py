"""``corral ask``: one question, one guarded answer."""

import asyncio

import typer

from assistant.cli.exits import Exit
from assistant.cli.terminal import Terminal
from assistant.cli.turns import Assemble, checked, opened, play, read_text, user_turn


def run_ask(assemble: Assemble | None, text: str, *, session: str | None, json_mode: bool) -> None:
    """Ask ``text`` (``-`` is standard input) and print the answer; exit 3 if it was blocked."""
    question = checked(read_text(text))
    terminal = Terminal(json_mode=json_mode)
    if asyncio.run(_ask(assemble, question, session, terminal)):
        raise typer.Exit(Exit.BLOCKED)


async def _ask(
    assemble: Assemble | None, question: str, session: str | None, terminal: Terminal
) -> bool:
    async with opened(assemble, terminal) as assistant:
        turn = user_turn(question, session=session, locale=assistant.settings.locale)
        report = await play(assistant.orchestrator.run(turn), terminal)
        terminal.json(report.as_json()) if terminal.json_mode else terminal.note(report.as_text())
        return report.blocked
