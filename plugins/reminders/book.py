"""A user's reminders, kept in one value that changes in one step."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from plugins.access import Store
from plugins.errors import ToolError

MOST = 100
"""Reminders of one user."""

FURTHEST = timedelta(days=2 * 366)
LONGEST_TEXT = 300

_NAME = "reminders"
_KEPT = (FURTHEST + timedelta(days=366)).total_seconds()
_ATTEMPTS = 50
T = TypeVar("T")


class Reminder(BaseModel):
    """Something to say at a time.

    Attributes:
        number: as the user names it; never given twice.
        text: what to say; a user's or a model's words.
        at: when, with its offset from UTC.
        call: stands for the call that set it, so that one call sets one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]
    at: AwareDatetime
    call: str


class Book(BaseModel):
    """All reminders of one user that are still to come or to be collected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last: int = 0
    reminders: tuple[Reminder, ...] = ()


async def read(store: Store) -> Book:
    """The user's reminders.

    Raises:
        ToolError: what is kept cannot be read.
    """
    return _opened(await store.get(_NAME))


async def add(store: Store, *, text: str, at: datetime, key: str) -> Reminder:
    """Set a reminder; the same ``key`` sets it once.

    Raises:
        ToolError: there are too many.
    """
    call = hashlib.sha256(key.encode()).hexdigest()[:16]

    def added(book: Book) -> tuple[Book, Reminder]:
        for known in book.reminders:
            if known.call == call:
                return book, known
        if len(book.reminders) >= MOST:
            raise ToolError(f"there are {MOST} reminders already; cancel some first")
        reminder = Reminder(number=book.last + 1, text=text, at=at, call=call)
        reminders = sorted((*book.reminders, reminder), key=lambda each: each.at)
        return Book(last=reminder.number, reminders=tuple(reminders)), reminder

    return await _changed(store, added)


async def remove(store: Store, number: int) -> Reminder | None:
    """Cancel a reminder; ``None`` when there is no such number."""

    def removed(book: Book) -> tuple[Book, Reminder | None]:
        found = next((each for each in book.reminders if each.number == number), None)
        return _without(book, {number}), found

    return await _changed(store, removed)


async def due(store: Store, now: datetime) -> tuple[Reminder, ...]:
    """Collect the reminders whose time has come, earliest first, for the user to be told.

    Each is given to one caller only, however many ask at once and in however many processes: it
    is marked as told by being taken out. A caller that ends before it has told the user loses it.

    Raises:
        ToolError: what is kept cannot be read, or changes all the time.
    """

    def taken(book: Book) -> tuple[Book, tuple[Reminder, ...]]:
        come = tuple(each for each in book.reminders if each.at <= now)
        return _without(book, {each.number for each in come}), come

    return await _changed(store, taken)


def _without(book: Book, numbers: set[int]) -> Book:
    left = tuple(each for each in book.reminders if each.number not in numbers)
    return book if len(left) == len(book.reminders) else Book(last=book.last, reminders=left)


async def _changed(store: Store, change: Callable[[Book], tuple[Book, T]]) -> T:
    """Read, change and write, until nobody else wrote in between."""
    for _ in range(_ATTEMPTS):
        raw = await store.get(_NAME)
        book = _opened(raw)
        changed, result = change(book)
        if changed is book:
            return result
        fresh = changed.model_dump_json().encode()
        if await store.swap(_NAME, raw, fresh, ttl=_KEPT):
            return result
    raise ToolError("the reminders are being changed elsewhere; try again")


def _opened(raw: bytes | None) -> Book:
    if raw is None:
        return Book()
    try:
        return Book.model_validate_json(raw)
    except ValidationError:
        raise ToolError("the reminders kept for this user cannot be read") from None
