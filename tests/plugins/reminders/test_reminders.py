"""Reminders are set once, found again, told once, and never another user's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.errors import PluginLoadError, ToolError
from plugins.manifest import SideEffect
from plugins.reminders import due, plugin
from plugins.reminders.book import MOST, add, read
from plugins.reminders.when import read_when
from plugins.testing import FakeBroker, FakeClock, FakeStore, rehearse

SUNDAY = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    async with rehearse(plugin, clock=FakeClock(time=SUNDAY)) as opened:
        yield opened


def when(at: str, place: str | None = None) -> datetime:
    return read_when(at, place=place, home=None, now=SUNDAY).astimezone(UTC)


async def test_a_reminder_is_set_listed_and_cancelled(broker: FakeBroker) -> None:
    arguments = {"text": " Call the dentist ", "at": "tomorrow 09:00", "place": "Paris"}
    made = await broker.call("set_reminder", arguments)
    words = "1: Call the dentist (09:00 on Monday, 23 November 2026 at UTC+01:00)"
    assert made.content == (
        "Reminder 1: Call the dentist (09:00 on Monday, 23 November 2026 in Europe/Paris "
        "(CET, UTC+01:00))."
    )
    await broker.call("set_reminder", {"text": "Tea", "at": "in 5 minutes"})
    listed = await broker.call("list_reminders", {})
    assert listed.content == f"2: Tea (12:05 on Sunday, 22 November 2026 at UTC+00:00)\n{words}"
    assert listed.artifact == [
        {"number": 2, "text": "Tea", "at": "2026-11-22T12:05:00+00:00"},
        {"number": 1, "text": "Call the dentist", "at": "2026-11-23T09:00:00+01:00"},
    ]
    gone = await broker.call("cancel_reminder", {"number": 1})
    assert gone.content == f"Cancelled: {words}."
    with pytest.raises(ToolError, match="number: there is no reminder 1; see list_reminders"):
        await broker.call("cancel_reminder", {"number": 1})
    await broker.call("cancel_reminder", {"number": 2})
    assert (await broker.call("list_reminders", {})).content == "There are no reminders."


async def test_numbers_are_never_given_twice(broker: FakeBroker) -> None:
    for number in (1, 2, 3):
        made = await broker.call("set_reminder", {"text": "Tea", "at": "in 1 hour"})
        assert made.artifact["number"] == number
        await broker.call("cancel_reminder", {"number": number})


async def test_one_call_sets_one_reminder_however_often_it_is_tried(broker: FakeBroker) -> None:
    arguments = {"text": "Tea", "at": "in 5 minutes"}
    first = await broker.call("set_reminder", arguments, key="same")
    broker.clock.advance(1)
    assert await broker.call("set_reminder", arguments, key="same") == first
    await broker.call("set_reminder", arguments, key="other")
    assert len((await read(broker.store)).reminders) == 2


@pytest.mark.parametrize(
    ("at", "place", "expected"),
    [
        ("in 20 minutes", None, SUNDAY + timedelta(minutes=20)),
        ("In 2 hours 30 minutes", None, SUNDAY + timedelta(minutes=150)),
        ("in 1h 30m", None, SUNDAY + timedelta(minutes=90)),
        ("in 1 hour and 5 mins", None, SUNDAY + timedelta(minutes=65)),
        ("in an hour", None, SUNDAY + timedelta(hours=1)),
        ("in half an hour", None, SUNDAY + timedelta(minutes=30)),
        ("in a week", None, SUNDAY + timedelta(days=7)),
        ("in 3 days, 4 hours", None, SUNDAY + timedelta(days=3, hours=4)),
        ("in 45 s", None, SUNDAY + timedelta(seconds=45)),
        ("2026-12-24T18:00+01:00", None, datetime(2026, 12, 24, 17, 0, tzinfo=UTC)),
        ("2026-12-24T18:00Z", None, datetime(2026, 12, 24, 18, 0, tzinfo=UTC)),
        ("2026-12-24T18:00+01:00", "Tokyo", datetime(2026, 12, 24, 17, 0, tzinfo=UTC)),
        ("at 3 pm", "London", datetime(2026, 11, 22, 15, 0, tzinfo=UTC)),
        ("tomorrow noon", "Tokyo", datetime(2026, 11, 23, 3, 0, tzinfo=UTC)),
        ("2027-03-28 02:30", "Berlin", datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
    ],
)
def test_times_are_understood(at: str, place: str | None, expected: datetime) -> None:
    assert when(at, place) == expected


@pytest.mark.parametrize(
    ("at", "place", "problem"),
    [
        ("15:00", None, "place: say in which place or zone"),
        ("tomorrow", "Paris", "at: must be a time like"),
        ("soon", "Paris", "at: must be a time like"),
        ("in a while", None, "at: must be like in 20 minutes"),
        ("in 5", None, "at: must be like in 20 minutes"),
        ("in minutes", None, "at: must be like in 20 minutes"),
        ("in -5 minutes", None, "at: must be like in 20 minutes"),
        ("in 0 minutes", None, "at: has passed already"),
        ("11:00", "UTC", "at: has passed already"),
        ("now", "UTC", "at: has passed already"),
        ("2028-12-24T18:00Z", None, "more than two years away"),
        ("9999-12-31T23:59-14:00", None, "more than two years away"),
        ("in 999999 weeks", None, "more than two years away"),
        ("15:00", "Atlantis", "place: is no place known here"),
    ],
)
def test_what_is_no_time_to_come_is_refused(at: str, place: str | None, problem: str) -> None:
    with pytest.raises(ToolError, match=problem):
        when(at, place)


@given(st.text(max_size=40))
def test_any_words_are_understood_or_refused(at: str) -> None:
    try:
        assert SUNDAY < when(f"in {at}") <= SUNDAY + timedelta(days=733)
    except ToolError as error:
        assert str(error).startswith(("at: ", "place: "))  # noqa: PT017 - either way is right


async def test_the_operator_may_say_where_times_hold() -> None:
    clock = FakeClock(time=SUNDAY)
    options = {"timezone": "America/New_York"}
    async with rehearse(plugin, clock=clock, options=options) as broker:
        made = await broker.call("set_reminder", {"text": "Lunch", "at": "13:00"})
        assert made.artifact["at"] == "2026-11-22T13:00:00-05:00"
    with pytest.raises(PluginLoadError, match="must be the name of a time zone"):
        async with rehearse(plugin, options={"timezone": "Nowhere"}):
            raise AssertionError


@pytest.mark.parametrize("text", ["", "   ", "x" * 301])
async def test_text_has_bounds(broker: FakeBroker, text: str) -> None:
    with pytest.raises(ToolError, match="text"):
        await broker.call("set_reminder", {"text": text, "at": "in 1 hour"})


async def test_there_are_at_most_so_many(broker: FakeBroker) -> None:
    for number in range(MOST):
        await add(broker.store, text="t", at=SUNDAY + timedelta(hours=1), key=str(number))
    with pytest.raises(ToolError, match="there are 100 reminders already; cancel some"):
        await broker.call("set_reminder", {"text": "Tea", "at": "in 1 hour"})
    assert len((await broker.call("list_reminders", {})).content) < 10_000


async def test_due_reminders_are_collected_once_in_order() -> None:
    store = FakeStore(FakeClock(time=SUNDAY))
    for minutes in (30, 10, 20):
        at = SUNDAY + timedelta(minutes=minutes)
        await add(store, text=f"{minutes}", at=at, key=str(minutes))
    assert await due(store, SUNDAY) == ()
    come = await due(store, SUNDAY + timedelta(minutes=20))
    assert [each.text for each in come] == ["10", "20"]
    assert await due(store, SUNDAY + timedelta(minutes=20)) == ()
    assert [each.text for each in (await read(store)).reminders] == ["30"]


class SlowStore(FakeStore):
    """Lets others in between reading and writing, and never within a swap."""

    swapping = False

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if not self.swapping:
            await asyncio.sleep(0)
        return value

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        self.swapping = True
        try:
            return await super().swap(key, expected, value, ttl=ttl)
        finally:
            self.swapping = False


async def test_many_who_ask_at_once_share_out_what_is_due() -> None:
    store = SlowStore(FakeClock(time=SUNDAY))
    adding = (add(store, text=f"{n}", at=SUNDAY, key=f"{n}") for n in range(20))
    made = await asyncio.gather(*adding)
    assert sorted(each.number for each in made) == list(range(1, 21))
    collected = await asyncio.gather(*(due(store, SUNDAY) for _ in range(10)))
    texts = [each.text for come in collected for each in come]
    assert sorted(texts, key=int) == [f"{n}" for n in range(20)]


class RestlessStore(FakeStore):
    """Somebody else is always faster."""

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        return False


async def test_endless_strife_ends_with_a_reason() -> None:
    with pytest.raises(ToolError, match="are being changed elsewhere"):
        await add(RestlessStore(), text="t", at=SUNDAY, key="k")


async def test_what_cannot_be_read_is_never_thrown_away() -> None:
    store = FakeStore()
    await store.put("reminders", b'{"reminders": "broken"}', ttl=60)
    for asking in (read(store), due(store, SUNDAY), add(store, text="t", at=SUNDAY, key="k")):
        with pytest.raises(ToolError, match="cannot be read"):
            await asking
    assert await store.get("reminders") == b'{"reminders": "broken"}'


async def test_reminders_outlive_their_time_by_a_year() -> None:
    clock = FakeClock(time=SUNDAY)
    store = FakeStore(clock)
    await add(store, text="t", at=SUNDAY + timedelta(days=730), key="k")
    clock.advance(timedelta(days=1090).total_seconds())
    assert len(await due(store, clock.now())) == 1


async def test_tools_say_what_they_leave_behind(broker: FakeBroker) -> None:
    assert {name: tool.side_effect for name, tool in broker.tools.items()} == {
        "set_reminder": SideEffect.REVERSIBLE,
        "list_reminders": SideEffect.NONE,
        "cancel_reminder": SideEffect.REVERSIBLE,
    }
