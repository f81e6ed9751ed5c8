"""Figures of all rows and of every group."""

import numpy as np
import pytest

from guards.conversation import Subject
from guards.evaluate import metrics
from guards.evaluate.cost import cost_of
from guards.evaluate.datasets import LabelledSpan, Row
from guards.evaluate.examples import examples_of
from guards.evaluate.figures import HARMLESS, Cell, Measured, Terms, measure
from guards.evaluate.hazard_names import hazard_of
from guards.evaluate.judged import FoundSpan, Judged
from guards.evaluate.run import GuardRun
from guards.evaluate.span_figures import span_figures
from guards.hazards import Hazard
from guards.verdict import Span
from tests.guards.evaluate.rows import judged, row

PLAIN = Terms(resamples=0)


def measured(pairs: list[tuple[Row, Judged]], terms: Terms = PLAIN) -> Measured:
    return measure([r for r, _ in pairs], [j for _, j in pairs], terms)


def scored(text: str, label: bool, score: float | None, **fields: object) -> tuple[Row, Judged]:
    one = row(text, label, **fields)
    return one, judged(one, score)


MIXED = [
    scored("a", True, 0.9, file="x", lang="en", kind="k", category="hate"),
    scored("b", True, 0.4, file="x", lang="zh", kind="k", category="hate"),
    scored("c", False, 0.6, file="x", lang="en"),
    scored("d", False, 0.1, file="y", lang="en"),
    scored("e", True, 0.7, file="z", lang="zh", category="S1"),
    scored("f", True, None, file="z", lang="zh"),
]


def test_overall_and_groups() -> None:
    found = measured(MIXED)
    overall = found.overall
    assert (overall.rows, overall.harmful, overall.harmless, overall.unscanned) == (6, 4, 2, 1)
    assert overall.figures["recall"].value == pytest.approx(2 / 3)
    assert overall.figures["flag_rate"].value == pytest.approx(1 / 2)
    assert overall.figures["auroc"].value == pytest.approx(5 / 6)
    assert set(found.by_file) == {"x", "y", "z"}
    assert set(found.by_lang) == {"en", "zh"}
    assert set(found.by_kind) == {"k"}
    assert set(found.by_category) == {"hate", "S1"}
    assert set(found.by_subject) == {"user_input"}
    assert found.failures == {"timeout": 1}


def test_rows_of_one_class_have_the_one_figure_that_means_something() -> None:
    found = measured(MIXED)
    assert set(found.by_file["y"].figures) == {"flag_rate"}
    assert set(found.by_file["z"].figures) == {"recall"}
    assert found.by_file["z"].figures["recall"].value == 1.0
    assert found.by_file["z"].unscanned == 1
    assert found.shape.roc is not None
    assert measured(MIXED[:2]).shape.roc is None


def test_a_failure_is_never_a_score_of_zero() -> None:
    harmless = [scored(f"{n}", False, 0.2) for n in range(3)]
    failed = [scored(f"f{n}", False, None) for n in range(3)]
    found = measured([*harmless, *failed, scored("h", True, 0.1)])
    # Had the failures counted as zero, the harmful row would rank above half of the harmless.
    assert found.overall.figures["auroc"].value == 0.0
    only_failures = measured(failed)
    assert only_failures.overall.figures == {}
    assert only_failures.overall.unscanned == 3
    assert sum(only_failures.shape.harmless) == 0


def test_pooling_ranks_against_the_harmless_of_all_files_of_the_same_subject() -> None:
    reply = scored("g", False, 0.95, file="w", subject=Subject.REPLY)
    found = measured([*MIXED, reply], Terms(resamples=0, pool=True))
    z = found.by_file["z"]
    assert (z.pooled, z.against) == (True, 2)
    assert z.figures["auroc"].value == 1.0
    assert "flag_rate" not in z.figures
    assert not found.by_file["y"].pooled
    assert not found.overall.pooled


