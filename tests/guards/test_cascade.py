"""The cheap guard first, the strong one where it is unsure, and never less than a verdict."""

import pytest
from pydantic import ValidationError

from assistant.testing.scripted_guard import Answer, ScriptedGuard
from guards.cascade import Band, Bands, Cascade
from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.panel import Seat
from guards.verdict import Failure, Finding, Unscanned, Verdict

HELLO = Exchange(subject=Subject.USER_INPUT, message=text_message("hello", id="m1"))
BANDS = Bands(band=Band(low=0.2, high=0.8))


def found(**probabilities: float) -> Answer:
    return tuple(Finding(hazard=Hazard(h), probability=p) for h, p in probabilities.items())


def guard(name: str, answer: Answer, **options: object) -> ScriptedGuard:
    return ScriptedGuard(answer=lambda _: answer, name=name, **options)  # type: ignore[arg-type] # its own fields


def cascade(first: ScriptedGuard, second: ScriptedGuard, bands: Bands = BANDS) -> Cascade:
    def seat(guard: ScriptedGuard) -> Seat:
        return Seat(guard=guard, subjects=guard.subjects, deadline=0.5)

    return Cascade("both", seat(first), seat(second), bands)


async def verdict(both: Cascade, exchange: Exchange = HELLO) -> dict[Hazard, float]:
    judgement = await both.judge(exchange)
    assert isinstance(judgement, Verdict)
    assert (judgement.guard, judgement.revision) == ("both", both.revision)
    return {f.hazard: f.probability for f in judgement.findings}


@pytest.mark.parametrize(("probability", "asked"), [(0.1, 0), (0.2, 1), (0.79, 1), (0.8, 0)])
async def test_only_what_lies_in_the_band_is_asked_again(probability: float, asked: int) -> None:
    second = guard("strong", found(hate=0.01))
    both = cascade(guard("cheap", found(hate=probability)), second)
    assert await verdict(both) == {Hazard.HATE: 0.01 if asked else probability}
    assert len(second.judgings) == asked


async def test_what_the_second_cannot_know_stays_as_the_first_said() -> None:
    second = guard(
        "strong", found(violent_crimes=0.9), hazards=frozenset({Hazard.HATE, Hazard.VIOLENT_CRIMES})
    )
    both = cascade(guard("cheap", found(hate=0.5, jailbreak=0.6)), second)
    assert await verdict(both) == {Hazard.VIOLENT_CRIMES: 0.9, Hazard.JAILBREAK: 0.6}


async def test_either_guard_may_hold_text_back() -> None:
    def holding(hold: int | None) -> Verdict:
        findings = (Finding(hazard=Hazard.HATE, probability=0.5),)
        return Verdict(guard="g", revision="r", findings=findings, elapsed=0.0, hold=hold)

    for first, second, expected in ((3, None, 3), (None, 2, 2), (3, 2, 2), (None, None, None)):
        both = cascade(guard("cheap", holding(first)), guard("strong", holding(second)))
        judgement = await both.judge(HELLO)
        assert isinstance(judgement, Verdict)
        assert judgement.hold == expected


async def test_a_hazard_only_the_first_knows_asks_nobody() -> None:
    second = guard("strong", (), hazards=frozenset({Hazard.HATE}))
    both = cascade(guard("cheap", found(jailbreak=0.5)), second)
    assert await verdict(both) == {Hazard.JAILBREAK: 0.5}
    assert not second.judgings


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("no"), ValueError("no"), found, "nonsense"],
    ids=["error", "value", "function", "text"],
)
async def test_without_the_second_there_is_no_verdict(failure: object) -> None:
    both = cascade(guard("cheap", found(hate=0.5)), guard("strong", failure))  # type: ignore[arg-type] # wrong on purpose
    judgement = await both.judge(HELLO)
    assert isinstance(judgement, Unscanned)
    assert judgement.guard == "both"


async def test_a_second_that_hangs_is_a_failure_in_time() -> None:
    both = cascade(guard("cheap", found(hate=0.5)), guard("strong", (), delay=float("inf")))
    judgement = await both.judge(HELLO)
    assert isinstance(judgement, Unscanned)
    assert judgement.reason is Failure.TIMEOUT


async def test_the_second_stands_in_for_the_first_if_it_knows_as_much() -> None:
    broken = guard("cheap", RuntimeError("no"), hazards=frozenset({Hazard.HATE}))
    assert await verdict(cascade(broken, guard("strong", found(hate=0.3)))) == {Hazard.HATE: 0.3}
    broken = guard("cheap", RuntimeError("no"))
    narrow = guard("strong", (), hazards=frozenset({Hazard.HATE}))
    assert isinstance(await cascade(broken, narrow).judge(HELLO), Unscanned)
    assert not narrow.judgings


async def test_a_language_can_have_a_band_of_its_own() -> None:
    bands = Bands(band=BANDS.band, languages={"zh": Band(low=0.0, high=1.0)})
    second = guard("strong", found(hate=0.9))
    both = cascade(guard("cheap", found(hate=0.1)), second, bands)
    chinese = Exchange(
        subject=Subject.USER_INPUT, message=text_message("今天的天气怎么样？我们去公园吧", id="m1")
    )
    assert await verdict(both) == {Hazard.HATE: 0.1}
    assert await verdict(both, chinese) == {Hazard.HATE: 0.9}


def test_two_guards_with_nothing_in_common_make_no_cascade() -> None:
    first = guard("cheap", (), hazards=frozenset({Hazard.HATE}))
    second = guard("strong", (), hazards=frozenset({Hazard.JAILBREAK}))
    with pytest.raises(ValueError, match="judges no hazard"):
        cascade(first, second)


def test_the_revision_tells_bands_and_guards_apart() -> None:
    wide = Bands(band=Band(low=0.0, high=1.0))
    one, other = guard("cheap", ()), guard("strong", ())
    newer = guard("strong", (), revision="scripted-2")
    revisions = {cascade(one, other, b).revision for b in (BANDS, wide)}
    assert len(revisions | {cascade(one, newer).revision}) == 3


def test_a_band_is_the_right_way_round() -> None:
    with pytest.raises(ValidationError, match="low must not be above high"):
        Band(low=0.6, high=0.5)
