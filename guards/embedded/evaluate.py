"""Measure the shipped guard: ``python -m guards.embedded.evaluate --data DIR``.

Judges rows of ``DIR/dev`` the way the server would, with both tiers and with the fast one alone,
and prints tables; ``--card`` puts them between the markers of ``CARD.md``, ``--json`` writes the
figures.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from guards.conversation import Exchange, Message, Subject, text_message
from guards.embedded import EmbeddedGuard, load_embedded_guard
from guards.embedded.accurate import script
from guards.embedded.heads import Field
from guards.embedded.manifest import bands
from guards.embedded.normalise import normalise
from guards.embedded.training.devsets import (
    DATA_SETS,
    EVERYDAY,
    REPLY_SETS,
    REQUEST_SETS,
    DevRow,
    read_set,
)
from guards.hazards import Hazard
from guards.verdict import Unscanned, Verdict

HERE = Path(__file__).parent
CARD = HERE / "CARD.md"
SEED = 11
TIMED = 100
WORDS = [
    "can",
    "you",
    "kill",
    "the",
    "old",
    "process",
    "before",
    "my",
    "boss",
    "finds",
    "the",
    "stolen",
    "report",
    "and",
    "tell",
    "me",
    "how",
    "people",
    "steal",
    "money",
    "from",
    "a",
    "bank",
    "with",
    "a",
    "gun",
    "in",
    "this",
    "film",
    "while",
    "we",
    "plan",
    "an",
    "attack",
    "on",
    "the",
    "last",
    "level",
]
"""Of these even the fast tier is not sure, so that the accurate one is asked."""

_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_SUBJECTS = {
    Field.REQUEST: Subject.USER_INPUT,
    Field.REPLY: Subject.REPLY,
    Field.DATA: Subject.DOCUMENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row, the probabilities it got, the fast tier's highest, and whether that left doubt."""

    row: DevRow
    probabilities: dict[Hazard, float]
    fast: float
    asked: bool

    @property
    def highest(self) -> float:
        return max(self.probabilities.values())

    @property
    def flagged(self) -> bool:
        return self.highest >= 0.5


Results = dict[str, list[Judged]]


async def judge_all(folder: Path, most: int) -> Results:
    """Up to ``most`` rows of every set, drawn by a fixed seed."""
    both, fast = load_embedded_guard(), load_embedded_guard("fast")
    between = bands(HERE)
    results: Results = {}
    for name in (*REQUEST_SETS, *REPLY_SETS, *DATA_SETS):
        rows = list(read_set(folder, name))
        random.Random(SEED).shuffle(rows)  # noqa: S311 - sampling, nothing secret
        judged = []
        for row in rows[:most]:
            quick = max((await _judge(fast, row)).values())
            band = between[row.field, script(normalise(row.text))]
            judged.append(
                Judged(
                    row=row,
                    probabilities=await _judge(both, row),
                    fast=quick,
                    asked=band.low <= _odds(quick) <= band.high,
                )
            )
        results[name] = judged
        sys.stderr.write(f"{name}: {len(judged)} rows\n")
    return results


def _odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability)) if probability < 1.0 else 16.0


async def _judge(guard: EmbeddedGuard, row: DevRow) -> dict[Hazard, float]:
    context: tuple[Message, ...] = ()
    if row.context:
        context = (text_message(row.context, id="request"),)
    verdict = await guard.judge(
        Exchange(
            subject=_SUBJECTS[row.field],
            message=text_message(row.text, id="row"),
            context=context,
        )
    )
    match verdict:
        case Verdict(findings=findings):
            return {f.hazard: f.probability for f in findings}
        case Unscanned(reason=reason):
            raise ValueError(f"a row was not judged ({reason})")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m guards.embedded.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev/")
    parser.add_argument("--rows", type=int, default=700, help="most rows of a set")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--card", action="store_true", help="update the tables in CARD.md")
    arguments = parser.parse_args()
    results = asyncio.run(judge_all(arguments.data / "dev", arguments.rows))
    figures = measure(results)
    tables = render(figures, load_embedded_guard().revision)
    print(tables)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.card:
        text = CARD.read_text(encoding="utf-8")
        before, _, rest = text.partition(_BEGIN)
        after = rest.partition(_END)[2]
        CARD.write_text(f"{before}{_BEGIN}\n{tables}\n{_END}{after}", encoding="utf-8")


Figures = dict[str, list[dict[str, object]]]


def measure(results: Results) -> Figures:
    """All figures, by table; a row of a table is a mapping from column to value."""
    everyday = [j for name in EVERYDAY for j in results[name] if not j.row.label]
    pooled = {"set": "everyday prompts, pooled", **_harmless(everyday)}
    return {
        "harmless": [
            pooled,
            *(
                {"set": name, **_harmless(judged)}
                for name, rows in results.items()
                if (judged := [j for j in rows if not j.row.label])
            ),
        ],
        "harmful": [
            {"set": name, **_harmful(rows, everyday)}
            for name, rows in results.items()
            if any(j.row.label for j in rows)
        ],
        "hazards": _by_hazard(results),
        "languages": _by_language(results),
        "latency": asyncio.run(_latency()),
    }


