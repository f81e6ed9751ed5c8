"""How well sources bear out a claim, in numbers."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from guards.grounding.sources import Sources
from guards.grounding.terms import Terms, clauses

FEATURES = (
    "bias",
    "words missing nearby",
    "characters missing nearby",
    "words missing everywhere",
    "a number missing everywhere",
    "a number missing nearby",
    "names missing everywhere",
    "a thing counted otherwise",
    "negated only here or only there",
    "the opposite there",
    "a quotation missing",
)
_NEAR = 0.45
"""Share of a claim's words beside which something different contradicts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found for a claim.

    Attributes:
        features: in the order of ``FEATURES``; the more of each, the less is borne out.
        differs: whether the sources speak of the same, and say otherwise.
    """

    features: tuple[float, ...]
    differs: bool


def evidence(claim: Terms, sources: Sources, among: Collection[int] | None = None) -> Evidence:
    """What ``sources`` (``among``: these numbers only) have to say to ``claim``."""
    words = len(claim.words) or 1
    best: Terms | None = None
    covered = grams = near = 0.0
    for passage in sources.nearest(claim, among):
        there = passage.terms
        share = len(claim.words & there.words) / words
        alike = len(claim.grams & there.grams) / (len(claim.grams) or 1)
        numbers = len(claim.numbers & there.numbers) / (len(claim.numbers) or 1)
        if best is None or share + alike + 0.3 * numbers > covered + grams + 0.3 * near:
            best, covered, grams, near = there, share, alike, numbers
    lost = [number for number in claim.numbers if not sources.holds(number)]
    far = bool(best is not None and claim.numbers - best.numbers) and not lost
    names = [name for name in claim.names if not sources.holds(name)]
    things = {thing for _, thing in claim.counted - sources.counted}
    miscounted = bool(things & sources.things)
    negated = 0.0 if best is None else _negated(claim, best)
    opposite = best is not None and any(
        (number, 1 - side) in best.sides and (number, side) not in best.sides
        for number, side in claim.sides
    )
    unquoted = any(" ".join(quote.split()) not in sources.quotable for quote in claim.quotes)
    if not claim.words and not lost and not far and best is not None:
        covered = 1.0
    features = (
        1.0,
        1.0 - covered,
        1.0 - grams,
        sum(not sources.holds(word) for word in claim.words) / words,
        float(bool(lost)),
        float(far),
        len(names) / (len(claim.names) or 1),
        float(miscounted),
        negated,
        covered * opposite,
        float(unquoted),
    )
    otherwise = bool(lost) or far or bool(names) or miscounted or negated > 0 or opposite
    return Evidence(features=features, differs=covered >= _NEAR and otherwise)


def _negated(claim: Terms, there: Terms) -> float:
    """How much of a clause is the same in a clause there that is negated where it is not."""
    if not claim.negated and not there.negated:
        return 0.0
    highest = 0.0
    said = tuple(clauses(there.text))
    for words, negated in clauses(claim.text):
        shared, denied = max(
            ((len(words & others) / len(words), denied) for others, denied in said),
            default=(0.0, negated),
        )
        if denied != negated:
            highest = max(highest, shared)
    return highest


def doubt(found: Evidence, weights: Sequence[float]) -> float:
    """The probability that a claim with such evidence is not borne out."""
    total = sum(w * f for w, f in zip(weights, found.features, strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))
