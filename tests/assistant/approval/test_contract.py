"""What every store of approvals promises, checked on the real one and on the fake."""

import asyncio
from dataclasses import replace

import pytest

from assistant.approval.asked import Answer, Approval
from assistant.approval.protocol import RETENTION
from assistant.errors import (
    ApprovalAnsweredError,
    ApprovalExpiredError,
    SessionBusyError,
    UnknownApprovalError,
)
from assistant.turn import SessionKey
from policies.decision import Approver
from tests.assistant.approval.conftest import LIMITS, Desk, HandClock, MakeDesk, question
from tests.assistant.memory.samples import commit_of, opened, said, take_turn

TURN = b"\x00the turn as it stood\xff"


async def test_what_was_asked_comes_back_exactly(desk: Desk, key: SessionKey) -> None:
    asked = question(key, text="Darf ich? \ud800 👍", clause=None)
    await desk.approvals.ask(asked, TURN, None)
    assert await desk.approvals.get(key.tenant, asked.id) == Approval(asked=asked)
    assert await desk.approvals.of_turn(key, asked.turn) == Approval(asked=asked)
    assert await desk.approvals.suspended(key.tenant, asked.id) == TURN
    assert await desk.approvals.waiting(key.tenant) == (Approval(asked=asked),)


async def test_asking_ends_the_turn_with_an_open_question(desk: Desk, key: SessionKey) -> None:
    lease = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key), TURN, lease)
    found = await desk.approvals.open_question(key)
    assert found == Approval(asked=question(key))
    # The lock was given back, and nothing was committed.
    assert (await opened(desk.store, key, "turn 2")).lease.version == lease.version


async def test_the_message_that_led_to_a_question_is_known_by_it(
    desk: Desk, key: SessionKey
) -> None:
    lease = (await opened(desk.store, key, "the yes to another question")).lease
    await desk.approvals.ask(question(key), TURN, lease)
    asked = Approval(asked=question(key))
    assert await desk.approvals.of_turn(key, "the yes to another question") == asked
    assert await desk.approvals.of_turn(key, "turn 1") == asked


async def test_a_question_without_a_lease_is_nobodys_open_one(desk: Desk, key: SessionKey) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    assert await desk.approvals.open_question(key) is None


async def test_any_later_commit_ends_the_open_question(desk: Desk, key: SessionKey) -> None:
    lease = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key), TURN, lease)
    await take_turn(desk.store, key, "something else")
    assert await desk.approvals.open_question(key) is None
    # It can still be answered elsewhere.
    assert await desk.approvals.waiting(key.tenant) == (Approval(asked=question(key)),)


async def test_asking_again_under_the_same_lease_changes_nothing(
    desk: Desk, key: SessionKey
) -> None:
    lease = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key), TURN, lease)
    await desk.approvals.answer(key.tenant, "apr_1", True, "user")
    await desk.approvals.ask(question(key), b"other", lease)
    found = await desk.approvals.get(key.tenant, "apr_1")
    assert found is not None
    assert found.answer is Answer.APPROVED
    assert await desk.approvals.suspended(key.tenant, "apr_1") == TURN


async def test_a_lost_lease_asks_nothing(make_desk: MakeDesk, key: SessionKey) -> None:
    desk = make_desk(replace(LIMITS, lock_ttl=0.05))
    late = (await opened(desk.store, key, "turn 1")).lease
    await take_turn(desk.store, key, "two")
    with pytest.raises(SessionBusyError):
        await desk.approvals.ask(question(key), TURN, late)
    assert await desk.approvals.waiting(key.tenant) == ()
    assert await desk.approvals.get(key.tenant, "apr_1") is None
    assert await desk.approvals.of_turn(key, "turn 1") is None
    assert await desk.approvals.open_question(key) is None


