"""How well found spans cover labelled ones, for data that labels where something stands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guards.evaluate.datasets import Row
from guards.evaluate.figures import Terms
from guards.evaluate.judged import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFigures:
    """Over scanned rows; found are the spans at or above the threshold.

    Attributes:
        labelled: labelled spans, ``touched`` of which overlap a found one.
        recall: share of labelled characters that were found.
        precision: share of found characters that are labelled.
        by_type: the label's type to its spans and how many were touched.
    """

    labelled: int
    touched: int
    recall: float | None
    precision: float | None
    by_type: Mapping[str, tuple[int, int]]


def span_figures(rows: Sequence[Row], judged: Sequence[Judged], terms: Terms) -> SpanFigures | None:
    """Figures of spans; ``None`` unless rows label some and the guard found some."""
    pairs = [(row, one) for row, one in zip(rows, judged, strict=True) if one.failure is None]
    if not any(row.spans for row, _ in pairs) or not any(one.spans for _, one in pairs):
        return None
    labelled: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    wanted = got = right = 0
    for row, one in pairs:
        found = _found(one, terms)
        here = {place for span in row.spans for place in range(span.start, span.end)}
        wanted += len(here)
        got += len(found)
        right += len(here & found)
        for span in row.spans:
            labelled[span.type or ""] += 1
            touched[span.type or ""] += not found.isdisjoint(range(span.start, span.end))
    return SpanFigures(
        labelled=labelled.total(),
        touched=touched.total(),
        recall=right / wanted if wanted else None,
        precision=right / got if got else None,
        by_type={name: (labelled[name], touched[name]) for name in sorted(labelled)},
    )


def _found(judged: Judged, terms: Terms) -> set[int]:
    return {
        place
        for one in judged.spans
        if one.probability >= terms.threshold
        and (terms.counted is None or one.hazard in terms.counted)
        for place in range(one.span.start, one.span.end)
    }
