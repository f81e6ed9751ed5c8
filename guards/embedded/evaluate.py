"""Measure the shipped guard: ``python -m guards.embedded.evaluate --data DIR``.

Judges every row of ``DIR/dev`` the way the server would and prints tables; ``--card`` puts them
between the markers of ``CARD.md``, ``--json`` writes the figures.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from guards.conversation import Exchange, Subject, text_message
from guards.embedded import EmbeddedGuard, load_embedded_guard
from guards.embedded.model import Field
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

CARD = Path(__file__).parent / "CARD.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_SUBJECTS = {
    Field.REQUEST: Subject.USER_INPUT,
    Field.REPLY: Subject.REPLY,
    Field.DATA: Subject.DOCUMENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row and the probabilities it got."""

    row: DevRow
    probabilities: dict[Hazard, float]

    @property
    def highest(self) -> float:
        return max(self.probabilities.values())

    @property
    def flagged(self) -> bool:
        return self.highest >= 0.5


Results = dict[str, list[Judged]]


async def judge_all(guard: EmbeddedGuard, folder: Path) -> Results:
    """Every row of every set, in order."""
    results: Results = {}
    for name in (*REQUEST_SETS, *REPLY_SETS, *DATA_SETS):
        judged = []
        for row in read_set(folder, name):
            verdict = await guard.judge(
                Exchange(subject=_SUBJECTS[row.field], message=text_message(row.text, id="row"))
            )
            match verdict:
                case Verdict(findings=findings):
                    found = {f.hazard: f.probability for f in findings}
                    judged.append(Judged(row=row, probabilities=found))
                case Unscanned(reason=reason):
                    raise ValueError(f"{name}: a row was not judged ({reason})")
        results[name] = judged
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m guards.embedded.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev/")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--card", action="store_true", help="update the tables in CARD.md")
    arguments = parser.parse_args()
    guard = load_embedded_guard()
    results = asyncio.run(judge_all(guard, arguments.data / "dev"))
    figures = measure(results)
    tables = render(figures, guard.revision)
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
        "by": ", ".join(f"{head} {count}" for head, count in often),
    }


def _harmful(rows: Sequence[Judged], everyday: Sequence[Judged]) -> dict[str, object]:
    positive = [j for j in rows if j.row.label]
    own = [j for j in rows if not j.row.label]
    field = rows[0].row.field
    against = own if len(own) >= 20 else list(everyday) if field is Field.REQUEST else []
    known = [j for j in positive if j.row.hazard in j.probabilities]
    right = [j for j in known if j.row.hazard and j.probabilities[j.row.hazard] >= 0.5]
    scores = [j.highest for j in (*positive, *against)]
    return {
        "n": len(positive),
        "recall": round(float(np.mean([j.flagged for j in positive])), 3),
        "right_head": round(len(right) / len(known), 3) if known else None,
        "auroc": round(float(roc_auc_score([1] * len(positive) + [0] * len(against), scores)), 3)
        if against
        else None,
        "against": "own safe rows" if against is own else "everyday" if against else "-",
    }


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
    "harmless": "Harmless texts flagged (any head at 0.5 or more), and by which head",
    "harmful": "Harmful texts: recall of any head, recall of the right head, AUROC of the highest",
    "hazards": "By hazard: recall of any head / of the right head (texts)",
    "languages": "Requests by language, all sets together",
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
