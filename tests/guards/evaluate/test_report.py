"""The report: JSON that stays readable, and a page that needs nothing else."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from guards.evaluate.datasets import Row
from guards.evaluate.figures import Terms
from guards.evaluate.page import page, text_of
from guards.evaluate.report import (
    SCHEMA,
    DataFile,
    Origin,
    Report,
    encode,
    report_of,
    row_index,
    write_whole,
)
from guards.evaluate.run import GuardRun
from guards.evaluate.svg import axis_to, log_share_axis, rounded_up, share_axis, time_axis
from guards.hazards import Hazard
from tests.guards.evaluate.rows import judged, row

EVIL = '<script>alert("x")</script> \u202eevil & \x07'


def rows_of() -> list[Row]:
    rng = np.random.default_rng(0)
    return [
        row(
            f"{EVIL} {n}",
            bool(label),
            line=n,
            file=f"set{n % 2}.jsonl",
            lang=("en", "zh")[n % 2],
            category=("hate", "", "S1", EVIL)[n % 4],
        )
        for n, label in enumerate(rng.random(60) < 0.5)
    ]


def report_from(rows: list[Row], *, show_text: bool = False, fail: int = 0) -> Report:
    rng = np.random.default_rng(1)
    runs = [
        GuardRun(
            name=name,
            revision=f"{name}-1",
            hazards=frozenset({Hazard.HATE}),
            subjects=frozenset(),
            judged=tuple(
                judged(one, None if n < fail else round(float(rng.random()), 3))
                for n, one in enumerate(rows)
            ),
            asked=len(rows),
            seconds=1.0,
        )
        for name in ("first", "second <b>")
    ]
    harmful = sum(one.label for one in rows)
    file = DataFile(
        file="set0.jsonl", sha256="ab" * 32, rows=len(rows), harmful=harmful,
        harmless=len(rows) - harmful, bad=2, left_out=3,
    )  # fmt: skip
    return report_of(
        rows,
        runs,
        Terms(resamples=20),
        origin=Origin(made="2026-01-01", command="corral guard evaluate", corral="1", limit=None),
        data=[file],
        show_text=show_text,
    )


class Page(HTMLParser):
    """Checks that every element is closed and gathers what would load something."""

    VOID = frozenset({"meta", "br", "line", "circle", "rect", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [name for name, _ in attrs if name in {"src", "href"} or name[:2] == "on"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag


def svgs(text: str) -> Iterator[ET.Element]:
    for drawn in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        yield ET.fromstring(drawn)  # noqa: S314 - our own page


def test_the_page_needs_nothing_else() -> None:
    text = page(report_from(rows_of(), show_text=True))
    read = Page(text)
    assert read.open == []
    assert read.loads == []
    assert not read.tags & {"script", "link", "img", "iframe", "object"}
    assert "url(" not in text
    assert "@import" not in text


def test_every_plot_has_a_title_and_a_description() -> None:
    text = page(report_from(rows_of()))
    plots = list(svgs(text))
    assert len(plots) == 4 + 2 * 2  # shared ones, then scores and times of each guard
    names: list[str] = []
    for plot in plots:
        assert plot.get("role") == "img"
        ids = (plot.get("aria-labelledby") or "").split()
        told = [child for child in plot if child.get("id") in ids]
        assert [child.tag for child in told] == ["title", "desc"]
        assert all(child.text for child in told)
        names += ids
    assert len(set(names)) == len(names)


def test_nothing_is_drawn_outside_its_plot() -> None:
    for plot in svgs(page(report_from(rows_of()))):
        _, _, width, height = map(float, (plot.get("viewBox") or "").split())
        for curve in plot.iter("polyline"):
            for point in (curve.get("points") or "").split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_text_is_hidden_unless_asked_for_and_never_markup() -> None:
    hidden, shown = (page(report_from(rows_of(), show_text=show)) for show in (False, True))
    assert "alert(" not in hidden.replace(text_of(EVIL), "")  # the category is no text
    assert "evil &amp; \ufffd 7" not in hidden
    assert "evil &amp;" in shown
    assert "<script" not in shown
    assert "\u202e" not in shown
    assert "[U+202E]" in shown
    assert "second &lt;b&gt;" in shown


def test_failures_are_told_first() -> None:
    text = page(report_from(rows_of(), fail=7))
    assert "first gave no verdict on 7 rows (timeout 7)" in text
    assert text.index("gave no verdict on") < text.index("<svg")


@pytest.mark.parametrize("keep", ["harmful", "harmless", "failed"])
def test_data_of_one_class_or_without_verdicts_makes_a_page_too(keep: str) -> None:
    rows = [one for one in rows_of() if keep == "failed" or one.label == (keep == "harmful")]
    report = report_from(rows, fail=len(rows) if keep == "failed" else 0)
    assert Page(page(report)).open == []
    json.loads(encode(report))


def test_the_json_holds_what_it_takes_to_read_it_later() -> None:
    body = json.loads(encode(report_from(rows_of())))
    assert body["schema"] == SCHEMA
    assert set(body) == {
        "schema", "made", "command", "corral", "limit", "threshold", "resamples", "seed", "pool",
        "counted_hazards", "categories", "data", "guards",
    }  # fmt: skip
    guard = body["guards"][0]
    assert set(guard) == {
        "name", "revision", "hazards", "spans", "cost", "overall", "by_file", "by_subject",
        "by_hazard", "by_category", "by_kind", "by_lang", "cells", "failures", "shape", "examples",
    }  # fmt: skip
    assert set(guard["overall"]["figures"]["auroc"]) == {"value", "low", "high"}
    assert guard["examples"][0]["text"] is None


def test_the_index_of_rows_holds_no_text() -> None:
    lines = [json.loads(line) for line in row_index(rows_of()).splitlines()]
    assert len(lines) == 60
    assert set(lines[0]) == {
        "row", "file", "line", "label", "subject", "category", "kind", "lang",
    }  # fmt: skip


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for content in (b"one", b"two"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_no_figures_without_resamples_have_intervals() -> None:
    rows = rows_of()
    report = report_from(rows)
    plain = replace(report, terms=Terms(resamples=0))
    assert Page(page(plain)).open == []


def test_axes() -> None:
    assert share_axis("x").place(0.25) == 0.25
    log = log_share_axis("x")
    assert log.place(0.0) == 0.0
    assert log.place(1.0) == 1.0
    assert log.place(10**-1.5) == pytest.approx(0.5)
    assert axis_to("n", 0.13).high == pytest.approx(0.2)
    assert axis_to("n", 8.0).high == 8.0
    times = time_axis("ms", 0.2, 35.0)
    assert (times.low, times.high) == (0.1, 100.0)
    assert time_axis("ms", 1.0, 1.0).high == 10.0
    assert rounded_up(1000) == 1000
