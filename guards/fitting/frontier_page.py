"""The page that shows what each share of texts asked again buys."""

from collections.abc import Sequence

from guards.evaluate.page import document, table, text_of
from guards.evaluate.svg import Plot, log_share_axis, share_axis
from guards.fitting.bands import Point


def frontier_page(
    points: Sequence[Point], chosen: Point, *, first: str, second: str, rows: int
) -> str:
    """A self-contained HTML page: quality against cost, the chosen point marked.

    ``first`` and ``second`` are the guards' names and ``rows`` how many rows were judged.
    """
    asked = [point.asked for point in points]
    told = (
        f"Asking {second} about {chosen.asked:.1%} of the texts gives recall "
        f"{chosen.recall:.3f} with {chosen.flagged:.1%} of harmless texts flagged."
    )
    caught = Plot("recall", "Recall", told, share_axis(f"asked {second}"), share_axis("recall"))
    caught.curve(asked, [point.recall for point in points], 0)
    wrong = Plot(
        "flagged", "Harmless flagged", told, share_axis(f"asked {second}"), log_share_axis("share")
    )
    wrong.curve(asked, [point.flagged for point in points], 1)
    for plot, value in ((caught, chosen.recall), (wrong, chosen.flagged)):
        plot.mark(chosen.asked)
        plot.dot(chosen.asked, value, 5, 2, told)
    lines = [
        (
            f"{point.asked:.1%}{' (chosen)' if point == chosen else ''}",
            [
                f"<td>{number}</td>"
                for number in (
                    f"{point.recall:.3f}",
                    f"{point.flagged:.3f}",
                    f"{point.balanced:.3f}",
                    f"{point.band.low:.4g} – {point.band.high:.4g}",
                )
            ],
        )
        for point in points
    ]
    figures = "".join(f"<figure>{plot.draw()}</figure>" for plot in (caught, wrong))
    return document(
        f"{first}, then {second}",
        [
            f"<h1>{text_of(first)}, then {text_of(second)}</h1>",
            f"<p>{text_of(told)} Fitted on {rows} rows.</p>",
            f'<div class="plots">{figures}</div>',
            table("asked", ["recall", "flagged", "balanced accuracy", "band"], lines),
        ],
    )
