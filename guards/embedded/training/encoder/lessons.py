"""What the accurate tier is taught: which texts, how often, and with which labels."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guards.embedded.heads import Detector, Field
from guards.embedded.normalise import normalise
from guards.embedded.tokens import CONTEXT_TOKENS, WINDOW_TOKENS, Tokens
from guards.embedded.training.augment import changed, joined
from guards.embedded.training.detectors import CONTENT, POSTS, language_factors, target
from guards.embedded.training.fit import balanced
from guards.embedded.training.rows import OWN, Example

Floats = NDArray[np.float64]

IMPORTANCE = {
    Detector.REQUEST: 3.0,
    Detector.REPLY: 1.5,
    Detector.HATE: 1.0,
    Detector.JAILBREAK: 1.5,
    Detector.INJECTION_REQUEST: 1.0,
    Detector.INJECTION_DATA: 2.0,
}
SHARES_IMPORTANCE = 1.0
OWN_SHARE = 0.5
"""Of the weight of either class of every detector, where there are enough own rows."""

MOST_DRAWN = 5.0
"""Times a text may be drawn, on average, while every text is drawn once."""

JOINED = 0.08
SHORTENED = 0.5
SHORTEST_WINDOW = 40
MOST_CHARS = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Tokens of one window and what they teach.

    Attributes:
        labels: of every detector, 0 or 1.
        weights: of every detector's loss, 0 where nothing is known.
        marks: of every token, whether it belongs to an instruction; none if that is not known.
        hazard: index into ``CONTENT``, or -1.
        hazard_weight: of the loss over hazards.
    """

    tokens: list[int]
    marks: list[float] | None
    labels: list[float]
    weights: list[float]
    hazard: int
    hazard_weight: float


class Syllabus:
    """Draws lessons so that sources, classes and languages weigh what they should.

    Every detector has a weight for every text, both classes weighing the same. Texts are drawn in
    proportion to the sum over detectors, and a detector's loss is multiplied by what its own
    weight differs from that.
    """

    def __init__(self, examples: Sequence[Example], tokens: Tokens, rng: random.Random) -> None:
        self.examples = examples
        self.tokens = tokens
        self.rng = rng
        self.labels, self.weights = _taught(examples)
        self.hazards, self.hazard_weights = _hazards(examples)
        importance = np.array([IMPORTANCE[detector] for detector in Detector])
        drawn = importance @ self.weights + SHARES_IMPORTANCE * self.hazard_weights
        self.drawn = _levelled(drawn / drawn.sum())
        self.factors = importance[:, None] * self.weights / np.maximum(self.drawn, 1e-12)
        self.hazard_factors = (
            SHARES_IMPORTANCE * self.hazard_weights / np.maximum(self.drawn, 1e-12)
        )
        fields = np.array([example.field is Field.REQUEST for example in examples])
        known = np.array([example.label.harmful is False for example in examples])
        self.harmless = np.flatnonzero(fields & known)
        self.partners: dict[str, list[int]] = {}
        for number, example in enumerate(examples):
            if example.group:
                self.partners.setdefault(example.group, []).append(number)

    def draw(self, count: int) -> Iterator[Lesson]:
        """``count`` lessons or one more; texts that differ only in intent come together."""
        generator = np.random.default_rng(self.rng.getrandbits(64))
        numbers = generator.choice(len(self.examples), size=count, p=self.drawn)
        made = 0
        for number in numbers.tolist():
            example = self.examples[number]
            group = self.partners.get(example.group, [number]) if example.group else [number]
            for member in group:
                # A group is drawn whenever one of it is, so each time it counts for less.
                yield self._lesson(member, 1.0 / len(group))
                made += 1
            if made >= count:
                return

    def _lesson(self, number: int, share: float) -> Lesson:
        example, rng = self.examples[number], self.rng
        text, spans = example.text, example.spans
        if example.field is Field.REQUEST:
            text = changed(text[:MOST_CHARS], example.language, rng)
            if rng.random() < JOINED:
                other = self.examples[rng.choice(self.harmless)]
                if other.language == example.language and len(other.text) < 400:
                    text = joined(text, other.text, rng)
        window, inside = self._window(example, text)
        context: list[int] = []
        if example.context and rng.random() < 0.7:
            asked = normalise(changed(example.context, example.language, rng))
            context = self.tokens.numbers(asked)[-CONTEXT_TOKENS:]
        marks: list[float] | None = None
        if example.field is Field.DATA and (spans or not example.label.injection):
            before = self.tokens.before(example.field)
            marks = [0.0] * (before + len(window) + 1)
            for place in range(*inside):
                marks[before + place] = 1.0
        return Lesson(
            tokens=self.tokens.framed(window, example.field, context),
            marks=marks,
            labels=self.labels[:, number].tolist(),
            weights=(self.factors[:, number] * share).tolist(),
            hazard=int(self.hazards[number]),
            hazard_weight=float(self.hazard_factors[number]) * share,
        )

    def _window(self, example: Example, text: str) -> tuple[list[int], tuple[int, int]]:
        """Token numbers of one window and where in it the instruction stands, if one does."""
        rng = self.rng
        room = WINDOW_TOKENS
        if example.field is Field.DATA and rng.random() < SHORTENED:
            room = rng.randrange(SHORTEST_WINDOW, WINDOW_TOKENS)
        if example.spans:
            start, end = rng.choice(example.spans)
            before = self._ids(text[max(0, start - 900) : start])
            inside = self._ids(text[start:end])[: room - 2]
            after = self._ids(text[end : end + 900])
            free = room - len(inside)
            fewest = min(max(0, free - len(after)), len(before))
            lead = rng.randint(fewest, min(len(before), free))
            window = [*before[len(before) - lead :], *inside, *after[: free - lead]]
            return window, (lead, lead + len(inside))
        ids = self._ids(text)
        most = max(0, len(ids) - room)
        anywhere = example.field is Field.DATA or rng.random() < 0.4
        at = rng.randint(0, most) if anywhere else rng.choice((0, 0, most))
        return ids[at : at + room], (0, 0)

    def _ids(self, text: str) -> list[int]:
        return self.tokens.numbers(normalise(text)) if text.strip() else []


