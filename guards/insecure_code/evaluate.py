"""How good the guard is on labelled code: ``python -m guards.insecure_code.evaluate --data DIR``.

``DIR`` holds ``*.jsonl`` or ``*.jsonl.gz`` files whose rows of kind ``code`` have ``text``,
``label`` (1 insecure, 0 not), ``lang`` and ``category`` (a CWE). Rows of the same ``group`` and
``category`` with both labels are the same code before and after its repair.
"""

import argparse
import asyncio
import gzip
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from guards.conversation import BY_MODEL, Exchange, Role, Subject, text_message
from guards.detection import Hit
from guards.insecure_code.deep import DeepInsecureCodeGuard
from guards.insecure_code.flow import FlowError, Limits
from guards.insecure_code.guard import InsecureCodeGuard
from guards.insecure_code.languages import language_named
from guards.insecure_code.matching import Matcher
from guards.insecure_code.rule import rule_book
from guards.verdict import Unscanned

LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One piece of code and whether it is insecure."""

    text: str
    label: int
    language: str
    cwe: str
    pair: str | None


@dataclass(slots=True)
class Count:
    """How many rows there were and how many were flagged, by label; and pairs told apart."""

    rows: Counter[int] = field(default_factory=Counter)
    flagged: Counter[int] = field(default_factory=Counter)
    right_cwe: int = 0
    pairs: int = 0
    told_apart: int = 0

    def as_json(self) -> dict[str, Any]:
        """Rates by name; a rate without rows is left out."""
        rates: dict[str, Any] = {"insecure": self.rows[1], "secure": self.rows[0]}
        if self.rows[1]:
            rates["recall"] = round(self.flagged[1] / self.rows[1], 4)
            rates["recall_same_cwe"] = round(self.right_cwe / self.rows[1], 4)
        if self.rows[0]:
            rates["flag_rate_secure"] = round(self.flagged[0] / self.rows[0], 4)
        if self.pairs:
            rates["pairs"] = self.pairs
            rates["pair_accuracy"] = round(self.told_apart / self.pairs, 4)
        return rates


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of kind ``code`` in a file.

    Raises:
        ValueError: a line is no row; names the file and line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                item = json.loads(line)
                if item.get("kind") != "code":
                    continue
                group = item.get("group")
                cwe = str(item["category"]).upper().replace("CWE-0", "CWE-")
                yield Row(
                    text=item["text"],
                    label=int(item["label"]),
                    language=item["lang"],
                    cwe=cwe,
                    pair=None if group is None else f"{group}|{cwe}",
                )
            except (ValueError, KeyError, AttributeError) as error:
                raise ValueError(f"{path.name}:{number}: is no labelled code") from error


def as_reply(row: Row) -> str:
    """A reply with the row's code in a fence that names its language."""
    return f"Here it is:\n\n```{row.language}\n{row.text.replace('```', '')}\n```\n"


Find = Callable[[str], Sequence[Hit]]
"""What a tier finds in a whole reply."""


def fast_tier() -> Find:
    """A fast guard that has judged nothing yet."""
    guard = InsecureCodeGuard()
    return lambda reply: guard.find(reply, Subject.REPLY)


def deep_tier() -> Find:
    """A deep guard, which starts a process for each block of code.

    Raises:
        ImportError: its engine is not installed.
    """
    guard = DeepInsecureCodeGuard(limits=Limits(seconds=60))

    async def judged(reply: str) -> list[Hit]:
        message = text_message(reply, id="m", role=Role.ASSISTANT, provenance=BY_MODEL)
        verdict = await guard.judge(Exchange(subject=Subject.REPLY, message=message))
        if isinstance(verdict, Unscanned):
            raise FlowError(verdict.detail)
        return [
            Hit(start=f.span.start, end=f.span.end, label=f.label, probability=f.probability)
            for f in verdict.findings
            if f.span is not None and f.label is not None
        ]

    return lambda reply: asyncio.run(judged(reply))


def measure(
    find: Find, rows: Iterable[Row], threshold: float
) -> tuple[dict[tuple[str, str], Count], Count]:
    """Counts by language and CWE, and over all."""
    by: dict[tuple[str, str], Count] = defaultdict(Count)
    every = Count()
    pairs: dict[str, dict[int, bool]] = defaultdict(dict)
    where: dict[str, tuple[str, str]] = {}
    for row in rows:
        hits = [hit for hit in find(as_reply(row)) if hit.probability >= threshold]
        cell = (row.language, row.cwe)
        for count in (by[cell], every):
            count.rows[row.label] += 1
            count.flagged[row.label] += bool(hits)
            count.right_cwe += row.label == 1 and _names(hits, row.cwe)
        if row.pair is not None:
            pairs[row.pair][row.label] = bool(hits)
            where[row.pair] = cell
    for pair, flags in pairs.items():
        if len(flags) == 2:
            for count in (by[where[pair]], every):
                count.pairs += 1
                count.told_apart += flags[1] and not flags[0]
    return by, every


