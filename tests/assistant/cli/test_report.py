"""What a turn came to, in words and as JSON."""

import pytest

from assistant.cli.report import SHOWN_HAZARDS, Told, TurnReport, milliseconds, summarise
from assistant.events import Finished, FinishReason, Judged, Usage
from guards.conversation import Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict
from policies.decision import Allow, Basis


def verdict(elapsed: float = 0.001, guard: str = "one", **scores: float) -> Verdict:
    findings = tuple(Finding(hazard=Hazard(h), probability=p) for h, p in scores.items())
    return Verdict(guard=guard, revision="r1", findings=findings, elapsed=elapsed)


def failure(guard: str = "one") -> Unscanned:
    return Unscanned(
        guard=guard, revision="r1", reason=Failure.TIMEOUT, detail="TimeoutError", elapsed=5.0
    )


def judged(subject: Subject, *judgements: Judgement) -> Judged:
    panel = PanelVerdict(subject=subject, judgements=judgements, elapsed=0.01)
    basis = Basis(clause=None, policy="p@1", digest="d", verdict=panel)
    return Judged(subject=subject, decision=Allow(basis=basis), at=0.1)


def finished(**fields: object) -> Finished:
    given = {"reason": FinishReason.STOP, "usage": Usage(), "log_id": "w-1"} | fields
    return Finished(**given)  # type: ignore[arg-type] # each test gives what it is about


def test_pieces_of_a_reply_are_one_line_with_the_worst_of_each() -> None:
    (summary,) = summarise(
        [
            ("reply_so_far", verdict(hate=0.1, privacy=0.5)),
            ("reply_so_far", verdict(elapsed=0.2, hate=0.4)),
            ("reply", verdict(hate=0.2)),
        ]
    )
    assert summary.times == 3
    assert summary.slowest == 0.2
    assert [(f.hazard, f.probability) for f in summary.findings] == [
        (Hazard.PRIVACY, 0.5),
        (Hazard.HATE, 0.4),
    ]
    assert summary.as_text() == "reply: one x3 200 ms, privacy 0.50, hate 0.40"


def test_guards_and_subjects_are_kept_apart() -> None:
    summaries = summarise(
        [
            ("user_input", verdict()),
            ("user_input", verdict(guard="two")),
            ("reply", verdict()),
        ]
    )
    assert [(s.subject, s.guard) for s in summaries] == [
        ("input", "one"),
        ("input", "two"),
        ("reply", "one"),
    ]
    assert summaries[0].as_text() == "input: one 1.0 ms, nothing found"


def test_a_failure_is_never_nothing_found() -> None:
    (summary,) = summarise([("user_input", failure())])
    assert summary.as_text() == "input: one 5.0 s, no verdict (timeout)"
    assert summary.as_json()["failures"] == ["timeout"]


def test_people_see_the_top_hazards_and_machines_all() -> None:
    scores = {"hate": 0.1, "privacy": 0.2, "elections": 0.3, "defamation": 0.4}
    (summary,) = summarise([("user_input", verdict(0.001, "one", **scores))])
    assert summary.as_text().count("0.") == SHOWN_HAZARDS
    assert summary.as_json()["findings"] == dict(sorted(scores.items(), key=lambda i: -i[1]))


def test_one_line_holds_the_turn() -> None:
    report = TurnReport(
        told=Told(),
        reply="words",
        judged=(judged(Subject.USER_INPUT, verdict(hate=0.9)),),
        finished=finished(decision="refuse", clause="hate-speech", replayed=True),
        first_text=0.05,
        total=1.25,
    )
    assert report.blocked
    assert report.as_text() == (
        "input: one 1.0 ms, hate 0.90 | refuse by clause hate-speech | first text 50 ms | "
        "total 1.2 s | log w-1 | answered before"
    )
    assert report.as_json()["first_text_ms"] == 50.0


@pytest.mark.parametrize("decision", ["allow", "rewrite", "steer"])
def test_what_lets_the_model_speak_is_not_blocked(decision: str) -> None:
    report = TurnReport(
        told=Told(),
        reply="",
        judged=(),
        finished=finished(decision=decision),
        first_text=None,
        total=0.1,
    )
    assert not report.blocked
    assert "first text" not in report.as_text()
    assert report.as_json()["first_text_ms"] is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0004, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.035, "35 ms"),
        (0.99949, "999 ms"),
        (2.14, "2.1 s"),
    ],
)
def test_durations_are_readable(seconds: float, words: str) -> None:
    assert milliseconds(seconds) == words
