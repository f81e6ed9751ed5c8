"""The panel: side by side, each within its deadline, failing closed."""

import asyncio
import math
from typing import Any, cast

import pytest

from assistant.testing.scripted_guard import ScriptedGuard
from assistant.testing.virtual_time import run_virtual
from guards.conversation import Exchange, Subject, text_message
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard, UnknownHazardError
from guards.panel import Panel, PanelVerdict, Seat
from guards.verdict import Failure, Finding, Span, Unscanned, Verdict

INPUT = frozenset({Subject.USER_INPUT})


def exchange(text: str = "hello") -> Exchange:
    return Exchange(subject=Subject.USER_INPUT, message=text_message(text, id="m1"))


def judge(*guards: Any, deadline: float = 1.0) -> PanelVerdict:
    panel = Panel([Seat(guard=g, subjects=INPUT, deadline=deadline) for g in guards])
    return run_virtual(panel.judge(exchange()))


def found(hazard: Hazard, probability: float, span: Span | None = None) -> tuple[Finding, ...]:
    return (Finding(hazard=hazard, probability=probability, span=span),)


def test_guards_judge_side_by_side() -> None:
    verdict = judge(*(ScriptedGuard(name=f"g{i}", delay=0.5) for i in range(4)))
    assert verdict.complete
    assert verdict.elapsed == pytest.approx(0.5)


def test_the_highest_probability_of_any_guard_counts() -> None:
    verdict = judge(
        ScriptedGuard(name="a", answer=lambda _: found(Hazard.HATE, 0.2)),
        ScriptedGuard(name="b", answer=lambda _: found(Hazard.HATE, 0.7)),
    )
    assert verdict.probability(Hazard.HATE) == 0.7
    assert verdict.probability(Hazard.PRIVACY) == 0.0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("boom"), Failure.ERROR),
        (GuardNonsenseError("?"), Failure.NONSENSE),
        (UnknownHazardError("S99"), Failure.UNKNOWN_CATEGORY),
        (TimeoutError(), Failure.TIMEOUT),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_i2_a_guard_that_raises_is_unscanned(
    error: Exception, reason: Failure, alone: bool
) -> None:
    fine = () if alone else (ScriptedGuard(name="fine"),)
    verdict = judge(ScriptedGuard(name="bad", answer=lambda _: error), *fine)
    assert not verdict.complete
    assert [(u.guard, u.reason) for u in verdict.unscanned] == [("bad", reason)]
    assert "boom" not in verdict.unscanned[0].detail


def test_i2_a_guard_that_hangs_is_unscanned_at_its_deadline() -> None:
    hung = ScriptedGuard(name="hung", delay=math.inf)
    verdict = judge(hung, ScriptedGuard(name="fine"), deadline=2.0)
    assert [u.reason for u in verdict.unscanned] == [Failure.TIMEOUT]
    assert verdict.elapsed == pytest.approx(2.0)
    assert hung.running == 0


@pytest.mark.parametrize("answer", [None, True, "safe", {"safe": True}, ()])
def test_i2_a_guard_that_returns_no_judgement_is_unscanned(answer: object) -> None:
    class Liar(ScriptedGuard):
        async def judge(self, exchange: Exchange) -> Any:
            return answer

    assert [u.reason for u in judge(Liar()).unscanned] == [Failure.NONSENSE]


def test_i2_a_finding_outside_the_text_is_nonsense() -> None:
    beyond = found(Hazard.HATE, 0.1, Span(start=0, end=6))
    verdict = judge(ScriptedGuard(answer=lambda _: beyond))
    assert [u.reason for u in verdict.unscanned] == [Failure.NONSENSE]


def test_i2_a_finding_of_no_known_hazard_is_not_a_verdict() -> None:
    foreign = (Finding(hazard=cast("Hazard", "S99"), probability=0.9),)
    verdict = judge(ScriptedGuard(answer=lambda _: foreign))
    assert [u.reason for u in verdict.unscanned] == [Failure.UNKNOWN_CATEGORY]


@pytest.mark.parametrize("alone", [True, False])
def test_i2_a_guard_whose_own_work_is_cancelled_is_unscanned(alone: bool) -> None:
    class Cancelled(ScriptedGuard):
        async def judge(self, exchange: Exchange) -> Any:
            raise asyncio.CancelledError

    verdict = judge(Cancelled(name="bad"), *(() if alone else (ScriptedGuard(name="fine"),)))
    assert [(u.guard, u.reason) for u in verdict.unscanned] == [("bad", Failure.ERROR)]


def test_i2_nobody_seated_is_not_an_allow() -> None:
    for panel in (Panel([]), Panel([Seat(guard=ScriptedGuard(), subjects=frozenset())])):
        verdict = run_virtual(panel.judge(exchange()))
        assert not verdict.complete
        assert [u.reason for u in verdict.unscanned] == [Failure.MISSING]


def test_a_guard_is_not_seated_for_what_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="cannot judge: image"):
        Seat(guard=ScriptedGuard(subjects=INPUT), subjects=frozenset({Subject.IMAGE}))


@pytest.mark.parametrize("deadline", [0.0, -1.0, math.nan])
def test_a_deadline_is_a_positive_number(deadline: float) -> None:
    with pytest.raises(ValueError, match="deadline"):
        Seat(guard=ScriptedGuard(), subjects=INPUT, deadline=deadline)


def test_two_guards_of_one_name_are_refused() -> None:
    seats = [Seat(guard=ScriptedGuard(), subjects=INPUT)] * 2
    with pytest.raises(ValueError, match="name of its own"):
        Panel(seats)


def test_cancelling_the_panel_aborts_every_guard() -> None:
    guards = [ScriptedGuard(name=f"g{i}", delay=math.inf) for i in range(3)]
    panel = Panel([Seat(guard=g, subjects=INPUT, deadline=99.0) for g in guards])

    async def main() -> None:
        task = asyncio.create_task(panel.judge(exchange()))
        await asyncio.sleep(1.0)
        assert sum(g.running for g in guards) == 3
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert sum(g.running for g in guards) == 0

    run_virtual(main())


@pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan, math.inf])
def test_a_probability_is_within_zero_and_one(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        Finding(hazard=Hazard.HATE, probability=probability)


def test_an_unscanned_answer_is_passed_on() -> None:
    given = Unscanned(
        guard="g", revision="1", reason=Failure.TOO_LONG, detail="too long", elapsed=0.0
    )
    verdict = judge(ScriptedGuard(answer=lambda _: given))
    assert verdict.judgements == (given,)


def test_findings_are_those_of_verdicts() -> None:
    verdict = judge(ScriptedGuard(answer=lambda _: found(Hazard.HATE, 0.4)))
    assert isinstance(verdict.judgements[0], Verdict)
    assert [f.hazard for f in verdict.findings] == [Hazard.HATE]


@pytest.mark.parametrize("hold", [-1, 6])
def test_i2_holding_from_outside_the_text_is_nonsense(hold: int) -> None:
    answer = Verdict(guard="g", revision="1", findings=(), elapsed=0.0, hold=hold)
    verdict = judge(ScriptedGuard(answer=lambda _: answer))
    assert [u.reason for u in verdict.unscanned] == [Failure.NONSENSE]


def test_text_is_held_from_the_earliest_place_any_guard_names() -> None:
    verdicts = [
        Verdict(guard=f"g{hold}", revision="1", findings=(), elapsed=0, hold=hold)
        for hold in (4, 2, None)
    ]
    merged = PanelVerdict(subject=Subject.REPLY, judgements=tuple(verdicts), elapsed=0)
    assert merged.hold == 2
