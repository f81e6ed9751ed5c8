"""Labelled windows of text, from the data folder and from Corral's own rows."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse
import yaml
from numpy.typing import NDArray

from guards.embedded.features import BUCKETS, Features, extract
from guards.embedded.model import GROUP_SCALES, Field
from guards.embedded.normalise import normalise
from guards.embedded.segments import windows
from guards.embedded.training.goals import hazard_of_goal
from guards.embedded.training.taxonomy import (
    BENIGN,
    CLEAN,
    INJECTED,
    JAILBREAK,
    SAFE_REPLY,
    SOURCES,
    Label,
    UnmappedCategoryError,
    harm,
)
from guards.hazards import Hazard

OWN = "own"
OWN_ROWS = Path(__file__).parent.parent / "data"
MAX_WINDOWS = 4
MAX_SEARCHED_WINDOWS = 20
"""Of a document known to hide an instruction somewhere, which window it is must be found."""

FRAMES_PER_PHRASE = 10
HOST_CHARS = 120
"""Of the document on either side of a hidden sentence."""
_SEPARATORS = re.compile("[;；] *")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled text.

    Attributes:
        weight: of the whole text; its windows share it.
    """

    text: str
    source: str
    field: Field
    label: Label
    weight: float
    language: str = "en"


class MissingSourceError(ValueError):
    """The data folder lacks a source of the table, or has one the table does not name."""


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of one gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def load_sources(folder: Path, rng: random.Random) -> list[Example]:
    """Every mapped row of the data folder, capped and weighted by source.

    A source's weight grows with the square root of its size, so that large ones do not drown
    small ones.

    Raises:
        MissingSourceError: when the folder and the table do not name the same sources.
        UnmappedCategoryError: when a row's category is not in the table.
    """
    found = {path.name.removesuffix(".jsonl.gz"): path for path in folder.glob("*.jsonl.gz")}
    if found.keys() != SOURCES.keys():
        differing = ", ".join(sorted(found.keys() ^ SOURCES.keys()))
        raise MissingSourceError(f"data folder and table of sources differ in: {differing}")
    examples: list[Example] = []
    for source, mapping in SOURCES.items():
        rows: list[tuple[str, Label, str]] = []
        seen: set[str] = set()
        for row in read_rows(found[source]):
            label = mapping.label(source, row["category"], row["label"])
            text = row.get("response") if mapping.field is Field.REPLY else row["text"]
            if label is None or not text or text in seen:
                continue
            seen.add(text)
            rows.append((text, _named(label, row["text"]), row["lang"]))
        rng.shuffle(rows)
        del rows[mapping.cap :]
        each = mapping.weight * len(rows) ** -0.5 if rows else 0.0
        examples += [
            Example(
                text=text,
                source=source,
                field=mapping.field,
                label=label,
                weight=each,
                language=language,
            )
            for text, label, language in rows
        ]
    return examples


def _named(label: Label, request: str) -> Label:
    """Give a harmful row without a hazard the one its request speaks of."""
    if label.harmful and label.hazard is None:
        return Label(
            harmful=True,
            hazard=hazard_of_goal(request),
            jailbreak=label.jailbreak,
            injection=label.injection,
        )
    return label


_OWN_FILES: dict[str, Field] = {
    "harmful": Field.REQUEST,
    "attacks": Field.REQUEST,
    "benign": Field.REQUEST,
    "replies": Field.REPLY,
    "documents": Field.DATA,
}


def load_own(weight: float) -> list[Example]:
    """Corral's own rows; every row weighs ``weight``."""
    examples = []
    for name, field in _OWN_FILES.items():
        document = yaml.safe_load((OWN_ROWS / f"{name}.yaml").read_text(encoding="utf-8"))
        for category, languages in document.items():
            label = _own_label(category, field)
            examples += [
                Example(
                    text=str(text),
                    source=OWN,
                    field=field,
                    label=label,
                    weight=weight,
                    language=language,
                )
                for language, texts in languages.items()
                for text in texts
            ]
    return examples