def _taught(examples: Sequence[Example]) -> tuple[Floats, Floats]:
    """Labels and weights, (detectors, examples); every detector's weights sum to one."""
    own = np.array([example.source == OWN for example in examples])
    languages = [example.language for example in examples]
    labels = np.zeros((len(Detector), len(examples)))
    weights = np.zeros((len(Detector), len(examples)))
    for row, detector in enumerate(Detector):
        taught = [target(detector, example) for example in examples]
        labels[row] = [bool(t and t[0]) for t in taught]
        plain = np.array(
            [t[1] * e.weight if t else 0.0 for t, e in zip(taught, examples, strict=True)]
        )
        positive = labels[row] > 0.0
        for side in (positive, ~positive):
            mine, others = plain[side & own].sum(), plain[side & ~own].sum()
            if mine > 0.0 and others > 0.0:
                plain[side & own] *= OWN_SHARE / (1.0 - OWN_SHARE) * others / mine
        plain = balanced(positive, plain)
        plain = plain * language_factors(positive, plain, languages)
        weights[row] = balanced(positive, plain)
    return labels, weights


def _hazards(examples: Sequence[Example]) -> tuple[NDArray[np.int64], Floats]:
    number = {hazard: i for i, hazard in enumerate(CONTENT)}
    found = np.array(
        [
            number[e.label.hazard]
            if e.label.harmful and e.label.hazard in number and e.source not in POSTS
            else -1
            for e in examples
        ]
    )
    own = np.array([example.source == OWN for example in examples])
    weights = np.where(found >= 0, [example.weight for example in examples], 0.0)
    weights[own] *= weights[~own].sum() / weights[own].sum()
    totals = np.bincount(np.maximum(found, 0), weights=weights, minlength=len(CONTENT))
    weights = weights * np.where(totals > 0, totals, 1.0)[np.maximum(found, 0)] ** -0.5
    return found, weights / weights.sum()


def _levelled(drawn: Floats) -> Floats:
    """Probabilities without any so high that one text would be drawn over and over."""
    most = MOST_DRAWN / len(drawn)
    for _ in range(5):
        drawn = np.minimum(drawn, most)
        drawn = drawn / drawn.sum()
    return drawn
