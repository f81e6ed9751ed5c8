"""Two guards on the same rows."""

import asyncio
import json
from pathlib import Path

import pytest

from guards.evaluate.compare import compare
from guards.evaluate.compare_page import comparison_page, p_value
from guards.evaluate.datasets import Row
from guards.evaluate.evaluation import Evaluation, EvaluationError, read_evaluation
from guards.evaluate.figures import Terms
from guards.evaluate.journal import Journal, JournalError
from guards.evaluate.report import REPORT, ROWS, Origin, encode, report_of, row_index
from guards.evaluate.run import judge_rows
from guards.evaluate.workers import Crew
from guards.hazards import Hazard
from guards.verdict import Finding
from tests.guards.evaluate.rows import ScriptedGuard, numbering, row, seated
from tests.guards.evaluate.test_report import Page, svgs

ROWS_ = [
    row(
        f"row {n} {n % 10 / 10}",
        label=n % 10 > 4,
        lang=("en", "zh")[n % 2],
        file=f"set{n // 40}",
        category="hate" if n % 10 > 4 else "",
        line=n,
    )
    for n in range(80)
]


def evaluated(
    folder: Path, rows: list[Row], *guards: ScriptedGuard, threshold: float = 0.5
) -> Path:
    """A folder as `corral guard evaluate` leaves it."""
    with Journal(folder) as journal:
        runs = asyncio.run(
            judge_rows(rows, seated(*guards), journal, crew=Crew(), on_progress=lambda _: None)
        )
    report = report_of(
        rows,
        runs,
        Terms(resamples=0),
        origin=Origin(made="2026-01-01", command="corral", corral="1", limit=None),
        data=[],
        show_text=False,
    )
    (folder / REPORT).write_bytes(encode(report))
    (folder / ROWS).write_bytes(row_index(rows))
    return folder


def upside_down(name: str = "worse") -> ScriptedGuard:
    """A guard that is sure of the opposite."""
    return ScriptedGuard(
        name=name,
        answer=lambda e: (
            Finding(hazard=Hazard.HATE, probability=round(1 - float(e.text.split()[-1]), 6)),
        ),
    )


@pytest.fixture
def perfect(tmp_path: Path) -> Evaluation:
    return read_evaluation(evaluated(tmp_path / "perfect", ROWS_, numbering()))


@pytest.fixture
def worse(tmp_path: Path) -> Evaluation:
    return read_evaluation(evaluated(tmp_path / "worse", ROWS_, upside_down()))


def test_the_better_guard_wins_whichever_way_round(perfect: Evaluation, worse: Evaluation) -> None:
    there, back = compare(perfect, worse), compare(worse, perfect)
    assert {c.winner for c in there.overall.contests.values()} == {"a"}
    assert {c.winner for c in back.overall.contests.values()} == {"b"}
    auroc = there.overall.contests["auroc"]
    assert (auroc.a, auroc.b, auroc.difference) == (1.0, 0.0, -1.0)
    flagged = there.overall.contests["flag_rate"]
    assert flagged.a == 0.0
    assert flagged.difference > 0
    assert there.rows == 80


def test_a_guard_is_even_with_itself(perfect: Evaluation) -> None:
    same = compare(perfect, perfect)
    assert {c.winner for g in (same.overall, *same.groups) for c in g.contests.values()} == {"even"}
    assert {one.p for one in same.decisions.values()} == {1.0}


def test_decisions_are_counted_at_each_guards_threshold(
    perfect: Evaluation, worse: Evaluation
) -> None:
    decisions = compare(perfect, worse).decisions
    whole = decisions["all"]
    assert (whole.rows, whole.only_b_right, whole.both_wrong) == (80, 0, 0)
    # At one half both flag the rows that say exactly that.
    assert whole.only_a_right + whole.both_right == 80
    assert whole.both_right == 8
    assert whole.p < 1e-9
    assert decisions["harmful"].rows == decisions["harmless"].rows == 40
    never = compare(perfect, worse, threshold=1.0)
    # What ends with 0.0 is turned into 1.0, which is still flagged.
    assert (never.a.threshold, never.decisions["harmless"].only_a_right) == (1.0, 8)
    assert never.decisions["harmful"].both_wrong == 40


