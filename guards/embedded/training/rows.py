"""Corral's own rows: every file of ``data/requests``, ``pairs``, ``documents`` and ``replies``."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from guards.embedded.heads import Field
from guards.embedded.training.taxonomy import (
    BENIGN,
    CLEAN,
    INJECTED,
    JAILBREAK,
    SAFE_REPLY,
    UNSAFE_REPLY,
    Label,
    harm,
)
from guards.hazards import Hazard

OWN = "own"
ROWS = Path(__file__).parent.parent / "data"
FRAMES_PER_PHRASE = 10
TEXTS_PER_TASK = 10
FRAMES_PER_TOPIC = 5
SHORTEST_TWIN = 20
"""Characters a document must keep without its instruction to count as a clean one."""

_LANGUAGE = re.compile("[a-z]{2,3}(-[a-z]+)?")
_SEPARATORS = re.compile("[;；] *")
_INSTRUCTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_BENIGN = "benign"
_FREED = "harmful.jailbreak"
"""Replies of an assistant that took off its rules; harmful, but no hazard by themselves."""

_CONTENT = frozenset(tuple(Hazard)[:14])


class OwnRowError(ValueError):
    """A file of own rows that is not in the form described in ``data/README.md``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled text.

    Attributes:
        weight: of the whole text; its windows share it.
        context: the request a reply answers, or nothing.
        spans: where the injected instructions stand, if known; character ranges of ``text``.
        group: examples of one group differ only in intent.
    """

    text: str
    source: str
    field: Field
    label: Label
    weight: float
    language: str = "en"
    context: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    place: str
    category: str
    language: str
    value: Any

    def error(self, what: str) -> OwnRowError:
        return OwnRowError(f"{self.place}: {what}")

    def text(self, value: Any) -> str:
        """Raises: OwnRowError."""
        if not isinstance(value, str) or not value.strip():
            raise self.error("expected a text that is not empty")
        return value


def _rows(folder: Path) -> Iterator[_Row]:
    """Raises: OwnRowError."""
    for path in sorted(folder.glob("*.yaml")):
        place = f"{folder.name}/{path.name}"
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise OwnRowError(f"{place}: not YAML") from error
        if not isinstance(document, dict):
            raise OwnRowError(f"{place}: expected a mapping from category to languages")
        for category, languages in document.items():
            if not isinstance(languages, dict):
                raise OwnRowError(f"{place}: {category}: expected a mapping from language to rows")
            for language, values in languages.items():
                if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
                    raise OwnRowError(f"{place}: {category}: {language!r} is no language code")
                for number, value in enumerate(values or (), start=1):
                    yield _Row(
                        place=f"{place}: {category}.{language}, row {number}",
                        category=str(category),
                        language=language,
                        value=value,
                    )


def load_own(weight: float, folder: Path = ROWS) -> list[Example]:
    """All own rows; each weighs ``weight``.

    Raises:
        OwnRowError: for a category that is unknown or a row of another form.
    """
    return [
        *_requests(folder / "requests", weight),
        *_pairs(folder / "pairs", weight),
        *_documents(folder / "documents", weight),
        *_replies(folder / "replies", weight),
    ]


def _requests(folder: Path, weight: float) -> Iterator[Example]:
    for row in _rows(folder):
        yield Example(
            text=row.text(row.value),
            source=OWN,
            field=Field.REQUEST,
            label=_request_label(row),
            weight=weight,
            language=row.language,
        )


def _request_label(row: _Row) -> Label:
    match row.category:
        case "jailbreak":
            return JAILBREAK
        case "prompt_injection":
            return INJECTED
        case _ if _is_benign(row.category):
            return BENIGN
        case _:
            return harm(_hazard(row))


def _is_benign(category: str) -> bool:
    return category == _BENIGN or category.startswith(f"{_BENIGN}.")


def _hazard(row: _Row, prefix: str = "") -> Hazard:
    name = row.category.removeprefix(prefix)
    if name not in _CONTENT or not row.category.startswith(prefix):
        raise row.error(f"unknown category {row.category!r}")
    return Hazard(name)


def _pairs(folder: Path, weight: float) -> Iterator[Example]:
    for row in _rows(folder):
        if not isinstance(row.value, list) or len(row.value) != 2:
            raise row.error("expected [harmful, benign]")
        for text, label in zip(row.value, (harm(_hazard(row)), BENIGN), strict=True):
            yield Example(
                text=row.text(text),
                source=OWN,
                field=Field.REQUEST,
                label=label,
                weight=weight,
                language=row.language,
                group=row.place,
            )


def _documents(folder: Path, weight: float) -> Iterator[Example]:
    for row in _rows(folder):
        whole = row.text(row.value)
        text, spans = _marked(whole)
        if "{{" in text or "}}" in text:
            raise row.error("a double brace is not closed")
        clean = re.sub(r"\s{2,}", " ", _INSTRUCTION.sub("", whole)).strip()
        twin = spans and len(clean) >= SHORTEST_TWIN
        group = row.place if twin else ""
        injected = Example(
            text=text,
            source=OWN,
            field=Field.DATA,
            label=INJECTED,
            weight=weight,
            language=row.language,
            spans=spans,
            group=group,
        )
        if spans:
            yield injected
        if twin or not spans:
            yield replace(injected, text=clean, label=CLEAN, spans=())


def _marked(text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text without the braces, and where what stood between them is now."""
    parts: list[str] = []
    spans = []
    at = size = 0
    for found in _INSTRUCTION.finditer(text):
        before, inside = text[at : found.start()], found[1]
        start = size + len(before)
        parts += (before, inside)
        size = start + len(inside)
        spans.append((start, size))
        at = found.end()
    return "".join((*parts, text[at:])), tuple(spans)