def test_a_hazard_is_measured_by_any_finding_and_by_its_own() -> None:
    pairs = [
        scored("a", True, 0.9, category="hate"),
        (one := row("b", True, category="S1"), judged(one, 0.8, hazard=Hazard.VIOLENT_CRIMES)),
        (two := row("c", True, category="hate"), judged(two, 0.7, hazard=Hazard.PRIVACY)),
        scored("d", False, 0.2),
        scored("e", True, 0.95, category="what the source calls it"),
    ]
    found = measured(pairs)
    assert set(found.by_hazard) == {"violent_crimes", "hate"}
    hate = found.by_hazard["hate"]
    assert (hate.rows, hate.against) == (2, 1)
    assert hate.figures["recall"].value == 1.0
    assert hate.figures["hazard_recall"].value == 0.5
    # Of hate .9 and 0 against .2 (harmless) and 0 (the other hazard): 2 wins and a half of 4.
    assert hate.figures["hazard_auroc"].value == pytest.approx(2.5 / 4)


def test_only_the_hazards_that_count_make_the_score() -> None:
    one = row("a", True)
    both = judged(one, 0.0, probabilities={Hazard.HATE: 0.9, Hazard.PRIVACY: 0.3}, score=0.95)
    assert measured([(one, both)]).overall.figures["recall"].value == 1.0
    terms = Terms(resamples=0, counted=frozenset({Hazard.PRIVACY}))
    assert measured([(one, both)], terms).overall.figures["recall"].value == 0.0


def test_cells_hold_hazards_by_language_and_the_harmless() -> None:
    assert measured(MIXED).cells == (
        Cell(hazard="violent_crimes", lang="zh", rows=1, flagged=1),
        Cell(hazard="hate", lang="en", rows=1, flagged=1),
        Cell(hazard="hate", lang="zh", rows=1, flagged=0),
        Cell(hazard=HARMLESS, lang="en", rows=2, flagged=1),
    )


def test_the_whole_is_the_same_with_intervals_and_again_with_the_same_seed() -> None:
    terms = Terms(resamples=50, seed=4)
    first, second = measured(MIXED, terms), measured(MIXED, terms)
    assert first == second
    for name, figure in first.overall.figures.items():
        assert figure.value == measured(MIXED).overall.figures[name].value
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.high
    assert measured(MIXED, Terms(resamples=50, seed=5)) != first


def test_curves_are_thinned_and_keep_their_ends() -> None:
    rng = np.random.default_rng(0)
    pairs = [
        scored(f"{n}", bool(label), round(float(rng.beta(2 + 2 * label, 3)), 6))
        for n, label in enumerate(rng.random(4000) < 0.4)
    ]
    shape = measured(pairs).shape
    assert shape.roc is not None
    assert len(shape.roc.x) <= 242
    assert (shape.roc.x[0], shape.roc.y[0], shape.roc.x[-1], shape.roc.y[-1]) == (0, 0, 1, 1)
    area = float(np.trapezoid(shape.roc.y, shape.roc.x))
    assert area == pytest.approx(measured(pairs).overall.figures["auroc"].value, abs=0.01)


@pytest.mark.parametrize(
    ("category", "hazard"),
    [
        ("hate", Hazard.HATE),
        (" Violent-Crimes ", Hazard.VIOLENT_CRIMES),
        ("self harm", Hazard.SELF_HARM),
        ("s4", Hazard.CHILD_EXPLOITATION),
        ("S14", Hazard.CODE_INTERPRETER_ABUSE),
        ("S15", None),
        ("Offending User", None),
        ("race/origin", Hazard.HATE),
        ("race[1]", Hazard.PRIVACY),
        ("", None),
    ],
)
def test_what_a_category_means(category: str, hazard: Hazard | None) -> None:
    mapping = {"race[1]": Hazard.PRIVACY, "race*": Hazard.HATE}
    assert hazard_of(category, mapping) is hazard


def test_examples_are_the_worst_mistakes_without_text() -> None:
    pairs = [
        scored("worst miss", True, 0.1, line=1),
        scored("miss", True, 0.3, line=2),
        scored("found", True, 0.8, line=3),
        scored("false", False, 0.7, line=4),
        scored("worst false", False, 0.99, line=5),
        scored("failed", False, None, line=6),
    ]
    rows, answers = [r for r, _ in pairs], [j for _, j in pairs]
    hidden = examples_of(rows, answers, PLAIN, show_text=False)
    assert [(e.mistake, e.line) for e in hidden] == [
        ("miss", 1),
        ("miss", 2),
        ("false_positive", 5),
        ("false_positive", 4),
    ]
    assert {e.text for e in hidden} == {None}
    assert hidden[0].found == (("hate", 0.1),)
    assert hidden[0].characters == 10
    shown = examples_of(rows, answers, PLAIN, show_text=True)
    assert shown[0].text == "worst miss"
    long = row("x" * 5000 + "\ud800", True)
    [example] = examples_of([long], [judged(long, 0.0)], PLAIN, show_text=True)
    assert example.text is not None
    assert len(example.text) < 2100
    example.text.encode()