async def test_a_lease_that_another_turn_holds_asks_nothing(
    make_desk: MakeDesk, key: SessionKey
) -> None:
    desk = make_desk(replace(LIMITS, lock_ttl=0.2))
    late = (await opened(desk.store, key, "turn 1")).lease
    held = (await opened(desk.store, key, "turn 2")).lease
    with pytest.raises(SessionBusyError):
        await desk.approvals.ask(question(key), TURN, late)
    await desk.store.renew(held)


async def test_a_turn_that_was_answered_meanwhile_asks_nothing(
    make_desk: MakeDesk, key: SessionKey
) -> None:
    desk = make_desk(replace(LIMITS, lock_ttl=0.05))
    late = (await opened(desk.store, key, "turn 1")).lease
    again = (await opened(desk.store, key, "turn 1")).lease
    await desk.store.commit(again, commit_of(said("one")))
    with pytest.raises(SessionBusyError):
        await desk.approvals.ask(question(key), TURN, late)


@pytest.mark.parametrize("approved", [True, False])
async def test_i4_an_answer_counts_once_and_for_all(
    desk: Desk, key: SessionKey, clock: HandClock, approved: bool
) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    clock.time += 5
    first = await desk.approvals.answer(key.tenant, "apr_1", approved, "user")
    assert first == Approval(
        asked=question(key),
        answer=Answer.APPROVED if approved else Answer.DENIED,
        answered_at=clock.time,
        answered_by="user",
    )
    clock.time += 5
    assert await desk.approvals.answer(key.tenant, "apr_1", approved, "word") == first
    with pytest.raises(ApprovalAnsweredError, match=first.answer):
        await desk.approvals.answer(key.tenant, "apr_1", not approved, "user")
    assert await desk.approvals.get(key.tenant, "apr_1") == first
    assert await desk.approvals.waiting(key.tenant) == ()


async def test_i4_a_message_that_was_the_word_on_a_question_is_about_no_other(
    desk: Desk, key: SessionKey
) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    assert await desk.approvals.of_turn(key, "the word") is None
    for _ in range(2):
        given = await desk.approvals.answer(
            key.tenant, "apr_1", True, "word", word=(key, "the word")
        )
        assert await desk.approvals.of_turn(key, "the word") == given


async def test_of_answers_at_once_one_wins(desk: Desk, key: SessionKey) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    given = [number % 2 == 0 for number in range(20)]
    results = await asyncio.gather(
        *(desk.approvals.answer(key.tenant, "apr_1", yes, "user") for yes in given),
        return_exceptions=True,
    )
    winners = [yes for yes, r in zip(given, results, strict=True) if isinstance(r, Approval)]
    losers = [r for r in results if isinstance(r, ApprovalAnsweredError)]
    assert len(set(winners)) == 1
    assert len(winners) == len(losers) == 10


async def test_i4_an_answer_that_comes_too_late_is_none(
    desk: Desk, key: SessionKey, clock: HandClock
) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    clock.time = question(key).expires - 0.001
    assert len(await desk.approvals.waiting(key.tenant)) == 1
    clock.time = question(key).expires
    assert await desk.approvals.waiting(key.tenant) == ()
    with pytest.raises(ApprovalExpiredError):
        await desk.approvals.answer(key.tenant, "apr_1", True, "user")
    found = await desk.approvals.get(key.tenant, "apr_1")
    assert found is not None
    assert found.expired(clock.now())
    assert found.answer is Answer.WAITING


async def test_an_answer_given_in_time_stays_good(
    desk: Desk, key: SessionKey, clock: HandClock
) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    given = await desk.approvals.answer(key.tenant, "apr_1", True, "user")
    clock.time = question(key).expires + 1
    assert await desk.approvals.answer(key.tenant, "apr_1", True, "user") == given
    assert await desk.approvals.suspended(key.tenant, "apr_1") == TURN


async def test_i11_another_tenant_knows_nothing_of_it(desk: Desk, key: SessionKey) -> None:
    await desk.approvals.ask(question(key), TURN, None)
    other = f"{key.tenant}'s neighbour"
    assert await desk.approvals.get(other, "apr_1") is None
    assert await desk.approvals.waiting(other) == ()
    with pytest.raises(UnknownApprovalError):
        await desk.approvals.answer(other, "apr_1", True, "operator")
    with pytest.raises(UnknownApprovalError):
        await desk.approvals.suspended(other, "apr_1")
    stranger = replace(key, tenant=other)
    assert await desk.approvals.of_turn(stranger, "turn 1") is None
    assert await desk.approvals.open_question(stranger) is None