def _replies(folder: Path, weight: float) -> Iterator[Example]:
    for row in _rows(folder):
        if not isinstance(row.value, list) or len(row.value) != 2:
            raise row.error("expected [request, reply]")
        request, reply = row.value
        if not isinstance(request, str):
            raise row.error("expected the request to be a text")
        if _is_benign(row.category):
            label = SAFE_REPLY
        elif row.category == _FREED:
            label = UNSAFE_REPLY
        else:
            label = Label(harmful=True, hazard=_hazard(row, "harmful."))
        yield Example(
            text=row.text(reply),
            source=OWN,
            field=Field.REPLY,
            label=label,
            weight=weight,
            language=row.language,
            context=request.strip(),
        )


def load_phrases(weight: float, rng: random.Random, folder: Path = ROWS) -> list[Example]:
    """Phrases put into frames drawn at random; all sentences of a phrase share ``weight``."""
    document = yaml.safe_load((folder / "phrases.yaml").read_text(encoding="utf-8"))
    examples = []
    for phrases, frames in (
        ("do", "frames"),
        ("programs", "program_frames"),
        ("topics", "topic_frames"),
    ):
        for language, tree in document[phrases].items():
            grouped = tree if isinstance(tree, dict) else {_BENIGN: tree}
            for category, lines in grouped.items():
                row = _Row(place="phrases.yaml", category=category, language=language, value=None)
                for phrase in (part for line in lines for part in _SEPARATORS.split(line)):
                    pool = document[frames][language]
                    chosen = rng.sample(pool, min(FRAMES_PER_PHRASE, len(pool)))
                    examples += [
                        Example(
                            text=frame.format(phrase),
                            source=OWN,
                            field=Field.REQUEST,
                            label=_request_label(row),
                            weight=weight / len(chosen),
                            language=language,
                        )
                        for frame in chosen
                    ]
    return examples


def load_tasks(weight: float, rng: random.Random, folder: Path = ROWS) -> list[Example]:
    """Programming tasks of several sentences, put together at random; all texts of a purpose
    share ``weight``."""
    document = yaml.safe_load((folder / "tasks.yaml").read_text(encoding="utf-8"))
    examples = []
    for category, purposes in document["purposes"].items():
        row = _Row(place="tasks.yaml", category=category, language="en", value=None)
        for purpose in purposes:
            for _ in range(TEXTS_PER_TASK):
                opening = rng.choice(document["openings"]["en"])
                first = opening.format(language=rng.choice(document["languages"]), purpose=purpose)
                more = rng.sample(document["requirements"]["en"], rng.randrange(5))
                examples.append(
                    Example(
                        text=" ".join((first, *more)),
                        source=OWN,
                        field=Field.REQUEST,
                        label=_request_label(row),
                        weight=weight / TEXTS_PER_TASK,
                    )
                )
    return examples


def load_prevention(weight: float, rng: random.Random, folder: Path = ROWS) -> list[Example]:
    """Harmless questions about harms, drawn at random; all texts of a harm share ``weight``."""
    document = yaml.safe_load((folder / "prevention.yaml").read_text(encoding="utf-8"))
    return [
        Example(
            text=frame.format(topic),
            source=OWN,
            field=Field.REQUEST,
            label=BENIGN,
            weight=weight / FRAMES_PER_TOPIC,
            language=language,
        )
        for language, topics in document["topics"].items()
        for topic in topics
        for frame in rng.sample(document["frames"][language], FRAMES_PER_TOPIC)
    ]
