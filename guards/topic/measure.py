"""How well topics are kept, on questions the guard has never seen.

``python -m guards.topic.measure`` prints recall and false positives of the three assistants in
``scenarios/``; ``--embedder ngrams`` or ``e5`` names what messages are compared by, ``--mistakes``
prints what was judged wrongly.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TextIO

import yaml

from guards.conversation import Exchange, Subject, text_message
from guards.embedded.normalise import normalise
from guards.topic.background import load_background
from guards.topic.choice import EmbedderName, choose
from guards.topic.guard import TopicGuard
from guards.topic.topics import Mode, Topic
from guards.verdict import Verdict

ON_TOPIC, OFF_TOPIC = "on_topic", "off_topic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and what it is.

    Attributes:
        side: ``on_topic``, ``off_topic``, or the name of the topic to avoid that it is on.
        kind: ``plain``, ``near_miss``, ``small_talk`` or ``follow_up``.
        before: what the person said before it; empty without.
    """

    side: str
    kind: str
    language: str
    text: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An assistant's topics, and questions to it."""

    name: str
    topics: tuple[Topic, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many of ``rows`` were flagged."""

    scenario: str
    side: str
    kind: str
    language: str
    flagged: int
    rows: int


def scenarios() -> Iterator[Scenario]:
    """The assistants that ship with the guard."""
    for file in sorted((files("guards.topic") / "scenarios").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            yield _read(file)


def _read(file: Traversable) -> Scenario:
    content = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Scenario(
        name=file.name.removesuffix(".yaml"),
        topics=tuple(
            Topic(
                name=name,
                mode=Mode(topic["mode"]),
                allow=_flat(topic.get("allow", {})),
                deny=_flat(topic.get("deny", {})),
            )
            for name, topic in content["topics"].items()
        ),
        questions=tuple(
            Question(side=side, kind=kind, language=language, **_row(row))
            for side, kinds in content["rows"].items()
            for kind, by_language in kinds.items()
            for language, rows in by_language.items()
            for row in rows
        ),
    )


def _flat(by_language: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(text for texts in by_language.values() for text in texts)


def _row(row: Any) -> dict[str, str]:
    return {"before": "", **(row if isinstance(row, dict) else {"text": row})}


async def flagged(guard: TopicGuard, scenario: Scenario, question: Question) -> bool:
    """Whether ``guard`` says of ``question`` what is asked of its side.

    A question on topic may be flagged by nothing, one off topic must be by the ``only`` topics,
    one on a topic to avoid by that topic.
    """
    context = (text_message(question.before, id="before"),) if question.before else ()
    verdict = await guard.judge(
        Exchange(
            subject=Subject.USER_INPUT,
            message=text_message(question.text, id="question"),
            context=context,
        )
    )
    if not isinstance(verdict, Verdict):
        raise TypeError("every question is short enough to be judged")
    only = {topic.name for topic in scenario.topics if topic.mode is Mode.ONLY}
    return any(
        finding.probability >= 0.5
        for finding in verdict.findings
        if question.side == ON_TOPIC
        or finding.custom in (only if question.side == OFF_TOPIC else {question.side})
    )


async def measure(name: EmbedderName, out: TextIO, *, mistakes: bool) -> list[Count]:
    """Judge every question of every scenario; what was counted, by scenario, kind, language."""
    embedder, background = choose(name)
    counts: list[Count] = []
    for scenario in scenarios():
        start, busy = time.perf_counter(), time.process_time()
        guard = TopicGuard(scenario.topics, embedder, background)
        made = f"{time.perf_counter() - start:.2f} s ({time.process_time() - busy:.2f} s of CPU)"
        start, busy = time.perf_counter(), time.process_time()
        found: dict[tuple[str, str, str], list[bool]] = {}
        for question in scenario.questions:
            hit = await flagged(guard, scenario, question)
            key = (question.side, question.kind, question.language)
            found.setdefault(key, []).append(hit)
            if mistakes and hit == (question.side == ON_TOPIC):
                print(f"  {question.side}/{question.kind}: {question.text}", file=out)
        rows = len(scenario.questions)
        each = 1e3 * (time.perf_counter() - start) / rows
        spent = 1e3 * (time.process_time() - busy) / rows
        print(
            f"{scenario.name}: {guard.revision}; made in {made}, "
            f"{each:.1f} ms a judgement ({spent:.1f} ms of CPU)",
            file=out,
        )
        counts += [
            Count(
                scenario=scenario.name,
                side=side,
                kind=kind,
                language=language,
                flagged=sum(hits),
                rows=len(hits),
            )
            for (side, kind, language), hits in found.items()
        ]
    return counts


def table(counts: Sequence[Count]) -> str:
    """Flagged shares by scenario: false positives on topic, recall elsewhere."""
    lines = []
    for scenario in [*dict.fromkeys(count.scenario for count in counts), "all"]:
        mine = [count for count in counts if scenario in {count.scenario, "all"}]
        lines.append(scenario)
        for label, chosen in _groups(mine):
            hit, rows = sum(c.flagged for c in chosen), sum(c.rows for c in chosen)
            if rows:
                lines.append(f"  {label:<38}{100 * hit / rows:6.1f} %  ({hit} of {rows})")
    return "\n".join(lines)


def _groups(counts: Sequence[Count]) -> Iterator[tuple[str, list[Count]]]:
    languages = sorted({count.language for count in counts})
    for side, label in ((ON_TOPIC, "false positives"), (OFF_TOPIC, "recall, off topic")):
        mine = [count for count in counts if count.side == side]
        yield label, mine
        for language in languages:
            yield f"  {language}", [c for c in mine if c.language == language]
        for kind in dict.fromkeys(count.kind for count in mine):
            yield f"  {kind}", [c for c in mine if c.kind == kind]
    avoided = [count for count in counts if count.side not in {ON_TOPIC, OFF_TOPIC}]
    yield "recall, topic to avoid", avoided
    for language in languages:
        yield f"  {language}", [c for c in avoided if c.language == language]


def repeated() -> list[str]:
    """Questions that stand among the examples or in the background, and so prove nothing."""
    background = load_background()
    known = {normalise(text) for text in (*background.small_talk, *background.requests)}
    return [
        question.text
        for scenario in scenarios()
        for question in scenario.questions
        if question.kind != "small_talk"
        and normalise(question.text)
        in known | {normalise(t) for topic in scenario.topics for t in (*topic.allow, *topic.deny)}
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m guards.topic.measure", description=__doc__)
    parser.add_argument("--embedder", choices=[*EmbedderName], default=EmbedderName.AUTO)
    parser.add_argument("--mistakes", action="store_true")
    chosen = parser.parse_args(arguments)
    counts = asyncio.run(
        measure(EmbedderName(chosen.embedder), sys.stdout, mistakes=chosen.mistakes)
    )
    print(table(counts))


if __name__ == "__main__":
    main()
