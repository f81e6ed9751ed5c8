"""Which examples teach which column of the weight matrix, and the fits of all columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from guards.embedded.heads import Detector, Field
from guards.embedded.training.examples import Windows
from guards.embedded.training.fit import Vector, balanced, fit_binary, fit_softmax
from guards.embedded.training.rows import OWN, Example
from guards.hazards import Hazard

L2 = {
    Detector.REQUEST: 1e-5,
    Detector.REPLY: 3e-5,
    Detector.HATE: 1e-5,
    Detector.JAILBREAK: 3e-5,
    Detector.INJECTION_REQUEST: 2e-5,
    Detector.INJECTION_DATA: 1e-5,
}
L2_SHARES = 5e-5

CONTENT: tuple[Hazard, ...] = (
    Hazard.VIOLENT_CRIMES,
    Hazard.NON_VIOLENT_CRIMES,
    Hazard.SEX_CRIMES,
    Hazard.CHILD_EXPLOITATION,
    Hazard.DEFAMATION,
    Hazard.SPECIALIZED_ADVICE,
    Hazard.PRIVACY,
    Hazard.INTELLECTUAL_PROPERTY,
    Hazard.INDISCRIMINATE_WEAPONS,
    Hazard.HATE,
    Hazard.SELF_HARM,
    Hazard.SEXUAL_CONTENT,
    Hazard.ELECTIONS,
    Hazard.CODE_INTERPRETER_ABUSE,
)
"""Hazards with a column of their own."""

POSTS = {"cold_zh_train", "multilingual_hatecheck", "davidson_hate"}
"""Remarks, not requests: their hatred teaches only the detector of hate."""

MOST_RAISED = 4.0
POST_FACTOR = 0.3
"""How much the harmless ones count where requests are told apart."""


def target(detector: Detector, example: Example) -> tuple[bool, float] | None:
    """What ``example`` teaches ``detector``: its label and a factor on its weight, or nothing."""
    label, field = example.label, example.field
    clean = field is Field.DATA and label.injection is False
    match detector:
        case Detector.REQUEST:
            if example.source in POSTS:
                return None if label.harmful else (False, POST_FACTOR)
            known = label.harmful if field is Field.REQUEST else None
            return _taught(known, 1.0) or _taught(False if clean and _own(example) else None, 1.0)
        case Detector.REPLY:
            if field is Field.REQUEST:
                return _taught(label.harmful, 0.3)
            return _taught(False if clean else label.harmful, 1.0 if not clean else 0.5)
        case Detector.HATE:
            if clean:
                return (False, 0.5)
            if label.harmful is None:
                # No attack and nothing more is known: seldom hateful.
                return _taught(False if label.injection is False else None, 0.5)
            return (
                None if label.harmful and not label.hazard else (label.hazard is Hazard.HATE, 1.0)
            )
        case Detector.JAILBREAK:
            factor = POST_FACTOR if example.source in POSTS else 1.0
            return _taught(label.jailbreak if field is Field.REQUEST else None, factor)
        case Detector.INJECTION_REQUEST:
            factor = POST_FACTOR if example.source in POSTS else 1.0
            return _taught(label.injection if field is Field.REQUEST else None, factor)
        case Detector.INJECTION_DATA:
            if field is Field.REQUEST and label.injection and _own(example):
                return (True, 0.5)
            if field is Field.REPLY and label.harmful is False:
                return (False, 0.3)
            return _taught(label.injection if field is Field.DATA else None, 1.0)


def _own(example: Example) -> bool:
    return example.source == OWN


def _taught(known: bool | None, factor: float) -> tuple[bool, float] | None:
    return None if known is None else (known, factor)


def fit_detector(
    detector: Detector, examples: Sequence[Example], windows: Windows
) -> tuple[Vector, float]:
    """Coefficients (BUCKETS,) and bias of one detector."""
    taught = [target(detector, example) for example in examples]
    labels = np.array([bool(t and t[0]) for t in taught])
    weights = np.array(
        [t[1] * e.weight if t else 0.0 for t, e in zip(taught, examples, strict=True)]
    )
    weights *= language_factors(labels, weights, [e.language for e in examples])
    keep = weights[windows.example] > 0.0
    if detector is Detector.INJECTION_DATA:
        # The instruction stands in one window of the document. Learn from all windows, keep the
        # one that looks most like it, and learn again.
        searched = labels & np.array([e.field is Field.DATA for e in examples])
        for _ in range(2):
            coefficients, _ = _fit(detector, windows, labels, weights, keep)
            scores = windows.matrix @ coefficients
            keep = (weights[windows.example] > 0.0) & (
                ~searched[windows.example] | best_windows(scores, windows.example)
            )
    return _fit(detector, windows, labels, weights, keep)


def language_factors(
    labels: NDArray[np.bool_], weights: Vector, languages: Sequence[str]
) -> Vector:
    """Factors that keep a language from being a sign of harm.

    Where positive texts outweigh negative ones by more than they do in English, the negative ones
    count up to ``MOST_RAISED`` times as much and the positive ones less; where there are no
    negative ones at all, the positive ones count nothing.
    """
    spoken = np.array(languages)
    english = spoken == "en"
    ratio = weights[english & labels].sum() / weights[english & ~labels].sum()
    factors = np.ones_like(weights)
    for language in np.unique(spoken[~english]):
        mine = spoken == language
        positive, negative = weights[mine & labels].sum(), weights[mine & ~labels].sum()
        if negative == 0.0:
            factors[mine & labels] = 0.0
        elif positive > ratio * negative:
            excess = positive / (ratio * negative)
            raised = min(excess, MOST_RAISED)
            factors[mine & ~labels] = raised
            factors[mine & labels] = raised / excess
    return factors


def _fit(
    detector: Detector,
    windows: Windows,
    labels: NDArray[np.bool_],
    weights: Vector,
    keep: NDArray[np.bool_],
) -> tuple[Vector, float]:
    owner = windows.example[keep]
    shared = weights[owner] / np.bincount(owner, minlength=len(labels))[owner]
    chosen = labels[owner]
    return fit_binary(windows.matrix[keep], chosen, balanced(chosen, shared), L2[detector])


def best_windows(scores: Vector, owner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Marks the highest-scoring window of every example."""
    best = np.full(int(owner.max()) + 1, -np.inf)
    np.maximum.at(best, owner, scores)
    return scores >= best[owner]


def fit_shares(examples: Sequence[Example], windows: Windows) -> tuple[Vector, Vector]:
    """Coefficients (BUCKETS, hazards) and biases: which hazard a harmful text is about."""
    number = {hazard: i for i, hazard in enumerate(CONTENT)}
    known = np.array(
        [
            number[e.label.hazard]
            if e.label.harmful and e.label.hazard in number and e.source not in POSTS
            else -1
            for e in examples
        ]
    )
    keep = known[windows.example] >= 0
    owner = windows.example[keep]
    weights = np.array([e.weight for e in examples])[owner]
    weights /= np.bincount(owner, minlength=len(examples))[owner]
    classes = known[owner]
    # Rare hazards count more than their rows, common ones less.
    totals = np.bincount(classes, weights=weights, minlength=len(CONTENT))
    weights *= totals[classes] ** -0.5
    weights /= weights.sum()
    return fit_softmax(windows.matrix[keep], classes, len(CONTENT), weights, L2_SHARES)
