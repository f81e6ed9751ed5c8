"""From logits to probabilities and operating points, on the sets of ``dev/``."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from guards.embedded.heads import Detector, Field, Head
from guards.embedded.training.devsets import EVERYDAY
from guards.embedded.training.scores import DevScores, Scores
from guards.hazards import Hazard

_SECURITY = ("cyberseceval_frr", "cyberseceval_frr_multi")
_PROSE = ("lifebench_pii", "humaneval_code")
BUDGETS: dict[tuple[Field, str], tuple[tuple[tuple[str, ...], float], ...]] = {
    (Field.REQUEST, "content"): (
        (EVERYDAY, 0.015),
        (("coconot_contrast_eval",), 0.08),
        (_SECURITY[:1], 0.08),
        (_SECURITY[1:], 0.05),
    ),
    (Field.REQUEST, "hate"): ((EVERYDAY, 0.001), (("cold_zh_dev",), 0.15), (_SECURITY, 0.005)),
    (Field.REQUEST, "jailbreak"): (
        (EVERYDAY, 0.006),
        (("coconot_contrast_eval",), 0.01),
        (_SECURITY, 0.01),
    ),
    (Field.REQUEST, "injection"): (
        (EVERYDAY, 0.006),
        (("cyberseceval_frr",), 0.01),
        (("cyberseceval_frr_multi",), 0.02),
    ),
    (Field.REPLY, "content"): (
        (("gptfuzz_resp_eval", "jade_zh_resp_dev"), 0.03),
        (("diasafety_val",), 0.25),
        (_PROSE, 0.008),
    ),
    (Field.REPLY, "hate"): ((("gptfuzz_resp_eval", "jade_zh_resp_dev", *_PROSE), 0.003),),
    (Field.DATA, "content"): ((("bipia_test", *_PROSE), 0.008),),
    (Field.DATA, "hate"): ((("bipia_test", *_PROSE), 0.002),),
    (Field.DATA, "injection"): ((("bipia_test",), 0.025), (_PROSE, 0.02)),
    (Field.DATA, "direct injection"): ((("bipia_test", *_PROSE), 0.003),),
}
"""Share of the harmless texts of sets that a group of heads may flag; the strictest counts."""

GROUPS = dict.fromkeys(Hazard, "content") | {
    Hazard.JAILBREAK: "jailbreak",
    Hazard.PROMPT_INJECTION: "injection",
}

MOST_SHARE = 1.5
"""Bound on the weight of the log-share against the detector's logit: below it, a text between two
hazards is flagged for both."""

_DETECTORS = {detector: i for i, detector in enumerate(Detector)}


def calibrate(dev: DevScores, hazards: tuple[Hazard, ...]) -> tuple[Head, ...]:
    """All heads of a tier: Platt scaling on sets whose sources are not in training, then
    thresholds.

    Content hazards of a field share one Platt scaling (a single hazard has too few rows for its
    own), so their order among each other is kept.
    """
    request = _platt_content(dev, hazards)
    hate = _platt(dev, Detector.HATE, ("cold_zh_dev",), EVERYDAY, Hazard.HATE)
    reply = _platt(dev, Detector.REPLY, ("gptfuzz_resp_eval", "jade_zh_resp_dev"), (), None)
    jailbreak = _platt(dev, Detector.JAILBREAK, ("trustllm_jailbreak",), EVERYDAY, Hazard.JAILBREAK)
    injected = _platt(
        dev, Detector.INJECTION_REQUEST, ("deepset_pi",), EVERYDAY, Hazard.PROMPT_INJECTION
    )
    data = _platt(
        dev, Detector.INJECTION_DATA, ("bipia_test",), ("lifebench_pii",), Hazard.PROMPT_INJECTION
    )
    heads: list[Head] = []
    share = min(request[1] / request[0], MOST_SHARE)
    for field, detector, (slope, offset) in (
        (Field.REQUEST, Detector.REQUEST, (request[0], request[2])),
        (Field.REPLY, Detector.REPLY, reply),
        (Field.DATA, Detector.REPLY, reply),
    ):
        content = [
            _head(field, hazard, detector, slope, offset, share * slope) for hazard in hazards
        ]
        heads += _with_threshold(dev, field, "content", content)
        heads += _with_threshold(
            dev, field, "hate", [_head(field, Hazard.HATE, Detector.HATE, *hate)]
        )
    for field, group, hazard, detector, (slope, offset) in (
        (Field.REQUEST, "jailbreak", Hazard.JAILBREAK, Detector.JAILBREAK, jailbreak),
        (Field.REQUEST, "injection", Hazard.PROMPT_INJECTION, Detector.INJECTION_REQUEST, injected),
        (Field.DATA, "injection", Hazard.PROMPT_INJECTION, Detector.INJECTION_DATA, data),
        # What a user would type to override the instructions is no better in a document.
        (
            Field.DATA,
            "direct injection",
            Hazard.PROMPT_INJECTION,
            Detector.INJECTION_REQUEST,
            injected,
        ),
    ):
        heads += _with_threshold(dev, field, group, [_head(field, hazard, detector, slope, offset)])
    return tuple(heads)


def _head(
    field: Field,
    hazard: Hazard,
    detector: Detector,
    slope: float,
    offset: float,
    share_slope: float = 0.0,
) -> Head:
    return Head(
        field=field,
        hazard=hazard,
        detector=detector,
        slope=slope,
        share_slope=share_slope,
        offset=offset,
        threshold=0.5,
    )


def _platt(
    dev: DevScores,
    detector: Detector,
    labelled: tuple[str, ...],
    harmless: tuple[str, ...],
    hazard: Hazard | None,
) -> tuple[float, float]:
    """Slope and offset fitted on whole sets, both classes weighing the same.

    Positive rows are those of ``labelled`` with the hazard (any, if ``None``); negative ones the
    rows labelled 0 of both.
    """
    logits, labels = [], []
    for name in dict.fromkeys((*labelled, *harmless)):
        for positive in (True, False):
            if positive and name not in labelled:
                continue
            keep = [
                row.label is positive and (not positive or hazard in (None, row.hazard))
                for row in dev.rows[name]
            ]
            if any(keep):
                found = dev.best(name, detector, keep)[:, _DETECTORS[detector]]
                logits.append(found)
                labels.append(np.full(len(found), positive))
    fit = LogisticRegression(C=100.0, class_weight="balanced")
    fit.fit(np.concatenate(logits)[:, None], np.concatenate(labels))
    return float(max(fit.coef_[0, 0], 1e-3)), float(fit.intercept_[0])


def _platt_content(dev: DevScores, hazards: tuple[Hazard, ...]) -> tuple[float, float, float]:
    """Slope, slope of the log-share and offset shared by all content hazards.

    Every labelled request counts once for each hazard: positive for its own, negative for the
    others; harmless prompts are negative for all.
    """
    inputs, labels = [], []
    for name in ("ailuminate_en", "ailuminate_fr", "jade_zh_dev", *EVERYDAY):
        rows = dev.rows[name]
        usable = [row.hazard in hazards or not row.label for row in rows]
        logits = dev.best(name, Detector.REQUEST, usable)
        kept = [row for row, use in zip(rows, usable, strict=True) if use]
        for number, hazard in enumerate(hazards):
            inputs.append(logits[:, [_DETECTORS[Detector.REQUEST], len(Detector) + number]])
            labels.append([row.hazard is hazard for row in kept])
    fit = LogisticRegression(C=100.0, class_weight="balanced")
    fit.fit(np.concatenate(inputs), np.concatenate(labels))
    slope, share = fit.coef_[0]
    return float(max(slope, 1e-3)), float(max(share, 0.0)), float(fit.intercept_[0])


def _with_threshold(dev: DevScores, field: Field, group: str, heads: list[Head]) -> list[Head]:
    """Give a group of heads the common operating point at which it keeps to its budget."""
    point = max(
        np.quantile(np.concatenate([_harmless(dev, name, heads) for name in names]), 1.0 - budget)
        for names, budget in BUDGETS[field, group]
    )
    threshold = float(np.clip(1.0 / (1.0 + np.exp(-point)), 1e-4, 1.0 - 1e-4))
    return [
        Head(
            field=head.field,
            hazard=head.hazard,
            detector=head.detector,
            slope=head.slope,
            share_slope=head.share_slope,
            offset=head.offset,
            threshold=threshold,
        )
        for head in heads
    ]


def _harmless(dev: DevScores, name: str, heads: list[Head]) -> Scores:
    """Highest log-odds of any of ``heads`` for every harmless text of a set."""
    odds = np.max([dev.head(name, head) for head in heads], axis=0)
    highest: Scores = dev.highest(name, odds)[[not row.label for row in dev.rows[name]]]
    return highest