def _harmless(judged: Sequence[Judged]) -> dict[str, object]:
    flagged = [j for j in judged if j.flagged]
    heads: dict[str, int] = {}
    for one in flagged:
        worst = max(one.probabilities, key=lambda hazard: one.probabilities[hazard])
        heads[worst] = heads.get(worst, 0) + 1
    often = sorted(heads.items(), key=lambda item: (-item[1], item[0]))[:3]
    return {
        "n": len(judged),
        "flagged": round(len(flagged) / len(judged), 4),
        "fast alone": round(float(np.mean([j.fast >= 0.5 for j in judged])), 4),
        "asked": round(float(np.mean([j.asked for j in judged])), 2),
        "by": ", ".join(f"{head} {count}" for head, count in often),
    }


def _harmful(rows: Sequence[Judged], everyday: Sequence[Judged]) -> dict[str, object]:
    positive = [j for j in rows if j.row.label]
    own = [j for j in rows if not j.row.label]
    field = rows[0].row.field
    against = own if len(own) >= 20 else list(everyday) if field is Field.REQUEST else []
    known = [j for j in positive if j.row.hazard in j.probabilities]
    right = [j for j in known if j.row.hazard and j.probabilities[j.row.hazard] >= 0.5]
    scores = np.array([j.highest for j in (*positive, *against)])
    quick = np.array([j.fast for j in (*positive, *against)])
    return {
        "n": len(positive),
        "recall": round(float(np.mean([j.flagged for j in positive])), 3),
        "right head": round(len(right) / len(known), 3) if known else None,
        "auroc": _auroc(scores, len(positive)),
        "at 1 %": _recall_at(scores, len(positive), 0.01),
        "at 5 %": _recall_at(scores, len(positive), 0.05),
        "fast auroc": _auroc(quick, len(positive)),
        "asked": round(float(np.mean([j.asked for j in positive])), 2),
        "against": "own safe rows" if against is own else "everyday" if against else "-",
    }


def _auroc(scores: NDArray[np.float64], positive: int) -> float | None:
    if positive == len(scores):
        return None
    labels = [1] * positive + [0] * (len(scores) - positive)
    return round(float(roc_auc_score(labels, scores)), 3)


def _recall_at(scores: NDArray[np.float64], positive: int, share: float) -> float | None:
    """Share of the positive scores above all but ``share`` of the others."""
    if positive == len(scores):
        return None
    return round(float(np.mean(scores[:positive] > np.quantile(scores[positive:], 1 - share))), 3)


async def _latency() -> list[dict[str, object]]:
    """Milliseconds for 100 English words, every time other ones, in one worker thread."""
    rng = random.Random(SEED)  # noqa: S311 - sampling, nothing secret
    table: list[dict[str, object]] = []
    for tier in ("fast", "both"):
        guard = load_embedded_guard("fast" if tier == "fast" else "both")
        took = []
        for _ in range(TIMED + 5):
            text = " ".join(rng.choice(WORDS) for _ in range(100))
            row = Exchange(subject=Subject.USER_INPUT, message=text_message(text, id="row"))
            start = time.perf_counter()
            await guard.judge(row)
            took.append((time.perf_counter() - start) * 1e3)
        found = np.array(took[5:])
        table.append(
            {
                "tier": tier,
                "p50 ms": round(float(np.median(found)), 2),
                "p95 ms": round(float(np.quantile(found, 0.95)), 2),
            }
        )
    return table


def _by_hazard(results: Results) -> list[dict[str, object]]:
    table = []
    for hazard in Hazard:
        rows: dict[str, object] = {"hazard": str(hazard)}
        for name in ("ailuminate_en", "ailuminate_fr", "jade_zh_dev"):
            mine = [j for j in results[name] if j.row.hazard is hazard]
            rows[name] = (
                f"{np.mean([j.flagged for j in mine]):.2f} / "
                f"{np.mean([j.probabilities.get(hazard, 0.0) >= 0.5 for j in mine]):.2f}"
                f" ({len(mine)})"
                if mine
                else "-"
            )
        if any(value != "-" for value in list(rows.values())[1:]):
            table.append(rows)
    return table


def _by_language(results: Results) -> list[dict[str, object]]:
    languages = sorted({j.row.language for rows in results.values() for j in rows})
    table = []
    for language in languages:
        request = [j for name in REQUEST_SETS for j in results[name] if j.row.language == language]
        harmful = [j for j in request if j.row.label]
        harmless = [j for j in request if not j.row.label]
        if request:
            table.append(
                {
                    "language": language,
                    "harmful": len(harmful),
                    "recall": _share(harmful),
                    "harmless": len(harmless),
                    "flagged": _share(harmless),
                }
            )
    return table


def _share(judged: Sequence[Judged]) -> float | None:
    return round(float(np.mean([j.flagged for j in judged])), 3) if judged else None


_TITLES = {
    "harmless": "Harmless texts flagged (any head at 0.5 or more) and asked of the accurate tier",
    "harmful": "Harmful texts: recall, AUROC of the highest head, recall at 1 % and 5 % flagged",
    "hazards": "By hazard: recall of any head / of the right head (texts)",
    "languages": "Requests by language, all sets together",
    "latency": "Latency of 100 words on one core",
}


def render(figures: Figures, revision: str) -> str:
    """The tables as Markdown."""
    parts = [f"Revision `{revision}`."]
    for name, rows in figures.items():
        columns = list(rows[0])
        parts.append(f"\n**{_TITLES[name]}**\n")
        parts.append("| " + " | ".join(columns) + " |")
        parts.append("|" + "---|" * len(columns))
        parts += [
            "| " + " | ".join("-" if row[c] is None else str(row[c]) for c in columns) + " |"
            for row in rows
        ]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