def load_phrases(weight: float, rng: random.Random) -> list[Example]:
    """Phrases put into frames drawn at random; all sentences of a phrase share ``weight``."""
    document = yaml.safe_load((OWN_ROWS / "phrases.yaml").read_text(encoding="utf-8"))
    examples = []
    for phrases, frames in (
        ("do", "frames"),
        ("programs", "program_frames"),
        ("topics", "topic_frames"),
    ):
        for language, tree in document[phrases].items():
            grouped = tree if isinstance(tree, dict) else {"benign": tree}
            for category, lines in grouped.items():
                for phrase in (part for line in lines for part in _SEPARATORS.split(line)):
                    pool = document[frames][language]
                    chosen = rng.sample(pool, min(FRAMES_PER_PHRASE, len(pool)))
                    examples += [
                        Example(
                            text=frame.format(phrase),
                            source=OWN,
                            field=Field.REQUEST,
                            label=_own_label(category, Field.REQUEST),
                            weight=weight / len(chosen),
                            language=language,
                        )
                        for frame in chosen
                    ]
    return examples


def hide_instructions(examples: list[Example], count: int, rng: random.Random) -> list[Example]:
    """Own sentences for documents, put between pieces of harmless documents.

    Sentences with and without an instruction are hidden alike, so that a break in the text is no
    sign by itself.
    """
    hosts = [
        e.text
        for e in examples
        if e.field is Field.DATA and e.label.injection is False and e.source != OWN
    ]
    guests = [e for e in examples if e.field is Field.DATA and e.source == OWN]
    hidden = []
    for number in range(count):
        wanted = number % 2 == 0
        guest = rng.choice([e for e in guests if bool(e.label.injection) is wanted])
        host = rng.choice(hosts)
        at = rng.randrange(max(1, len(host) - 2 * HOST_CHARS))
        before, after = host[at : at + HOST_CHARS], host[at + HOST_CHARS : at + 2 * HOST_CHARS]
        hidden.append(
            Example(
                text=f"{before.rpartition(' ')[0]} {guest.text} {after.partition(' ')[2]}",
                source=OWN,
                field=Field.DATA,
                label=guest.label,
                weight=guest.weight * len(guests) / count,
            )
        )
    return hidden


def _own_label(category: str, field: Field) -> Label:
    match category, field:
        case "benign", Field.REQUEST:
            return BENIGN
        case "benign", Field.REPLY:
            return SAFE_REPLY
        case "benign", Field.DATA:
            return CLEAN
        case "prompt_injection", _:
            return INJECTED
        case "jailbreak", Field.REQUEST:
            return JAILBREAK
        case _:
            pass
    if category not in set(Hazard):
        raise UnmappedCategoryError(f"own rows: {category!r} is no hazard")
    label = harm(Hazard(category))
    return label if field is Field.REQUEST else Label(harmful=True, hazard=label.hazard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Feature matrix of all windows, one row each, and what each row belongs to.

    Attributes:
        matrix: shape (windows, BUCKETS), float32.
        example: index of each window's example, shape (windows,).
    """

    matrix: sparse.csr_matrix
    example: NDArray[np.int64]


def featurise(examples: list[Example], rng: random.Random | None = None) -> Windows:
    """Cut, hash and stack. With ``rng``, of a long text only some windows, drawn at random."""
    indices: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    lengths: list[int] = []
    owner: list[int] = []
    for number, example in enumerate(examples):
        pieces = windows(normalise(example.text))
        searched = example.field is Field.DATA and example.label.injection
        most = MAX_SEARCHED_WINDOWS if searched else MAX_WINDOWS
        if rng is not None and len(pieces) > most:
            pieces = rng.sample(pieces, most)
        for piece in pieces:
            found = extract(piece)
            indices += found
            values += _values(found)
            lengths.append(sum(map(len, found)))
            owner.append(number)
    pointer = np.concatenate(([0], np.cumsum(lengths)))
    matrix = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(indices), pointer),
        shape=(len(lengths), BUCKETS),
        dtype=np.float32,
    )
    matrix.sum_duplicates()
    return Windows(matrix=matrix, example=np.asarray(owner))


def _values(found: Features) -> list[NDArray[np.float32]]:
    return [
        np.full(len(group), scale / max(len(group), 1) ** 0.5, dtype=np.float32)
        for group, scale in zip(found, GROUP_SCALES, strict=True)
    ]
