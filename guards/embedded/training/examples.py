"""Labelled windows of text, from the data folder and from Corral's own rows."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from guards.embedded.features import BUCKETS, Features, extract
from guards.embedded.heads import Field
from guards.embedded.model import GROUP_SCALES
from guards.embedded.normalise import normalise
from guards.embedded.segments import windows
from guards.embedded.training.goals import hazard_of_goal
from guards.embedded.training.rows import OWN, Example
from guards.embedded.training.taxonomy import SOURCES, Label, SourceMap

MAX_WINDOWS = 4
MAX_SEARCHED_WINDOWS = 20
"""Of a document known to hide an instruction somewhere, which window it is must be found."""

EDGE = 40
"""Characters by whose equality at the start or end a document is told to be another's twin."""

HOST_CHARS = 120
"""Of the document on either side of a hidden sentence."""


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
    return [
        example
        for source, mapping in SOURCES.items()
        for example in _read_source(source, mapping, found[source], rng)
    ]


def _read_source(source: str, mapping: SourceMap, path: Path, rng: random.Random) -> list[Example]:
    rows: list[Example] = []
    seen: set[str] = set()
    for row in read_rows(path):
        label = mapping.label(source, row["category"], row["label"])
        reply = mapping.field is Field.REPLY
        text = row.get("response") if reply else row["text"]
        if label is None or not text or text in seen:
            continue
        seen.add(text)
        rows.append(
            Example(
                text=text,
                source=source,
                field=mapping.field,
                label=_named(label, row["text"]),
                weight=1.0,
                language=row["lang"],
                context=row["text"] if reply and row["text"] != text else "",
            )
        )
    if mapping.field is Field.DATA:
        rows = mark_instructions(rows)
    rng.shuffle(rows)
    del rows[mapping.cap :]
    each = mapping.weight * len(rows) ** -0.5 if rows else 0.0
    return [replace(row, weight=each) for row in rows]


def mark_instructions(documents: list[Example]) -> list[Example]:
    """Find the instruction of every injected document that also comes without one.

    What differs between the two is the instruction.
    """
    clean = [e.text for e in documents if not e.label.injection]
    starts = {text[:EDGE]: text for text in clean}
    ends = {text[-EDGE:]: text for text in clean}
    marked = []
    for document in documents:
        text = document.text
        twin = starts.get(text[:EDGE]) or ends.get(text[-EDGE:])
        if not document.label.injection or twin is None or len(twin) >= len(text):
            marked.append(document)
            continue
        before = _common(text, twin)
        end = len(text) - _common(text[before:][::-1], twin[before:][::-1])
        marked.append(replace(document, spans=((before, end),)))
    return marked


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with together."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


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
        start, end = guest.spans[0] if guest.spans else _sentence(guest.text)
        host = rng.choice(hosts)
        at = rng.randrange(max(1, len(host) - 2 * HOST_CHARS))
        before = host[at : at + HOST_CHARS].rpartition(" ")[0]
        after = host[at + HOST_CHARS : at + 2 * HOST_CHARS].partition(" ")[2]
        instruction = guest.text[start:end].strip()
        place = len(before) + 1
        hidden.append(
            replace(
                guest,
                text=f"{before} {instruction} {after}",
                weight=guest.weight * len(guests) / count,
                spans=((place, place + len(instruction)),) if wanted else (),
                group="",
            )
        )
    return hidden


def _sentence(text: str) -> tuple[int, int]:
    """Of a longer text its first sentences, about as long as an instruction."""
    if len(text) <= 2 * HOST_CHARS:
        return 0, len(text)
    end = max(text.rfind(". ", 0, 2 * HOST_CHARS), text.rfind("\n", 0, 2 * HOST_CHARS))
    return 0, end + 1 if end > HOST_CHARS // 2 else 2 * HOST_CHARS


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
