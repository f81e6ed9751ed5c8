"""A comparison as one HTML page that needs nothing else."""

from collections.abc import Sequence
from html import escape

from guards.evaluate.compare import Agreement, Comparison, Contest, GroupContest
from guards.evaluate.page import document, table, text_of
from guards.evaluate.svg import rounded_up

TITLES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "recall_at_fpr_1": "recall at 1 % FPR",
    "recall_at_fpr_5": "recall at 5 % FPR",
    "recall": "recall",
    "flag_rate": "flag rate",
    "precision": "precision",
    "f1": "F1",
    "brier": "Brier",
    "calibration_error": "calibration error",
}
_WIDTH, _LINE, _LABEL = 720, 22, 270


def comparison_page(comparison: Comparison, *, command: str, made: str) -> str:
    """``comparison`` as a page."""
    a, b = comparison.a, comparison.b
    title = f"A: {a.guard}, B: {b.guard}"
    sides = [
        (
            f"{letter}: {side.guard}",
            [
                (
                    f'<td class="word"><code>{text_of(side.revision)}</code></td>'
                    f"<td>{side.threshold:g}</td><td>{side.only_here}</td>"
                    f"<td>{side.unscanned}</td>"
                )
            ],
        )
        for letter, side in (("A", a), ("B", b))
    ]
    return document(
        f"Guards compared: {title}",
        [
            (
                f"<h1>Guards compared</h1><p class='muted'>{text_of(made)} · {comparison.rows} "
                "rows that both gave a verdict on</p>"
            ),
            table("guard", ["revision", "threshold", "rows only here", "no verdict"], sides),
            "<h2>All rows</h2>",
            _contests(comparison.overall),
            "<h3>Decisions at the thresholds</h3>",
            _agreements(comparison),
            "<h2>Group by group</h2>",
            (
                '<ul class="legend"><li><i class="b1"></i>A is better</li>'
                '<li><i class="b0"></i>B is better</li>'
                '<li><i class="b5"></i>the interval holds zero</li></ul>'
            ),
            *_forests(comparison.groups),
            "<h2>How this was made</h2>",
            f"<pre>{text_of(command)}</pre>",
            (
                "<p>A difference is B less A on the same rows; beside it stands its 95 % interval "
                f"over {comparison.resamples} paired resamples, seed {comparison.seed}. A guard "
                "wins where the interval leaves out zero. With many groups, one in twenty does so "
                "by chance.</p>"
            ),
        ],
    )


def _contests(group: GroupContest) -> str:
    body = [(TITLES[name], _cells(contest)) for name, contest in group.contests.items()]
    return table("figure", ["A", "B", "B less A", "95 % interval", "better"], body)


def _cells(contest: Contest) -> list[str]:
    interval = "–" if contest.low is None else f"{contest.low:+.3f} to {contest.high:+.3f}"
    return [
        (
            f"<td>{contest.a:.3f}</td><td>{contest.b:.3f}</td><td>{contest.difference:+.3f}</td>"
            f"<td>{interval}</td><td>{WINNERS[contest.winner]}</td>"
        )
    ]


_SERIES = {"a": 1, "b": 0, "even": 5}
WINNERS = {"a": "A", "b": "B", "even": "–"}


def _agreements(comparison: Comparison) -> str:
    def cells(one: Agreement) -> list[str]:
        return [
            (
                f"<td>{one.rows}</td><td>{one.both_right}</td><td>{one.only_a_right}</td>"
                f"<td>{one.only_b_right}</td><td>{one.both_wrong}</td><td>{p_value(one.p)}</td>"
            )
        ]

    body = [(name, cells(one)) for name, one in comparison.decisions.items()]
    head = ["rows", "both right", "only A right", "only B right", "both wrong", "p (McNemar)"]
    return table("rows", head, body)


def p_value(p: float) -> str:
    """``p`` as people write it."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _forests(groups: Sequence[GroupContest]) -> list[str]:
    """One plot for each figure: a line for each group, from the interval's end to its end."""
    plots = []
    for figure in ("auroc", "recall", "flag_rate"):
        lines = [
            (f"{group.by} {group.name} ({group.harmful} / {group.harmless})", contest)
            for group in groups
            if (contest := group.contests.get(figure)) is not None
        ]
        if lines:
            plots.append(
                f"<h3>{TITLES[figure]}</h3><figure style='max-width: 60rem'>"
                f"{_forest(figure, lines)}<figcaption>B less A with 95 % intervals; in brackets "
                "harmful / harmless rows.</figcaption></figure>"
            )
    return plots


def _forest(figure: str, lines: Sequence[tuple[str, Contest]]) -> str:
    reach = max(abs(v) for _, c in lines for v in (c.difference, c.low or 0.0, c.high or 0.0))
    reach = rounded_up(max(reach, 0.01))
    height = 34 + _LINE * len(lines)

    def at(value: float) -> float:
        return _LABEL + (value / reach + 1) / 2 * (_WIDTH - _LABEL - 30)

    parts = [
        f'<line class="grid" x1="{at(v):.1f}" x2="{at(v):.1f}" y1="4" y2="{height - 26}"/>'
        f'<text x="{at(v):.1f}" y="{height - 10}" text-anchor="middle">{v:+.3g}</text>'
        for v in (-reach, -reach / 2, 0.0, reach / 2, reach)
    ]
    zero = f"{at(0.0):.1f}"
    parts.append(f'<line class="mark" x1="{zero}" x2="{zero}" y1="4" y2="{height - 26}"/>')
    for number, (name, contest) in enumerate(lines):
        y = 16 + number * _LINE
        series = _SERIES[contest.winner]
        told = f"{name}: {contest.difference:+.3f}"
        shown = name if len(name) <= 42 else name[:41] + "…"
        if contest.low is not None and contest.high is not None:
            told += f" ({contest.low:+.3f} to {contest.high:+.3f})"
            parts.append(
                f'<line class="curve k{series}" x1="{at(contest.low):.1f}" '
                f'x2="{at(contest.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        parts.append(
            f'<text x="{_LABEL - 8}" y="{y + 4}" text-anchor="end">{text_of(shown)}</text>'
            f'<circle class="f{series}" cx="{at(contest.difference):.1f}" cy="{y}" r="4">'
            f"<title>{text_of(told)}</title></circle>"
        )
    title = escape(f"{TITLES[figure]}, B less A, by group")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="forest-{figure}">'
        f'<title id="forest-{figure}">{title}</title>{"".join(parts)}</svg>'
    )
