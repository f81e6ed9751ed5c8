"""Fitted curves: what they do to a verdict, and when they must not be used."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.scripted_guard import ScriptedGuard
from guards.calibration import Calibrated, Calibration, CalibrationError, Curve
from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.panel import Seat, judge_within
from guards.verdict import Failure, Finding, Span, Unscanned, Verdict

HELLO = Exchange(subject=Subject.USER_INPUT, message=text_message("hello", id="m1"))


def calibration(**changes: object) -> Calibration:
    fields: dict[str, object] = {
        "guard": "scripted",
        "guard_revision": "scripted-1",
        "rows": 100,
        "data": "0" * 64,
        "curve": Curve(slope=1.0, offset=0.0),
        "threshold": 0.5,
    }
    return Calibration.model_validate(fields | changes)


def guard(**options: object) -> ScriptedGuard:
    findings = (
        Finding(hazard=Hazard.HATE, probability=0.5, span=Span(start=0, end=2)),
        Finding(hazard=Hazard.JAILBREAK, probability=0.5),
    )
    answer = Verdict(
        guard="scripted", revision="scripted-1", findings=findings, elapsed=0.1, score=0.5
    )
    return ScriptedGuard(answer=lambda _: answer, **options)  # type: ignore[arg-type] # its own fields


async def test_every_probability_passes_through_its_curve() -> None:
    fitted = calibration(
        curve=Curve(slope=1.0, offset=10.0), hazards={Hazard.HATE: Curve(slope=1.0, offset=-10.0)}
    )
    calibrated = Calibrated(guard(), fitted)
    verdict = await calibrated.judge(HELLO)
    assert isinstance(verdict, Verdict)
    hate, jailbreak = verdict.findings
    assert hate.probability < 0.01 < 0.99 < jailbreak.probability
    assert hate.span == Span(start=0, end=2)
    assert verdict.score == jailbreak.probability
    assert verdict.revision == calibrated.revision == f"scripted-1/calibrated-{fitted.digest}"


async def test_a_language_moves_the_log_odds() -> None:
    calibrated = Calibrated(guard(), calibration(languages={"zh": -8.0}))
    chinese = Exchange(
        subject=Subject.USER_INPUT, message=text_message("今天的天气怎么样？我们去公园吧", id="m1")
    )
    for exchange, expected in ((HELLO, 0.5), (chinese, 0.000335)):
        verdict = await calibrated.judge(exchange)
        assert isinstance(verdict, Verdict)
        assert verdict.findings[0].probability == pytest.approx(expected, abs=1e-5)


async def test_another_revision_is_a_failure_not_a_guess() -> None:
    calibrated = Calibrated(guard(), calibration(guard_revision="scripted-0"))
    seat = Seat(guard=calibrated, subjects=calibrated.subjects)
    judgement = await judge_within(seat, HELLO)
    assert isinstance(judgement, Unscanned)
    assert (judgement.reason, judgement.detail) == (Failure.ERROR, "CalibrationError")


def test_another_guard_is_refused_at_once() -> None:
    with pytest.raises(CalibrationError, match="is for guard 'scripted', not for 'mine'"):
        Calibrated(guard(name="mine"), calibration())


@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)
)
def test_curves_keep_the_order_and_stay_probabilities(
    one: float, other: float, slope: float, offset: float, shift: float
) -> None:
    fitted = calibration(curve=Curve(slope=slope, offset=offset), languages={"zh": shift})
    low, high = (fitted.probability(p, None, "zh") for p in sorted((one, other)))
    assert 0.0 <= low <= high <= 1.0


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    fitted = calibration(hazards={Hazard.HATE: Curve(slope=2.0, offset=0.1)}, languages={"de": 0.2})
    path.write_text(fitted.model_dump_json(), encoding="utf-8")
    assert Calibration.load(path) == fitted


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "c.json: the file: Invalid JSON"),
        ("{}", "c.json: guard: Field required"),
        (calibration().model_dump_json().replace('"slope":1.0', '"slope":-1.0'), "curve.slope"),
        (calibration().model_dump_json().replace('"rows"', '"rose"'), "rows: Field required"),
    ],
)
def test_a_mistake_is_named_with_file_and_field(
    tmp_path: Path, content: str, expected: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CalibrationError, match=expected):
        Calibration.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"none\.json: cannot be read"):
        Calibration.load(tmp_path / "none.json")