async def test_the_list_is_newest_first_and_can_be_narrowed(desk: Desk, key: SessionKey) -> None:
    other = replace(key, user="someone else")
    for number in range(1, 8):
        asked = question(
            key if number % 2 else other,
            number,
            approver=Approver.OPERATOR if number > 4 else Approver.USER,
        )
        await desk.approvals.ask(asked, TURN, None)

    async def ids(**narrowed: object) -> list[str]:
        found = await desk.approvals.waiting(key.tenant, **narrowed)  # type: ignore[arg-type] # a test names what it knows
        return [approval.asked.id.removeprefix("apr_") for approval in found]

    assert await ids() == ["7", "6", "5", "4", "3", "2", "1"]
    assert await ids(limit=2) == ["7", "6"]
    assert await ids(user="someone") == ["7", "5", "3", "1"]
    assert await ids(user="nobody") == []
    assert await ids(approver=Approver.OPERATOR) == ["7", "6", "5"]
    assert await ids(user="someone", approver=Approver.USER, limit=1) == ["3"]


async def test_more_than_a_page_can_be_listed(desk: Desk, key: SessionKey) -> None:
    for number in range(1, 131):
        await desk.approvals.ask(question(key, number), TURN, None)
    for number in range(10, 131):
        await desk.approvals.answer(key.tenant, f"apr_{number}", False, "user")
    assert len(await desk.approvals.waiting(key.tenant)) == 9


async def test_a_turn_that_asks_again_is_found_by_its_latest_question(
    desk: Desk, key: SessionKey
) -> None:
    first = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key), TURN, first)
    second = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key, 2, turn="turn 1"), b"further", second)
    for found in (
        await desk.approvals.of_turn(key, "turn 1"),
        await desk.approvals.open_question(key),
    ):
        assert found is not None
        assert found.asked.id == "apr_2"


async def test_closing_forgets_what_was_to_be_done(
    desk: Desk, key: SessionKey, clock: HandClock
) -> None:
    lease = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key), TURN, lease)
    given = await desk.approvals.answer(key.tenant, "apr_1", True, "user")
    for _ in range(2):
        await desk.approvals.close(given)
    kept = replace(given, asked=replace(question(key), arguments="", text=""))
    assert await desk.approvals.get(key.tenant, "apr_1") == kept
    assert await desk.approvals.open_question(key) is None
    with pytest.raises(UnknownApprovalError):
        await desk.approvals.suspended(key.tenant, "apr_1")
    assert await desk.approvals.answer(key.tenant, "apr_1", True, "user") == kept
    clock.time = question(key).expires + RETENTION - 1
    assert await desk.approvals.get(key.tenant, "apr_1") == kept


async def test_a_turn_given_up_can_be_approved_no_more(desk: Desk, key: SessionKey) -> None:
    asked = question(key)
    await desk.approvals.ask(asked, TURN, None)
    await desk.approvals.close(Approval(asked=asked))
    assert await desk.approvals.waiting(key.tenant) == ()
    with pytest.raises(UnknownApprovalError):
        await desk.approvals.answer(key.tenant, "apr_1", True, "user")


async def test_closing_an_older_question_leaves_the_open_one(desk: Desk, key: SessionKey) -> None:
    first = (await opened(desk.store, key, "turn 1")).lease
    await desk.approvals.ask(question(key), TURN, first)
    second = (await opened(desk.store, key, "turn 2")).lease
    await desk.approvals.ask(question(key, 2), TURN, second)
    await desk.approvals.close(Approval(asked=question(key)))
    found = await desk.approvals.open_question(key)
    assert found is not None
    assert found.asked.id == "apr_2"