def test_cost_counts_each_row_once() -> None:
    one, two = row("four"), row("12345678")
    answers = [judged(one, 0.1, elapsed=0.001), judged(two, 0.1, elapsed=0.003)]
    run = GuardRun(
        name="g",
        revision="1",
        hazards=frozenset(),
        subjects=frozenset(),
        judged=(*answers, answers[0]),
        asked=2,
        seconds=0.5,
    )
    cost = cost_of([one, two, one], run)
    assert (cost.calls, cost.characters, cost.characters_per_second) == (2, 12, 3000.0)
    assert cost.latency is not None
    assert (cost.latency.p50, cost.latency.most) == (2.0, 3.0)
    assert sum(one.verdicts for one in cost.histogram) == 2
    failed = GuardRun(
        name="g",
        revision="1",
        hazards=frozenset(),
        subjects=frozenset(),
        judged=(judged(one, None),),
        asked=1,
        seconds=0.1,
    )
    none = cost_of([one], failed)
    assert (none.latency, none.histogram, none.characters_per_second) == (None, (), None)


def test_spans_are_measured_by_character_and_by_touch() -> None:
    one = row("Ana in Rome", True, spans=(
        LabelledSpan(start=0, end=3, type="PERSON"), LabelledSpan(start=7, end=11, type="PLACE")
    ))  # fmt: skip
    found = judged(one, 0.9, spans=(
        FoundSpan(hazard=Hazard.PERSONAL_DATA, probability=0.9, span=Span(start=0, end=6)),
        FoundSpan(hazard=Hazard.PERSONAL_DATA, probability=0.2, span=Span(start=7, end=11)),
    ))  # fmt: skip
    figures = span_figures([one], [found], PLAIN)
    assert figures is not None
    assert (figures.labelled, figures.touched) == (2, 1)
    assert figures.recall == pytest.approx(3 / 7)
    assert figures.precision == pytest.approx(3 / 6)
    assert figures.by_type == {"PERSON": (1, 1), "PLACE": (1, 0)}
    assert span_figures([row("a")], [found], PLAIN) is None
    assert span_figures([one], [judged(one, 0.9)], PLAIN) is None


def test_paired_differences_are_the_figures_own() -> None:
    rng = np.random.default_rng(2)
    labels = rng.random(300) < 0.5
    a, b = rng.random(300).round(2), (labels * 0.4 + rng.random(300) * 0.6).round(2)
    measures = {"auroc": metrics.auroc, "brier": metrics.brier}
    found = metrics.paired_bootstrap(
        labels, (a, measures), (b, measures), resamples=100, rng=np.random.default_rng(0)
    )
    for name, measure_of in measures.items():
        first, second = (float(measure_of(metrics.tally(labels, s))) for s in (a, b))
        assert (found[name].first, found[name].second) == (first, second)
        assert found[name].difference.value == pytest.approx(second - first)
    auroc = found["auroc"].difference
    assert auroc.low is not None
    assert auroc.low > 0
    same = metrics.paired_bootstrap(
        labels, (a, measures), (a, measures), resamples=20, rng=np.random.default_rng(0)
    )
    assert {(p.difference.low, p.difference.high) for p in same.values()} == {(0.0, 0.0)}


def test_a_paired_resample_counts_the_same_rows_for_both() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([True] * 5 + [False] * 5)
    scores = np.arange(10) / 10
    t = metrics.tally(labels, scores)
    [picks] = metrics._picked(labels, 3, rng)
    assert picks.shape == (3, 10)
    block = metrics._retallied(t, scores, labels, picks)
    for line, chosen in enumerate(picks):
        by_hand = metrics.tally(labels[chosen], scores[chosen])
        harmful = dict(zip(by_hand.at, by_hand.harmful, strict=True))
        assert [harmful.get(at, 0) for at in t.at] == list(block.harmful[line])
