"""The plots of a report."""

from collections.abc import Sequence

from guards.evaluate.cost import Cost
from guards.evaluate.figures import HISTOGRAM_BINS, Shape
from guards.evaluate.report import GuardReport
from guards.evaluate.svg import (
    Axis,
    Plot,
    axis_to,
    log_share_axis,
    share_axis,
    time_axis,
)

FALSE_POSITIVES = "false positive rate"


def shared_plots(guards: Sequence[GuardReport]) -> list[str]:
    """Plots that hold every guard with rows of both classes; none when there is no such guard."""
    shapes = [(place, guard, guard.measured.shape) for place, guard in enumerate(guards)]
    drawn = [one for one in shapes if one[2].roc is not None and one[2].pr is not None]
    if not drawn:
        return []
    said = "; ".join(
        f"{guard.name}: AUROC {guard.measured.overall.figures['auroc'].value:.3f}, average "
        f"precision {guard.measured.overall.figures['average_precision'].value:.3f}"
        for _, guard, _ in drawn
    )
    roc = Plot("roc", "ROC", said, share_axis(FALSE_POSITIVES), share_axis("recall"))
    low = Plot(
        "roc-log",
        "ROC, few false positives",
        said,
        log_share_axis(FALSE_POSITIVES + " (log)"),
        share_axis("recall"),
    )
    pr = Plot("pr", "Precision and recall", said, share_axis("recall"), share_axis("precision"))
    for plot in (roc, low):
        plot.even()
    for place, _, shape in drawn:
        if shape.roc is None or shape.pr is None:
            continue
        roc.curve(shape.roc.x, shape.roc.y, place)
        low.steps(shape.roc.x, shape.roc.y, place)
        pr.curve(shape.pr.x, shape.pr.y, place)
    return [roc.draw(), low.draw(), pr.draw(), _reliability([(p, g, s) for p, g, s in drawn])]


def _reliability(drawn: Sequence[tuple[int, GuardReport, Shape]]) -> str:
    said = "; ".join(
        f"{guard.name}: expected calibration error "
        f"{guard.measured.overall.figures['calibration_error'].value:.3f}"
        for _, guard, _ in drawn
    )
    plot = Plot(
        "reliability", "Reliability", said, share_axis("mean score"), share_axis("share harmful")
    )
    plot.even()
    for place, guard, shape in drawn:
        most = max(one.rows for one in shape.reliability)
        plot.curve(
            [one.score for one in shape.reliability],
            [one.harmful for one in shape.reliability],
            place,
        )
        for one in shape.reliability:
            plot.dot(
                one.score,
                one.harmful,
                2.5 + 5.5 * (one.rows / most) ** 0.5,
                place,
                f"{guard.name}: {one.rows} rows, mean score {one.score:.2f}, "
                f"{one.harmful:.0%} harmful",
            )
    return plot.draw()


def scores_plot(guard: GuardReport, place: int, threshold: float) -> str:
    """Harmful and harmless rows by score, each as a share of its class, side by side."""
    shape = guard.measured.shape
    harmful, harmless = max(sum(shape.harmful), 1), max(sum(shape.harmless), 1)
    highest = max(max(shape.harmful) / harmful, max(shape.harmless) / harmless, 0.01)
    plot = Plot(
        f"scores-{place}",
        "Scores by class",
        f"{sum(shape.harmful)} harmful and {sum(shape.harmless)} harmless rows by score, "
        f"each as a share of its class; the threshold is {threshold:g}",
        share_axis("score"),
        axis_to("share of the class", highest),
    )
    for number in range(HISTOGRAM_BINS):
        low, high = number / HISTOGRAM_BINS, (number + 1) / HISTOGRAM_BINS
        middle = (low + high) / 2
        for name, rows, whole, left, right in (
            ("harmless", shape.harmless[number], harmless, low, middle),
            ("harmful", shape.harmful[number], harmful, middle, high),
        ):
            if rows:
                plot.bar(
                    left, right, rows / whole, name, f"{name}, {low:g} to {high:g}: {rows} rows"
                )
    plot.mark(threshold)
    return plot.draw()


def latency_plot(cost: Cost, place: int) -> str | None:
    """Verdicts by the time they took; ``None`` without verdicts."""
    if cost.latency is None or not cost.histogram:
        return None
    bins = cost.histogram
    x: Axis = time_axis("milliseconds (log)", bins[0].low, bins[-1].high)
    plot = Plot(
        f"latency-{place}",
        "Time of a judgement",
        f"median {cost.latency.p50} ms, 95th percentile {cost.latency.p95} ms, "
        f"99th {cost.latency.p99} ms",
        x,
        axis_to("verdicts", max(one.verdicts for one in bins)),
    )
    for one in bins:
        if one.verdicts:
            told = f"{one.low:g} to {one.high:g} ms: {one.verdicts} verdicts"
            plot.bar(one.low, one.high, one.verdicts, f"f{place % 6}", told)
    return plot.draw()
