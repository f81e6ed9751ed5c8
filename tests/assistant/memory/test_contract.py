"""What every session store promises, checked on the real one and on the fake."""

import asyncio
from dataclasses import replace

import pytest

from assistant.errors import SessionBusyError
from assistant.memory.protocol import Answered, SessionStore
from assistant.turn import SessionKey
from policies.placeholders import Placeholder
from tests.assistant.memory.conftest import LIMITS, MakeStore
from tests.assistant.memory.samples import (
    answer,
    commit_of,
    opened,
    replied,
    said,
    take_turn,
    texts,
)


async def test_a_new_session_is_empty(store: SessionStore, key: SessionKey) -> None:
    session = await opened(store, key, "t1")
    assert session.history == ()
    assert session.lease.version == 0
    assert session.lease.key == key
    assert session.lease.turn == "t1"


async def test_a_committed_turn_is_remembered_in_order(
    store: SessionStore, key: SessionKey
) -> None:
    await take_turn(store, key, "one")
    await take_turn(store, key, "two")
    session = await opened(store, key, "t3")
    assert session.history == (said("one"), replied("one"), said("two"), replied("two"))
    assert session.lease.version == 2


async def test_the_same_turn_is_answered_once(store: SessionStore, key: SessionKey) -> None:
    await take_turn(store, key, "one")
    again = await store.open(key, "turn one")
    assert again == Answered(answer=answer("re one"))
    # Asking took no lock: the next turn opens at once and nothing was added.
    assert len((await opened(store, key, "turn two")).history) == 2


async def test_a_repeated_delivery_during_the_turn_waits_for_its_answer(
    store: SessionStore, key: SessionKey
) -> None:
    lease = (await opened(store, key, "t1")).lease
    repeated = asyncio.create_task(store.open(key, "t1"))
    await asyncio.sleep(0)
    await store.commit(lease, commit_of(said("one"), text="the answer"))
    assert await repeated == Answered(answer=answer("the answer"))


async def test_two_turns_at_once_run_one_after_the_other(
    store: SessionStore, key: SessionKey
) -> None:
    running = 0

    async def turn(name: str) -> None:
        nonlocal running
        session = await opened(store, key, name)
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        await store.commit(session.lease, commit_of(said(name)))

    await asyncio.gather(*(turn(f"t{number}") for number in range(6)))
    session = await opened(store, key, "last")
    assert sorted(texts(session.history)) == [f"t{number}" for number in range(6)]
    assert session.lease.version == 6


async def test_a_session_that_stays_busy_says_so(make_store: MakeStore, key: SessionKey) -> None:
    store = make_store(replace(LIMITS, wait=0.02))
    await opened(store, key, "t1")
    with pytest.raises(SessionBusyError):
        await store.open(key, "t2")


async def test_a_released_turn_leaves_nothing_and_may_come_again(
    store: SessionStore, key: SessionKey
) -> None:
    lease = (await opened(store, key, "t1")).lease
    await store.release(lease)
    session = await opened(store, key, "t1")
    assert session.history == ()
    assert session.lease.version == 0


async def test_releasing_twice_frees_nobody_elses_lock(
    make_store: MakeStore, key: SessionKey
) -> None:
    store = make_store(replace(LIMITS, wait=0.0))
    first = (await opened(store, key, "t1")).lease
    await store.release(first)
    await opened(store, key, "t2")
    await store.release(first)
    with pytest.raises(SessionBusyError):
        await store.open(key, "t3")


async def test_a_late_writer_is_fenced_off(make_store: MakeStore, key: SessionKey) -> None:
    store = make_store(replace(LIMITS, lock_ttl=0.5))
    late = (await opened(store, key, "t1")).lease
    other = (await opened(store, key, "t2")).lease  # waits until the first lease runs out
    with pytest.raises(SessionBusyError):
        await store.commit(late, commit_of(said("late")))
    with pytest.raises(SessionBusyError):
        await store.renew(late)
    await store.renew(other)
    await store.commit(other, commit_of(said("in time")))
    assert texts((await opened(store, key, "t3")).history) == ["in time"]


async def test_a_turn_that_waited_has_the_answer_that_its_word_led_to(
    store: SessionStore, key: SessionKey
) -> None:
    word = (await opened(store, key, "yes")).lease
    await store.commit(word, replace(commit_of(said("one"), text="done"), also="asked"))
    assert await store.open(key, "yes") == Answered(answer=answer("done"))
    assert await store.open(key, "asked") == Answered(answer=answer("done"))


async def test_a_late_writer_is_fenced_off_by_a_commit_that_is_over(
    make_store: MakeStore, key: SessionKey
) -> None:
    store = make_store(replace(LIMITS, lock_ttl=0.05))
    late = (await opened(store, key, "t1")).lease
    await take_turn(store, key, "two")
    with pytest.raises(SessionBusyError):
        await store.commit(late, commit_of(said("late")))
    with pytest.raises(SessionBusyError):
        await store.renew(late)
    assert texts((await opened(store, key, "t3")).history) == ["two", "two"]


