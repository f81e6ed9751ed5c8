"""How the two tiers are put together, on the sets of ``dev/``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from guards.embedded.accurate import SCRIPTS, Band, Blend, script
from guards.embedded.heads import Field, Heads
from guards.embedded.training.calibrate import BUDGETS, GROUPS
from guards.embedded.training.devsets import (
    DATA_SETS,
    EVERYDAY,
    REQUEST_SETS,
)
from guards.embedded.training.scores import DevScores, Scores, text_of
from guards.hazards import Hazard

WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of the accurate tier. Never all: the fast one knows the set phrases of attacks, which the sets
that are plain tasks do not ask for."""

JUDGED: dict[Field, dict[str, tuple[str, ...]]] = {
    Field.REQUEST: {
        "content": (
            "ailuminate_en", "ailuminate_fr", "coconot_eval_safety", "trustllm_misuse", "tdc2023",
            "jade_zh_dev",
        ),
        "hate": ("cold_zh_dev", "surge_toxicity"),
        "jailbreak": ("trustllm_jailbreak",),
        "injection": ("deepset_pi", "injecguard_valid"),
    },
    Field.REPLY: {"": ("gptfuzz_resp_eval", "jade_zh_resp_dev", "diasafety_test")},
    Field.DATA: {"": ("bipia_test",)},
}  # fmt: skip
"""Sets whose mean AUROC decides the weight, by hazards that share one: all of a field, or parts."""

SOUNDING = ("coconot_contrast_eval", "cyberseceval_frr")
"""Harmless prompts that sound dangerous: against everyday ones alone every weight looks good."""

MISSED = 0.003
"""Share of the harmful texts both tiers would find that may stay unasked."""

MISSED_GROWING = 0.1
"""The same of a reply that still grows: it is judged again and again, and once more at its end."""

SURE = 0.002
"""Share of the harmless texts that the fast tier may flag without asking."""

GRAVE = (Hazard.CHILD_EXPLOITATION,)
GRAVE_ODDS = 0.3
"""Log-odds by which these are flagged sooner: here a miss is worse than a false refusal."""

FEWEST = 60
"""Harmful texts from which a band can be told."""

BANDED = {
    Field.REQUEST: REQUEST_SETS,
    Field.REPLY: ("gptfuzz_resp_eval", "jade_zh_resp_dev", "square_ko_responses"),
    Field.DATA: DATA_SETS,
}
"""Sets the bands are told from: of replies the ones an assistant wrote."""

FLOOR, CEILING = -50.0, 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier's odds of every text, (texts, hazards), by set; hazards of the field's heads."""

    hazards: dict[Field, tuple[Hazard, ...]]
    odds: dict[str, Scores]


Together = tuple[dict[tuple[Field, Hazard], Blend], dict[tuple[Field, str], Band]]


def tier(dev: DevScores, heads: Heads) -> Tier:
    """Scaled log-odds of every text: the highest of its windows, head by head."""
    hazards = {
        field: tuple(dict.fromkeys(head.hazard for head in heads.of[field])) for field in Field
    }
    odds = {}
    for name, rows in dev.rows.items():
        field = rows[0].field
        found = np.full((len(rows), len(hazards[field])), -np.inf)
        for head in heads.of[field]:
            shift = np.log(head.threshold / (1.0 - head.threshold))
            values = dev.highest(name, np.clip(dev.head(name, head) - shift, -16.0, 16.0))
            column = hazards[field].index(head.hazard)
            found[:, column] = np.maximum(found[:, column], values)
        odds[name] = found
    return Tier(hazards=hazards, odds=odds)


def together(dev: DevScores, fast: Tier, accurate: Tier) -> Together:
    """Blends by field and hazard, and bands by field and script."""
    blends: dict[tuple[Field, Hazard], Blend] = {}
    bands: dict[tuple[Field, str], Band] = {}
    for field in Field:
        hazards = accurate.hazards[field]
        weights = _weights(dev, field, fast, accurate)
        mixed = _mixed(fast, accurate, field, weights)
        shifts = _shifts(dev, field, hazards, mixed)
        for hazard, weight, shift in zip(hazards, weights.tolist(), shifts.tolist(), strict=True):
            blends[field, hazard] = Blend(weight=weight, shift=shift)
        for language in SCRIPTS:
            bands[field, language] = _band(dev, field, language, fast, mixed, shifts)
    return blends, bands


def _mixed(fast: Tier, accurate: Tier, field: Field, weights: Scores) -> dict[str, Scores]:
    """Odds of the sets of a field, ``weights`` being the accurate tier's of every hazard."""
    columns = [fast.hazards[field].index(hazard) for hazard in accurate.hazards[field]]
    return {
        name: weights * odds + (1.0 - weights) * fast.odds[name][:, columns]
        for name, odds in accurate.odds.items()
        if odds.shape[1] == len(weights)
    }


