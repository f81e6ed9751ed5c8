"""``corral guard list``: which guards there are, which are seated, and what they find."""

import asyncio
from typing import Annotated, Any

import typer

from assistant.bootstrap import open_guards, roster_of
from assistant.cli.terminal import Terminal
from assistant.errors import GuardStartError
from assistant.settings import Settings, load_settings


def list_guards(
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Show the guards by name: built in and described, and which of them CORRAL_GUARDS seats."""
    terminal = Terminal(json_mode=json)
    settings = load_settings()
    names = roster_of(settings).names
    entries = [asyncio.run(_entry(settings, name)) for name in names]
    if json:
        terminal.json(entries)
        return
    for entry in entries:
        seated = "  seated" if entry["seated"] else ""
        terminal.line(f"{entry['name']}{seated}", "bold green" if seated else "bold")
        if "problem" in entry:
            terminal.line(f"  {entry['problem']}", "yellow")
            continue
        terminal.line(f"  {entry['revision']}", "dim")
        terminal.line(f"  finds   {', '.join(entry['hazards'])}")
        terminal.line(f"  judges  {', '.join(entry['subjects'])}")


async def _entry(settings: Settings, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "seated": name in settings.guards}
    try:
        async with open_guards(settings, [name]) as (seat,):
            return entry | {
                "revision": seat.guard.revision,
                "hazards": sorted(seat.guard.hazards),
                "subjects": sorted(seat.subjects),
                "deadline": seat.deadline,
            }
    except GuardStartError as error:
        return entry | {"problem": str(error)}
