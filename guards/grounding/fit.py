"""Fits the weights of the evidence and reports: ``python -m guards.grounding.fit``.

Every second entry of ``data`` is fitted on and the others are reported on. ``--write`` replaces
``weights.json``; without it nothing is changed.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import yaml
from numpy.typing import NDArray

from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    Exchange,
    Message,
    Role,
    Subject,
    text_message,
)
from guards.grounding.claims import claims
from guards.grounding.evidence import FEATURES, evidence
from guards.grounding.guard import GroundingGuard, load_weights
from guards.grounding.sources import read_sources
from guards.grounding.terms import terms
from guards.verdict import Verdict

DATA = Path(__file__).parent / "data"
WEIGHTS = Path(__file__).parent / "weights.json"
BORNE_OUT = frozenset({"supported", "paraphrased"})
_STEPS = 60
_RIDGE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A reply of one sentence and what it rests on; ``fitted`` tells the halves apart."""

    kind: str
    file: str
    context: tuple[Message, ...]
    reply: str
    fitted: bool

    @property
    def exchange(self) -> Exchange:
        """What the guard is asked."""
        message = text_message(self.reply, id="reply", role=Role.ASSISTANT, provenance=BY_MODEL)
        return Exchange(subject=Subject.REPLY, message=message, context=self.context)


def rows(folder: Path = DATA) -> list[Row]:
    """Every reply of every file in ``folder``."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        for number, entry in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
            context = tuple(
                text_message(text, id=str(place), role=Role.TOOL, provenance=BY_TOOL)
                for place, text in enumerate(entry.pop("sources"))
            )
            found += [
                Row(
                    kind=kind,
                    file=path.stem,
                    context=context,
                    reply=reply,
                    fitted=number % 2 == 0,
                )
                for kind, replies in entry.items()
                for reply in replies
            ]
    return found


def fitted(chosen: Sequence[Row]) -> tuple[float, ...]:
    """Weights by logistic regression with a ridge, by Newton's method."""
    features: list[tuple[float, ...]] = []
    labels: list[float] = []
    for row in chosen:
        sources = read_sources(row.context)
        for claim in claims(row.reply):
            if all(number in sources.numbers for number in claim.cited):
                found = evidence(terms(claim.text), sources, claim.cited or None)
                features.append(found.features)
                labels.append(float(row.kind not in BORNE_OUT))
    x: NDArray[np.float64] = np.array(features)
    y: NDArray[np.float64] = np.array(labels)
    weights = np.zeros(x.shape[1])
    ridge = _RIDGE * np.eye(x.shape[1])
    ridge[0, 0] = 1e-6
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-x @ weights))
        gradient = x.T @ (p - y) + ridge @ weights
        hessian = (x * (p * (1.0 - p))[:, None]).T @ x + ridge
        weights -= np.linalg.solve(hessian, gradient)
        # Missing evidence never speaks for a claim.
        weights[1:] = np.maximum(weights[1:], 0.0)
    return tuple(round(float(weight), 4) for weight in weights)


async def report(guard: GroundingGuard, chosen: Sequence[Row]) -> list[str]:
    """How many sentences of each kind are flagged, and how well probabilities fit."""
    flagged: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    scores: list[tuple[float, float]] = []
    for row in chosen:
        verdict = await guard.judge(row.exchange)
        if not isinstance(verdict, Verdict):
            raise TypeError("the guard gave no verdict on a row")
        probability = max((f.probability for f in verdict.findings), default=0.0)
        if row.kind != "harmless":
            scores.append((probability, float(row.kind not in BORNE_OUT)))
        for file in (row.file, "all"):
            total[row.kind, file] += 1
            flagged[row.kind, file] += probability >= 0.5
    files = [*sorted({row.file for row in chosen}), "all"]
    lines = []
    for kind in dict.fromkeys(row.kind for row in chosen):
        parts = [f"{file} {flagged[kind, file]}/{total[kind, file]}" for file in files]
        lines.append(f"  {kind:12} flagged {'   '.join(parts)}")
    good = [p for p, bad in scores if not bad]
    wrong = [p for p, bad in scores if bad]
    above = sum((w > g) + 0.5 * (w == g) for w in wrong for g in good)
    brier = sum((p - bad) ** 2 for p, bad in scores) / len(scores)
    lines.append(f"  AUROC {above / (len(wrong) * len(good)):.3f}, Brier score {brier:.3f}")
    return lines


def main() -> None:
    """Parse the command line, fit and report."""
    parser = argparse.ArgumentParser(prog="python -m guards.grounding.fit")
    parser.add_argument("--write", action="store_true", help="replace the shipped weights")
    arguments = parser.parse_args()
    everything = rows()
    half = [row for row in everything if row.fitted]
    if arguments.write:
        weights = dict(zip(FEATURES, fitted(half), strict=True))
        WEIGHTS.write_bytes(orjson.dumps(weights, option=orjson.OPT_INDENT_2) + b"\n")
    guard = GroundingGuard(weights=load_weights())
    other = [row for row in everything if not row.fitted]
    for name, chosen in (("fitted on", half), ("not fitted on", other)):
        print(f"{len(chosen)} replies {name}")
        print("\n".join(asyncio.run(report(guard, chosen))))


if __name__ == "__main__":
    main()
