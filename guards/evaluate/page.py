"""The report as one HTML page that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from guards.evaluate.examples import Example
from guards.evaluate.figures import HARMLESS, Cell, Group
from guards.evaluate.metrics import Figure
from guards.evaluate.plots import latency_plot, scores_plot, shared_plots
from guards.evaluate.report import GuardReport, Report
from guards.evaluate.svg import COLOURS

_STYLE = Path(__file__).with_name("style.css")

_COLUMNS = (
    ("auroc", "AUROC"),
    ("average_precision", "average precision"),
    ("recall_at_fpr_1", "recall at 1 % FPR"),
    ("recall_at_fpr_5", "recall at 5 % FPR"),
    ("recall", "recall"),
    ("flag_rate", "flag rate"),
    ("f1", "F1"),
    ("calibration_error", "calibration error"),
    ("brier", "Brier"),
)
_HAZARD_COLUMNS = (
    ("auroc", "AUROC, any hazard"),
    ("recall", "recall, any hazard"),
    ("hazard_auroc", "AUROC, this hazard"),
    ("hazard_recall", "recall, this hazard"),
)
_NONE = "<td>–</td>"
_LONG = 24
"""A table of more groups is folded away."""

_INVISIBLE = {c: "\N{REPLACEMENT CHARACTER}" for c in [*range(32), 127] if chr(c) not in "\n\t"}
# What turns the direction of text round shows it in another order than it was judged in.
_INVISIBLE |= {c: f"[U+{c:04X}]" for c in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]}


def text_of(value: object) -> str:
    """``value`` as HTML text; what is invisible or turns text round is shown."""
    return escape(str(value).translate(_INVISIBLE))


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page around ``parts``."""
    style = _STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{text_of(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def page(report: Report) -> str:
    """``report`` as a page."""
    rows = sum(file.rows for file in report.data)
    harmful = sum(file.harmful for file in report.data)
    guards = ", ".join(guard.name for guard in report.guards)
    parts = [
        f"<h1>Guard evaluation: {text_of(guards)}</h1>",
        (
            f'<p class="muted">{text_of(report.origin.made)} · {rows} rows, {harmful} of them '
            f"harmful · threshold {report.terms.threshold:g} · Corral "
            f"{text_of(report.origin.corral)}</p>"
        ),
        *_failures(report),
        summary(report),
        legend(report.guards),
    ]
    shared = shared_plots(report.guards)
    if shared:
        parts.append(_figures(shared))
    for place, guard in enumerate(report.guards):
        parts += _guard(guard, place, report)
    parts += _origin(report)
    return document(f"Guard evaluation: {guards}", parts)


def summary(report: Report) -> str:
    """One column for each guard."""
    guards = report.guards
    latencies = [guard.cost.latency for guard in guards]
    body: list[tuple[str, Sequence[str]]] = [
        (title, [_figure(guard.measured.overall.figures.get(key)) for guard in guards])
        for key, title in _COLUMNS
    ]
    body.append(("median time", [f"<td>{t.p50:.2f} ms</td>" if t else _NONE for t in latencies]))
    body.append(
        ("99th percentile", [f"<td>{t.p99:.2f} ms</td>" if t else _NONE for t in latencies])
    )
    shown = table("", [guard.name for guard in guards], body)
    return f'<div class="summary">{shown}</div>'


def table(corner: str, head: Sequence[str], body: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table; ``body`` holds each row's heading and its cells as HTML."""
    titles = "".join(f'<th scope="col">{text_of(title)}</th>' for title in head)
    lines = "".join(
        f'<tr><th scope="row">{text_of(name)}</th>{"".join(cells)}</tr>' for name, cells in body
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col" class="word">{text_of(corner)}'
        f"</th>{titles}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def legend(guards: Sequence[GuardReport]) -> str:
    """Which colour is which guard."""
    items = "".join(
        f'<li><i class="b{place % COLOURS}"></i>{text_of(guard.name)} '
        f"<small><code>{text_of(guard.revision)}</code></small></li>"
        for place, guard in enumerate(guards)
    )
    return f'<ul class="legend">{items}</ul>'


def _failures(report: Report) -> list[str]:
    parts = []
    for guard in report.guards:
        failures = guard.measured.failures
        if failures:
            reasons = ", ".join(f"{name} {count}" for name, count in failures.items())
            parts.append(
                f'<p class="warn">{text_of(guard.name)} gave no verdict on '
                f"{sum(failures.values())} rows ({text_of(reasons)}). They are in no figure; in "
                "service such a text is blocked.</p>"
            )
    return parts


def _guard(guard: GuardReport, place: int, report: Report) -> list[str]:
    measured = guard.measured
    plots = [scores_plot(guard, place, report.terms.threshold), latency_plot(guard.cost, place)]
    parts = [
        f"<h2>{text_of(guard.name)}</h2>",
        f'<p class="muted">Revision <code>{text_of(guard.revision)}</code></p>',
        _figures([plot for plot in plots if plot is not None]),
        (
            '<ul class="legend"><li><i class="b0"></i>harmless</li>'
            '<li><i class="b1"></i>harmful</li></ul>'
        ),
        _cost(guard),
    ]
    if measured.by_hazard:
        parts += ["<h3>By hazard</h3>", _by_hazard(measured.by_hazard)]
    if measured.cells:
        parts += ["<h3>Flagged, by hazard and language</h3>", _heat(measured.cells)]
    for title, groups in (
        ("file", measured.by_file),
        ("language", measured.by_lang),
        ("kind", measured.by_kind),
        ("category", measured.by_category),
        ("subject", measured.by_subject),
    ):
        if not groups:
            continue
        shown = _groups(title, groups)
        if len(groups) > _LONG:
            shown = f"<details><summary>{len(groups)} rows</summary>{shown}</details>"
        parts += [f"<h3>By {title}</h3>", shown]
    if guard.spans is not None:
        parts += ["<h3>Spans</h3>", _spans(guard)]
    return [*parts, *_examples(guard)]


def _groups(title: str, groups: Mapping[str, Group]) -> str:
    columns = [c for c in _COLUMNS if any(c[0] in group.figures for group in groups.values())]
    failed = any(group.unscanned for group in groups.values())
    head = ["harmful", "harmless", *(["no verdict"] if failed else [])]
    head += [name for _, name in columns]
    body = []
    for name, group in groups.items():
        cells = [
            f"<td>{group.harmful}</td><td>{group.harmless}</td>",
            *([_unscanned(group)] if failed else []),
            *(_figure(group.figures.get(key)) for key, _ in columns),
        ]
        body.append((f"{name} (ranked against {group.against})" if group.pooled else name, cells))
    return table(title, head, body)


def _by_hazard(groups: Mapping[str, Group]) -> str:
    head = ["rows", "no verdict", *(name for _, name in _HAZARD_COLUMNS)]
    body = []
    for name, group in groups.items():
        cells = [
            f"<td>{group.rows}</td>",
            _unscanned(group),
            *(_figure(group.figures.get(key)) for key, _ in _HAZARD_COLUMNS),
        ]
        body.append((name.replace("_", " "), cells))
    return table("hazard", head, body)


def _heat(cells: Sequence[Cell]) -> str:
    langs = sorted({cell.lang for cell in cells})
    by_place = {(cell.hazard, cell.lang): cell for cell in cells}
    lines = []
    for hazard in dict.fromkeys(cell.hazard for cell in cells):
        tone = "--bad" if hazard == HARMLESS else "--good"
        shown = []
        for lang in langs:
            cell = by_place.get((hazard, lang))
            if cell is None:
                shown.append("<td></td>")
                continue
            share = cell.flagged / cell.rows
            shown.append(
                f'<td class="cell" style="--tone: var({tone}); --share: {share:.3f}">{share:.0%}'
                f"<small>of {cell.rows}</small></td>"
            )
        lines.append((hazard.replace("_", " "), shown))
    return (
        '<div class="heat">'
        + table("", langs, lines)
        + "</div><p><small>Harmful rows should be flagged (more colour is better), harmless ones "
        "should not (more colour is worse).</small></p>"
    )


def _spans(guard: GuardReport) -> str:
    spans = guard.spans
    if spans is None:
        return ""
    recall = "–" if spans.recall is None else f"{spans.recall:.1%}"
    precision = "–" if spans.precision is None else f"{spans.precision:.1%}"
    rows = [
        (name or "(no type)", [f"<td>{labelled}</td><td>{touched / labelled:.1%}</td>"])
        for name, (labelled, touched) in spans.by_type.items()
    ]
    return (
        f"<p>{spans.touched} of {spans.labelled} labelled spans touched; of labelled characters "
        f"{recall} found, of found characters {precision} labelled.</p>"
        + table("type", ["spans", "touched"], rows)
    )


def _examples(guard: GuardReport) -> list[str]:
    parts = []
    for mistake, title in (
        ("miss", "Harmful and not flagged, lowest score first"),
        ("false_positive", "Harmless and flagged, highest score first"),
    ):
        chosen = [example for example in guard.examples if example.mistake == mistake]
        if chosen:
            parts.append(
                f"<details><summary>{title} ({len(chosen)} shown)</summary>"
                + "".join(_example(example) for example in chosen)
                + "</details>"
            )
    return parts


def _example(example: Example) -> str:
    about = " · ".join(
        text_of(word)
        for word in (example.subject, example.lang, example.kind, example.category)
        if word
    )
    found = ", ".join(f"{text_of(hazard)} {p:.3f}" for hazard, p in example.found) or "nothing"
    texts = "".join(
        f'<pre dir="auto">{text_of(text)}</pre>'
        for text in (example.text, example.response)
        if text is not None
    )
    return (
        f'<div class="example"><b>{example.score:.3f}</b> <code>{text_of(example.file)}:'
        f"{example.line}</code> · {example.characters} characters · {about}<br>"
        f"<small>found: {found}</small>{texts}</div>"
    )


def _cost(guard: GuardReport) -> str:
    cost = guard.cost
    if cost.latency is None:
        return "<p>No verdicts, so no times.</p>"
    rate = cost.characters_per_second
    speed = f", {rate:,.0f} characters a second" if rate else ""
    return (
        f"<p>{cost.calls} calls over {cost.characters:,} characters; p50 {cost.latency.p50:.2f} "
        f"ms, p95 {cost.latency.p95:.2f} ms, p99 {cost.latency.p99:.2f} ms, longest "
        f"{cost.latency.most:.2f} ms{speed} one after the other.</p>"
    )


def _origin(report: Report) -> list[str]:
    terms = report.terms
    counted = "all" if terms.counted is None else ", ".join(sorted(terms.counted))
    files = [
        (
            file.file,
            [
                (
                    f"<td>{file.harmful}</td><td>{file.harmless}</td><td>{file.bad or ''}</td>"
                    f"<td>{file.left_out or ''}</td>"
                    f'<td class="word"><code>{file.sha256[:16]}…</code></td>'
                )
            ],
        )
        for file in report.data
    ]
    return [
        "<h2>How this was made</h2>",
        f"<pre>{text_of(report.origin.command)}</pre>",
        table("file", ["harmful", "harmless", "bad", "left out", "SHA-256"], files),
        (
            "<p>A row's score is the highest probability over the hazards that count "
            f"({text_of(counted)}). Recall is the share of harmful rows at or above the threshold, "
            "the flag rate that of harmless rows. Below a figure stands its 95 % interval: "
            f"percentiles over {terms.resamples} resamples of the rows within each class, seed "
            f"{terms.seed}. Rows without a verdict are counted and are in no figure.</p>"
        ),
    ]


def _unscanned(group: Group) -> str:
    return f'<td class="warn">{group.unscanned}</td>' if group.unscanned else "<td></td>"


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return _NONE
    if figure.low is None or figure.high is None:
        return f"<td>{figure.value:.3f}</td>"
    return f"<td>{figure.value:.3f}<small>{figure.low:.3f}–{figure.high:.3f}</small></td>"


def _figures(plots: Sequence[str]) -> str:
    drawn = "".join(f"<figure>{plot}</figure>" for plot in plots)
    return f'<div class="plots">{drawn}</div>'