async def test_a_turn_that_was_answered_meanwhile_is_not_committed_again(
    make_store: MakeStore, key: SessionKey
) -> None:
    store = make_store(replace(LIMITS, lock_ttl=0.05))
    late = (await opened(store, key, "t1")).lease
    again = (await opened(store, key, "t1")).lease
    await store.commit(again, commit_of(said("one"), text="first"))
    with pytest.raises(SessionBusyError):
        await store.commit(late, commit_of(said("one"), text="second"))
    assert await store.open(key, "t1") == Answered(answer=answer("first"))


async def test_a_lease_that_ran_out_is_good_while_nobody_came(
    make_store: MakeStore, key: SessionKey
) -> None:
    store = make_store(replace(LIMITS, lock_ttl=0.01))
    lease = (await opened(store, key, "t1")).lease
    await asyncio.sleep(0.03)
    await store.commit(lease, commit_of(said("slow")))
    assert texts((await opened(store, key, "t2")).history) == ["slow"]


async def test_renewing_takes_a_lock_back_that_ran_out(
    make_store: MakeStore, key: SessionKey
) -> None:
    store = make_store(replace(LIMITS, lock_ttl=1.0, wait=0.0))
    lease = (await opened(store, key, "t1")).lease
    await asyncio.sleep(1.05)
    await store.renew(lease)
    with pytest.raises(SessionBusyError):
        await store.open(key, "t2")


async def test_committing_again_under_the_same_lease_changes_nothing(
    store: SessionStore, key: SessionKey
) -> None:
    lease = (await opened(store, key, "t1")).lease
    await store.commit(lease, commit_of(said("one")))
    next_lease = (await opened(store, key, "t2")).lease
    await store.commit(lease, commit_of(said("one")))
    await store.commit(next_lease, commit_of(said("two")))
    session = await opened(store, key, "t3")
    assert texts(session.history) == ["one", "two"]
    assert session.lease.version == 2


async def test_only_the_newest_messages_are_kept(make_store: MakeStore, key: SessionKey) -> None:
    store = make_store(replace(LIMITS, messages=5))
    for number in range(6):
        await take_turn(store, key, str(number))
    assert texts((await opened(store, key, "last")).history) == ["3", "4", "4", "5", "5"]


EMAIL = Placeholder(template="[EMAIL_{number}]", number=1, digest="d1", value="a@b.example")
CARD = Placeholder(template="[CARD_{number}]", number=1, digest="d2", value=None)


async def test_placeholders_are_those_of_the_last_commit_that_had_any(
    store: SessionStore, key: SessionKey
) -> None:
    for turn, placeholders in (("t1", (EMAIL,)), ("t2", ()), ("t3", (EMAIL, CARD))):
        session = await opened(store, key, turn)
        assert session.placeholders == ((EMAIL,) if turn != "t1" else ())
        commit = replace(commit_of(said(turn)), placeholders=placeholders)
        await store.commit(session.lease, commit)
    assert (await opened(store, key, "t4")).placeholders == (EMAIL, CARD)


async def test_i11_no_other_session_has_the_placeholders(
    store: SessionStore, key: SessionKey
) -> None:
    session = await opened(store, key, "t1")
    await store.commit(session.lease, replace(commit_of(said("one")), placeholders=(EMAIL,)))
    for other in (replace(key, user="else"), replace(key, session="else")):
        assert (await opened(store, other, "t2")).placeholders == ()


async def test_the_quarantine_is_never_in_the_history(store: SessionStore, key: SessionKey) -> None:
    lease = (await opened(store, key, "t1")).lease
    await store.commit(lease, commit_of(text="no", blocked=(said("blocked"), replied("aborted"))))
    session = await opened(store, key, "t2")
    assert session.history == ()
    assert session.lease.version == 1
    await store.commit(session.lease, commit_of(said("fine")))
    assert texts((await opened(store, key, "t3")).history) == ["fine"]
    assert texts(await store.quarantined(key)) == ["blocked", "aborted"]  # type: ignore[attr-defined] # both stores have it, the protocol of a turn does not
    assert await store.open(key, "t1") == Answered(answer=answer("no"))


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "another"},
        {"user": "another"},
        {"session": "another"},
        {"user": "", "session": "someonefirst"},
        {"user": "someonefirst", "session": ""},
        {"user": "someone:first", "session": ""},
    ],
)
async def test_no_scope_sees_another(
    store: SessionStore, key: SessionKey, other: dict[str, str]
) -> None:
    await take_turn(store, key, "mine")
    session = await opened(store, replace(key, **other), "turn mine")
    assert session.history == ()
    lease = (await opened(store, key, "held")).lease
    await store.commit(session.lease, commit_of(said("theirs")))
    await store.commit(lease, commit_of(said("more")))
    assert texts((await opened(store, key, "t")).history) == ["mine", "mine", "more"]


async def test_an_idle_session_is_forgotten(make_store: MakeStore, key: SessionKey) -> None:
    store = make_store(replace(LIMITS, session_ttl=0.05, answer_ttl=0.05, quarantine_ttl=0.05))
    lease = (await opened(store, key, "t1")).lease
    commit = commit_of(said("one"), blocked=(said("blocked"),))
    await store.commit(lease, replace(commit, placeholders=(EMAIL,)))
    await asyncio.sleep(0.1)
    session = await opened(store, key, "t1")
    assert session.history == ()
    assert session.placeholders == ()
    assert session.lease.version == 0
    assert await store.quarantined(key) == ()  # type: ignore[attr-defined] # both stores have it