def test_groups_say_who_wins_where(perfect: Evaluation, worse: Evaluation) -> None:
    groups = {(g.by, g.name): g for g in compare(perfect, worse, resamples=50).groups}
    assert set(groups) == {
        ("file", "set0"), ("file", "set1"), ("hazard", "hate"), ("language", "en"),
        ("language", "zh"), ("subject", "user_input"),
    }  # fmt: skip
    assert set(groups["hazard", "hate"].contests) == {"recall"}
    assert set(groups["language", "zh"].contests) == {"auroc", "recall", "flag_rate"}


def test_only_rows_with_both_verdicts_count(tmp_path: Path, perfect: Evaluation) -> None:
    rows = [*ROWS_[:50], row("only here 0.5", True), row("please fail", True)]
    failing = [*ROWS_[:50], row("please fail", True)]
    a = read_evaluation(evaluated(tmp_path / "a", rows, numbering()))
    b = read_evaluation(evaluated(tmp_path / "b", failing, upside_down()))
    comparison = compare(a, b, resamples=0)
    assert comparison.rows == 50
    assert (comparison.a.only_here, comparison.b.only_here) == (1, 0)
    assert (comparison.a.unscanned, comparison.b.unscanned) == (1, 1)
    assert comparison.overall.contests["auroc"].low is None
    assert comparison.overall.contests["auroc"].winner == "even"
    other = read_evaluation(evaluated(tmp_path / "c", [row("another 0.1")], numbering()))
    with pytest.raises(EvaluationError, match="no row with verdicts of both"):
        compare(perfect, other)


def test_one_guard_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "two", ROWS_, numbering(), upside_down())
    with pytest.raises(EvaluationError, match="several guards, name one of scripted, worse"):
        read_evaluation(folder)
    with pytest.raises(EvaluationError, match="no guard 'third', only scripted, worse"):
        read_evaluation(folder, "third")
    assert read_evaluation(folder / REPORT, "worse").guard == "worse"


def test_what_is_no_evaluation_is_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_evaluation(tmp_path)
    (tmp_path / REPORT).write_text("{}")
    with pytest.raises(EvaluationError, match="is no report of `corral guard evaluate`"):
        read_evaluation(tmp_path)
    (tmp_path / REPORT).write_text('{"schema": "corral.evaluation/0"}')
    with pytest.raises(EvaluationError, match="must be of the schema corral"):
        read_evaluation(tmp_path)
    folder = evaluated(tmp_path / "whole", ROWS_, numbering())
    (folder / ROWS).write_text("[]\n")
    with pytest.raises(EvaluationError, match="is damaged; evaluate again"):
        read_evaluation(folder)
    (folder / ROWS).unlink()
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_evaluation(folder)
    again = evaluated(tmp_path / "again", ROWS_, numbering())
    (again / "judgements.jsonl").unlink()
    with pytest.raises(JournalError, match="cannot be read"):
        read_evaluation(again)


def test_the_page_needs_nothing_else(perfect: Evaluation, worse: Evaluation) -> None:
    comparison = compare(perfect, worse, resamples=50)
    text = comparison_page(comparison, command="corral guard compare a b", made="2026-01-01")
    read = Page(text)
    assert read.open == []
    assert read.loads == []
    plots = list(svgs(text))
    assert len(plots) == 3
    assert all(plot.find("title") is not None for plot in plots)
    body = json.loads(json.dumps(comparison.as_json()))
    assert body["schema"] == "corral.comparison/1"
    assert (
        Page(comparison_page(compare(perfect, worse, resamples=0), command="", made="")).open == []
    )


def test_p_values_are_shown_as_people_write_them() -> None:
    assert p_value(1e-9) == "< 0.0001"
    assert p_value(0.25) == "0.2500"
