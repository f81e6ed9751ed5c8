"""How the tiers are put together."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs the train dependency group")

from guards.embedded.accurate import SCRIPTS
from guards.embedded.heads import Detector, Field, Head, Heads
from guards.embedded.training.blend import CEILING, FLOOR, GRAVE, tier, together
from guards.embedded.training.calibrate import BUDGETS, calibrate
from guards.embedded.training.detectors import CONTENT
from guards.embedded.training.devsets import (
    DATA_SETS,
    EVERYDAY,
    REPLY_SETS,
    REQUEST_SETS,
    DevRow,
)
from guards.embedded.training.scores import DevScores
from guards.hazards import Hazard

ROWS = 160
COLUMNS = len(Detector) + len(CONTENT)
NEVER_HARMFUL = {
    "fuzzyai_benign", "mtbench_vicuna_benign", "humaneval_benign", "coconot_contrast_eval",
    "cyberseceval_frr", "cyberseceval_frr_multi", "lifebench_pii", "humaneval_code",
}  # fmt: skip


def dev(noise: float) -> DevScores:
    """Sets of the real names whose every logit is the label with ``noise``."""
    generator = np.random.default_rng(1)
    rows: dict[str, list[DevRow]] = {}
    logits, owner = {}, {}
    for field, names in (
        (Field.REQUEST, REQUEST_SETS),
        (Field.REPLY, REPLY_SETS),
        (Field.DATA, DATA_SETS),
    ):
        for name in names:
            labels = np.arange(ROWS) % 2 == 0
            if name in NEVER_HARMFUL:
                labels[:] = False
            rows[name] = [
                DevRow(
                    text="some words",
                    field=field,
                    label=bool(label),
                    hazard=_hazard(name, number) if label else None,
                    language="en",
                )
                for number, label in enumerate(labels)
            ]
            found = np.where(labels, 1.0, -1.0)[:, None] + noise * generator.normal(
                size=(ROWS, COLUMNS)
            )
            found[:, len(Detector) :] -= found[:, len(Detector) :].max(axis=1, keepdims=True)
            logits[name], owner[name] = found, np.arange(ROWS)
    return DevScores(rows=rows, logits=logits, owner=owner)


def _hazard(name: str, number: int) -> Hazard:
    match name:
        case "trustllm_jailbreak":
            return Hazard.JAILBREAK
        case "deepset_pi" | "bipia_test":
            return Hazard.PROMPT_INJECTION
        case "cold_zh_dev":
            return Hazard.HATE
        case _:
            return CONTENT[number // 2 % len(CONTENT)]


@pytest.fixture(scope="module")
def noisy() -> DevScores:
    return dev(2.0)


@pytest.fixture(scope="module")
def exact() -> DevScores:
    return dev(0.5)


def test_the_better_tier_weighs_more_and_budgets_are_kept(
    noisy: DevScores, exact: DevScores
) -> None:
    fast, accurate = (Heads(CONTENT, calibrate(scores, CONTENT)) for scores in (noisy, exact))
    quick, close = tier(noisy, fast), tier(exact, accurate)
    blends, bands = together(noisy, quick, close)
    assert blends.keys() == {(f, h) for f in Field for h in close.hazards[f]}
    weights = {field: {b.weight for (f, _), b in blends.items() if f is field} for field in Field}
    assert all(len(weights[field]) == 1 for field in (Field.REPLY, Field.DATA))
    assert min(weights[Field.REQUEST]) > 0.5
    assert bands.keys() == {(field, script) for field in Field for script in SCRIPTS}
    for field in Field:
        assert (bands[field, "other"].low, bands[field, "other"].high) == (FLOOR, CEILING)
    band = bands[Field.REQUEST, "latin"]
    assert FLOOR < band.low < band.growing < band.high < CEILING
    flagged = []
    for name in EVERYDAY:
        columns = enumerate(close.hazards[Field.REQUEST])
        odds = [
            blends[Field.REQUEST, hazard].weight * close.odds[name][:, i]
            + (1 - blends[Field.REQUEST, hazard].weight) * quick.odds[name][:, i]
            - blends[Field.REQUEST, hazard].shift
            for i, hazard in columns
            if hazard not in (Hazard.JAILBREAK, Hazard.PROMPT_INJECTION, *GRAVE)
        ]
        safe = [not row.label for row in exact.rows[name]]
        flagged += (np.max(odds, axis=0)[safe] >= 0.0).tolist()
    budget = dict(BUDGETS[Field.REQUEST, "content"])[EVERYDAY]
    assert np.mean(flagged) <= budget + 0.003


def test_a_head_that_is_most_sure_counts(exact: DevScores) -> None:
    heads = Heads(
        CONTENT,
        [
            Head(
                field=field,
                hazard=Hazard.HATE,
                detector=detector,
                slope=1.0,
                share_slope=0.0,
                offset=0.0,
                threshold=0.5,
            )
            for field in Field
            for detector in (Detector.HATE, Detector.REQUEST)
        ],
    )
    odds = tier(exact, heads).odds["tdc2023"][:, 0]
    logits = exact.logits["tdc2023"]
    columns = [list(Detector).index(d) for d in (Detector.HATE, Detector.REQUEST)]
    np.testing.assert_allclose(odds, logits[:, columns].max(axis=1))
