"""Remind users of something at a time.

A front end tells a user what is due::

    for reminder in await due(store, now):
        ...
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from plugins.clock import SomePlace, ZoneName
from plugins.clock.moments import moment_words
from plugins.reminders import book
from plugins.reminders.book import LONGEST_TEXT, Reminder, due
from plugins.reminders.when import read_when
from plugins.sdk import (
    Access,
    Confidentiality,
    Limits,
    Manifest,
    Options,
    Plugin,
    Result,
    Setup,
    SideEffect,
    Tool,
    ToolError,
    tool,
)

__all__ = ["Reminder", "due", "plugin", "reminder_tools"]


class RemindersOptions(Options):
    """Where clock times hold that come without a place."""

    timezone: ZoneName | None = Field(
        default=None,
        description="Where clock times hold that come without a place; unset asks for one.",
    )


def reminder_tools(home: tzinfo | None) -> tuple[Tool, ...]:
    """The tools; ``home`` is the zone of times that come without a place."""

    @tool(side_effect=SideEffect.REVERSIBLE, reads=Confidentiality.USER, content=("text",))
    async def set_reminder(
        access: Access,
        text: Annotated[
            str,
            Field(
                description="What to remind of, for example: Call the dentist",
                min_length=1,
                max_length=LONGEST_TEXT,
            ),
        ],
        at: Annotated[
            str,
            Field(
                description="When, for example: in 20 minutes, tomorrow 09:00, "
                "2026-12-24T18:00+01:00",
                min_length=1,
                max_length=60,
            ),
        ],
        place: SomePlace = None,
    ) -> Result:
        """Remind the user of something at a time. A clock time needs the place where it holds."""
        if not text.strip():
            raise ToolError("text: is empty; say what to remind of")
        when = read_when(at, place=place, home=home, now=access.now())
        kept = await book.add(access.store, text=text.strip(), at=when, key=access.key)
        return Result(content=f"Reminder {_words(kept)}.", artifact=_artifact(kept))

    @tool(reads=Confidentiality.USER)
    async def list_reminders(access: Access) -> Result:
        """The user's reminders that are still to come, with their numbers."""
        kept = (await book.read(access.store)).reminders
        return Result(
            content="\n".join(_words(each) for each in kept) or "There are no reminders.",
            artifact=[_artifact(each) for each in kept],
        )

    @tool(side_effect=SideEffect.REVERSIBLE, reads=Confidentiality.USER)
    async def cancel_reminder(
        access: Access,
        number: Annotated[int, Field(description="Its number in list_reminders", ge=1)],
    ) -> Result:
        """Cancel a reminder."""
        gone = await book.remove(access.store, number)
        if gone is None:
            raise ToolError(f"number: there is no reminder {number}; see list_reminders")
        return Result(content=f"Cancelled: {_words(gone)}.", artifact=_artifact(gone))

    return set_reminder, list_reminders, cancel_reminder


def _words(reminder: Reminder) -> str:
    return f"{reminder.number}: {reminder.text} ({moment_words(reminder.at)})"


def _artifact(reminder: Reminder) -> dict[str, object]:
    return {
        "number": reminder.number,
        "text": reminder.text,
        "at": reminder.at.isoformat(),
    }


@asynccontextmanager
async def _opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    zone = setup.options.timezone
    yield reminder_tools(None if zone is None else ZoneInfo(zone))


plugin = Plugin(
    manifest=Manifest(
        name="reminders",
        version="0.1.0",
        side_effect=SideEffect.REVERSIBLE,
        description="Keeps reminders of each user, for the front end to tell when they are due.",
        reads=frozenset({Confidentiality.USER}),
        limits=Limits(seconds=5, output_chars=100_000),
    ),
    open=_opened,
    options=RemindersOptions,
)