def _weights(dev: DevScores, field: Field, fast: Tier, accurate: Tier) -> Scores:
    """The accurate tier's weight of every hazard: the one that ranks best, part by part."""
    hazards = accurate.hazards[field]
    weights = np.ones(len(hazards))
    for part, names in JUDGED[field].items():
        members = [i for i, hazard in enumerate(hazards) if not part or _part(hazard) == part]

        def quality(
            weight: float, names: tuple[str, ...] = names, members: list[int] = members
        ) -> float:
            same = np.full(len(hazards), weight)
            return _quality(dev, names, members, _mixed(fast, accurate, field, same))

        weights[members] = max(WEIGHTS, key=quality)
    return weights


def _part(hazard: Hazard) -> str:
    return "hate" if hazard is Hazard.HATE else GROUPS[hazard]


def _harmless(dev: DevScores, name: str) -> np.ndarray:
    return np.array([not row.label for row in dev.rows[name]])


def _quality(
    dev: DevScores, names: Sequence[str], members: list[int], mixed: dict[str, Scores]
) -> float:
    """Mean AUROC of the highest of some heads.

    Data is held against the harmless rows of all its sets, a request set without safe rows
    against everyday prompts and such as sound dangerous.
    """
    field = dev.rows[names[0]][0].field
    pool = DATA_SETS if field is Field.DATA else (*EVERYDAY, *SOUNDING)
    found = []
    for name in names:
        safe = _harmless(dev, name)
        highest = mixed[name][:, members].max(axis=1)
        others = highest[safe]
        if field is Field.DATA or len(others) < 20:
            others = np.concatenate(
                [mixed[n][_harmless(dev, n)][:, members].max(axis=1) for n in pool]
            )
        scores = np.concatenate((highest[~safe], others))
        found.append(roc_auc_score([1] * int((~safe).sum()) + [0] * len(others), scores))
    return float(np.mean(found))


def _shifts(
    dev: DevScores, field: Field, hazards: Sequence[Hazard], mixed: dict[str, Scores]
) -> Scores:
    """For every hazard, the log-odds at which its group keeps to its budget."""
    shifts = np.zeros(len(hazards))
    for group in dict.fromkeys(GROUPS[hazard] for hazard in hazards):
        members = [i for i, hazard in enumerate(hazards) if GROUPS[hazard] == group]
        points = [
            np.quantile(
                np.concatenate(
                    [mixed[name][_harmless(dev, name)][:, members].max(axis=1) for name in mine]
                ),
                1.0 - budget,
            )
            for names, budget in BUDGETS[field, group]
            if (mine := [name for name in names if dev.rows[name][0].field is field])
        ]
        shifts[members] = max(points)
    for hazard in GRAVE:
        shifts[hazards.index(hazard)] -= GRAVE_ODDS
    return shifts


def _band(
    dev: DevScores,
    field: Field,
    language: str,
    fast: Tier,
    mixed: dict[str, Scores],
    shifts: Scores,
) -> Band:
    """Where the fast tier alone would miss or wrongly flag too much.

    In scripts with too few texts to tell, in everything but the Latin and the Chinese one, and in
    data, where the fast tier is weak and cannot tell where an instruction stands, the accurate
    tier is always asked.
    """
    caught, harmless = [], []
    for name in BANDED[field]:
        spoken = np.array([script(text_of(row)) == language for row in dev.rows[name]])
        safe = _harmless(dev, name)
        highest = fast.odds[name].max(axis=1)
        found = (mixed[name] - shifts).max(axis=1) >= 0.0
        caught.append(highest[spoken & ~safe & found])
        harmless.append(highest[spoken & safe])
    found, passed = np.concatenate(caught), np.concatenate(harmless)
    if field is Field.DATA or language == "other" or len(found) < FEWEST:
        return Band(low=FLOOR, growing=FLOOR, high=CEILING)
    high = CEILING
    if len(passed) >= 500:
        high = max(0.0, float(np.quantile(passed, 1.0 - SURE)))
    low, growing = (float(np.quantile(found, share)) for share in (MISSED, MISSED_GROWING))
    return Band(low=low, growing=growing, high=high)