def _names(hits: Sequence[Hit], cwe: str) -> bool:
    return any(hit.label == cwe for hit in hits)


def measure_rules(rows: Iterable[Row]) -> dict[str, Count]:
    """Rows each rule matches, whatever its probability."""
    book = rule_book()
    matcher = Matcher(book)
    by: dict[str, Count] = defaultdict(Count)
    for row in rows:
        language = language_named(row.language)
        if language is None:
            continue
        matched = {m.rule.model.id for m in matcher.matches(row.text, language, whole=True)}
        for rule_id in matched:
            by[rule_id].flagged[row.label] += 1
            by[rule_id].right_cwe += row.cwe == book.rule(rule_id).label and row.label == 1
    return by


def latency(tier: Callable[[], Find], rows: Sequence[Row]) -> dict[str, float]:
    """Milliseconds for a reply of about 100 lines of one language, never seen before.

    ``cpu`` is this process's own, so it leaves out what other programs took in the meantime,
    and the deep tier's engine.
    """
    took = []
    cpu = []
    for language in sorted({row.language for row in rows}):
        lines: list[str] = []
        for row in rows:
            if row.language != language:
                continue
            lines += row.text.split("\n")
            if len(lines) >= LINES:
                reply = f"```{language}\n" + "\n".join(lines[:LINES]) + "\n```\n"
                lines = []
                find = tier()
                start, start_cpu = time.perf_counter(), time.thread_time()
                find(reply)
                cpu.append((time.thread_time() - start_cpu) * 1e3)
                took.append((time.perf_counter() - start) * 1e3)
    if not took:
        return {}
    figures = {"replies": float(len(took))}
    for name, values in (("", took), ("cpu_", cpu)):
        p50, p95 = np.percentile(values, (50, 95))
        figures[f"{name}p50_ms"] = round(float(p50), 2)
        figures[f"{name}p95_ms"] = round(float(p95), 2)
    return figures


def report(
    path: Path, tier: Callable[[], Find], threshold: float, *, rules: bool
) -> dict[str, Any] | None:
    """Everything measured on one file; ``None`` where it has no code."""
    rows = list(read_rows(path))
    if not rows:
        return None
    by, every = measure(tier(), rows, threshold)
    languages: dict[str, Count] = defaultdict(Count)
    for (language, _), count in by.items():
        total = languages[language]
        total.rows += count.rows
        total.flagged += count.flagged
        total.right_cwe += count.right_cwe
        total.pairs += count.pairs
        total.told_apart += count.told_apart
    result: dict[str, Any] = {
        "all": every.as_json(),
        "by_language": {k: v.as_json() for k, v in sorted(languages.items())},
        "by_cwe": {f"{lang} {cwe}": v.as_json() for (lang, cwe), v in sorted(by.items())},
        "latency_100_lines": latency(tier, rows),
    }
    if rules:
        result["by_rule"] = {
            rule_id: {
                "insecure": count.flagged[1],
                "same_cwe": count.right_cwe,
                "secure": count.flagged[0],
            }
            for rule_id, count in sorted(measure_rules(rows).items())
        }
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report as JSON; 2 when there is nothing to measure."""
    parser = argparse.ArgumentParser(
        prog="python -m guards.insecure_code.evaluate",
        description="Measure the insecure-code guard on labelled code.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of .jsonl(.gz) files")
    parser.add_argument("--tier", choices=_TIERS, default="fast", help="which tier judges")
    parser.add_argument("--threshold", type=float, default=0.5, help="probability that flags")
    parser.add_argument("--rules", action="store_true", help="also count each rule's matches")
    options = parser.parse_args(arguments)
    files = sorted((*options.data.glob("*.jsonl"), *options.data.glob("*.jsonl.gz")))
    results = {}
    try:
        for path in files:
            measured = report(path, _TIERS[options.tier], options.threshold, rules=options.rules)
            if measured is not None:
                results[path.name.split(".", 1)[0]] = measured
    except (ValueError, ImportError, FlowError, TimeoutError) as error:
        print(str(error) or "the engine took too long", file=sys.stderr)
        return 2
    if not results:
        print(f"{options.data}: no file there has rows of kind code", file=sys.stderr)
        return 2
    print(
        json.dumps(
            {"tier": options.tier, "threshold": options.threshold, "sets": results}, indent=1
        )
    )
    return 0


_TIERS = {"fast": fast_tier, "deep": deep_tier}

if __name__ == "__main__":
    sys.exit(main())
