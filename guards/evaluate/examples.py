"""The rows a guard got wrong, the most confident first; their text only where it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guards.evaluate.datasets import Row
from guards.evaluate.figures import Terms
from guards.evaluate.judged import Judged

SHOWN = 25
"""Examples of each kind that are kept."""

_HAZARDS = 3
_CHARACTERS = 2_000

Mistake = Literal["miss", "false_positive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A row on the wrong side of the threshold.

    Attributes:
        found: the hazards found most likely, with their probabilities.
        text, response: ``None`` unless texts were asked for; long ones are cut.
    """

    mistake: Mistake
    file: str
    line: int
    subject: str
    category: str
    kind: str
    lang: str
    characters: int
    score: float
    found: tuple[tuple[str, float], ...]
    text: str | None = None
    response: str | None = None


def examples_of(
    rows: Sequence[Row], judged: Sequence[Judged], terms: Terms, *, show_text: bool
) -> tuple[Example, ...]:
    """Up to :data:`SHOWN` misses, lowest score first, then as many false positives, highest first.

    Rows that say the same are shown once.
    """
    scored = [
        (one.score_for(terms.counted), row, one)
        for row, one in {one.row: (r, one) for r, one in zip(rows, judged, strict=True)}.values()
        if one.failure is None
    ]
    misses = [s for s in scored if s[1].label and s[0] < terms.threshold]
    false = [s for s in scored if not s[1].label and s[0] >= terms.threshold]
    misses.sort(key=lambda s: (s[0], s[1].file, s[1].line))
    false.sort(key=lambda s: (-s[0], s[1].file, s[1].line))
    return (
        *(_example("miss", *one, show_text=show_text) for one in misses[:SHOWN]),
        *(_example("false_positive", *one, show_text=show_text) for one in false[:SHOWN]),
    )


def _example(
    mistake: Mistake, score: float, row: Row, judged: Judged, *, show_text: bool
) -> Example:
    likely = sorted(judged.probabilities.items(), key=lambda found: -found[1])[:_HAZARDS]
    return Example(
        mistake=mistake,
        file=row.file,
        line=row.line,
        subject=row.subject.value,
        category=row.category,
        kind=row.kind,
        lang=row.lang,
        characters=len(row.judged),
        score=score,
        found=tuple((hazard.value, probability) for hazard, probability in likely),
        text=_cut(row.text) if show_text else None,
        response=_cut(row.response) if show_text and row.response is not None else None,
    )


def _cut(text: str) -> str:
    shown = text if len(text) <= _CHARACTERS else text[:_CHARACTERS] + " […]"
    # Half a surrogate pair can be judged, but not written to a file.
    return shown.encode("utf-8", "replace").decode()
