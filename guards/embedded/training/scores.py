"""What a tier makes of the sets of ``dev/``."""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guards.embedded.encoder import Encoder
from guards.embedded.heads import Detector, Field, Head
from guards.embedded.normalise import normalise
from guards.embedded.passages import passage
from guards.embedded.segments import windows
from guards.embedded.tokens import CONTEXT_TOKENS, Tokens, cut
from guards.embedded.training.detectors import CONTENT, best_windows
from guards.embedded.training.devsets import (
    DATA_SETS,
    REPLY_SETS,
    REQUEST_SETS,
    DevRow,
    read_set,
)

MOST_ROWS = 400
"""Rows of a set that are used, drawn by a fixed seed."""

MOST_WINDOWS = 8
SEED = 7

Scores = NDArray[np.float64]
_DETECTORS = {detector: i for i, detector in enumerate(Detector)}
Judge = Callable[[Sequence[DevRow]], Iterator[tuple[int, Scores]]]
"""Row by row: its number, and the logits (windows, columns) of its windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevScores:
    """Logits and log-shares of every window of every row, by set."""

    rows: dict[str, list[DevRow]]
    logits: dict[str, Scores]
    owner: dict[str, NDArray[np.int64]]

    def best(self, name: str, detector: Detector, keep: Sequence[bool]) -> Scores:
        """Logits of the window a detector finds worst, one row per kept text."""
        scores = self.logits[name][:, _DETECTORS[detector]]
        chosen = best_windows(scores, self.owner[name]) & np.asarray(keep)[self.owner[name]]
        _, first = np.unique(self.owner[name][chosen], return_index=True)
        result: Scores = self.logits[name][chosen][first]
        return result

    def highest(self, name: str, odds: Scores) -> Scores:
        """Highest of ``odds`` (one per window) for each text of a set."""
        result = np.full(len(self.rows[name]), -np.inf)
        np.maximum.at(result, self.owner[name], odds)
        return result

    def head(self, name: str, head: Head) -> Scores:
        """Calibrated log-odds of one head for every window of a set."""
        logits = self.logits[name]
        odds = head.slope * logits[:, _DETECTORS[head.detector]] + head.offset
        if head.share_slope:
            odds = odds + head.share_slope * logits[:, len(Detector) + CONTENT.index(head.hazard)]
        return odds


def rows_of(folder: Path, name: str) -> list[DevRow]:
    """The rows of a set that are used."""
    rows = list(read_set(folder, name))
    random.Random(SEED).shuffle(rows)  # noqa: S311 - sampling, nothing secret
    return rows[:MOST_ROWS]


def score(folder: Path, judge: Judge) -> DevScores:
    """Every set judged by one tier."""
    rows: dict[str, list[DevRow]] = {}
    logits: dict[str, Scores] = {}
    owner: dict[str, NDArray[np.int64]] = {}
    for name in (*REQUEST_SETS, *REPLY_SETS, *DATA_SETS):
        rows[name] = rows_of(folder, name)
        numbers, found = zip(*judge(rows[name]), strict=True)
        logits[name] = np.concatenate(found)
        owner[name] = np.repeat(numbers, [len(each) for each in found])
        sys.stderr.write(f"scored {name}\n")
    return DevScores(rows=rows, logits=logits, owner=owner)


def text_of(row: DevRow) -> str:
    """Normalised the way the guard does it."""
    return passage(row.text).text if row.field is Field.DATA else normalise(row.text)


def by_model(logits: Callable[[str], NDArray[np.float32]]) -> Judge:
    """The fast tier's judge."""

    def judge(rows: Sequence[DevRow]) -> Iterator[tuple[int, Scores]]:
        for number, row in enumerate(rows):
            yield number, np.stack([logits(window) for window in windows(text_of(row))])

    return judge


def by_encoder(encoder: Encoder, tokens: Tokens) -> Judge:
    """The accurate tier's judge."""

    def judge(rows: Sequence[DevRow]) -> Iterator[tuple[int, Scores]]:
        for number, row in enumerate(rows):
            numbers = tokens.numbers(text_of(row))
            context = tokens.numbers(normalise(row.context))[-CONTEXT_TOKENS:]
            framed = [
                tokens.framed(numbers[start:end], row.field, context)
                for start, end in cut(len(numbers))[:MOST_WINDOWS]
            ]
            yield number, np.stack([seen.logits for seen in encoder.see(framed)])

    return judge
