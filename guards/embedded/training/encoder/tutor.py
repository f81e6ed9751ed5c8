"""Fits heads and encoder to the lessons."""

import copy
import math
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses
from torch import Tensor, nn

from guards.embedded.heads import Detector
from guards.embedded.tokens import PAD
from guards.embedded.training.detectors import CONTENT
from guards.embedded.training.encoder.distil import padded
from guards.embedded.training.encoder.lessons import Lesson, Syllabus
from guards.embedded.training.encoder.student import Encoder

BATCH_TOKENS = 2048
POOL_BATCHES = 24
"""Batches whose lessons are sorted by length together, so that little is padding."""

LENGTHS = 16
"""Lengths are rounded up to a multiple of this, so that there are few shapes to prepare for."""

SMOOTHING = 0.04
MARKS_IMPORTANCE = 0.5
DECAY = 0.998
"""Of the averaged weights, per step: they are a mean of about the last five hundred steps."""


class Judge(nn.Module):
    """The encoder with its heads.

    Every column looks at the tokens with a weighting of its own: its logit is the mean of a
    linear function of the tokens, weighted by the softmax of another. Column by column that finds
    the few tokens that matter, in a window where the rest is harmless.
    """

    def __init__(self, encoder: Encoder, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.words.shape[1]
        columns = len(Detector) + len(CONTENT)
        self.evidence = nn.Linear(width, columns)
        self.attention = nn.Linear(width, columns, bias=False)
        self.mark = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.evidence.weight)
        nn.init.zeros_(self.mark.weight)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of detectors and hazards (batch, columns), marks (batch, tokens)."""
        hidden = self.dropout(self.encoder(tokens, mask))
        attention = self.attention(hidden).float().masked_fill(~mask.unsqueeze(-1), -1e4)
        logits = (attention.softmax(1) * self.evidence(hidden).float()).sum(1)
        return logits, self.mark(hidden).float().squeeze(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the fit runs.

    Attributes:
        lessons: drawn in all.
        rate: of the top layer; every layer below learns at ``layer_decay`` times the one above.
        frozen: lowest layers that keep their weights, with the embeddings.
    """

    lessons: int
    rate: float = 1e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.85
    weight_decay: float = 0.05
    warm_up: float = 0.06
    frozen: int = 0


class Average:
    """Running mean of the weights over the steps of the fit."""

    def __init__(self, judge: Judge) -> None:
        self.judge: Judge = copy.deepcopy(judge).eval()
        self.steps = 0

    def update(self, judge: Judge, decay: float) -> None:
        self.steps += 1
        share = 1.0 - min(decay, self.steps / (self.steps + 10.0))
        with torch.no_grad():
            for mine, theirs in zip(self.judge.parameters(), judge.parameters(), strict=True):
                mine.lerp_(theirs, share)


def fit(judge: Judge, syllabus: Syllabus, plan: Plan) -> Judge:
    """Fit in place; returns the averaged weights."""
    optimiser = torch.optim.AdamW(_groups(judge, plan), weight_decay=plan.weight_decay)
    peaks = [group["lr"] for group in optimiser.param_groups]
    average = Average(judge)
    start = time.monotonic()
    done = steps = 0
    total = 0.0
    judge.train()
    while done < plan.lessons:
        lessons = list(syllabus.draw(POOL_BATCHES * 96))
        for batch in _batches(lessons, syllabus):
            progress = done / plan.lessons
            pace = min(1.0, progress / plan.warm_up) * 0.5 * (1.0 + math.cos(math.pi * progress))
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * max(pace, 1e-3)
            loss = _loss(judge, batch)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimiser.step()
            average.update(judge, DECAY)
            done += len(batch)
            steps += 1
            total += loss.item()
            if steps % 100 == 0:
                pace_seen = done / (time.monotonic() - start)
                sys.stderr.write(
                    f"{done} lessons, loss {total / 100:.3f}, {pace_seen:.0f} a second\n"
                )
                total = 0.0
            if done >= plan.lessons:
                break
    return average.judge


def _groups(judge: Judge, plan: Plan) -> list[dict[str, object]]:
    heads = [*judge.evidence.parameters(), *judge.attention.parameters(), *judge.mark.parameters()]
    groups: list[dict[str, object]] = [{"params": heads, "lr": plan.head_rate}]
    depth = len(judge.encoder.layers)
    for number, layer in enumerate(judge.encoder.layers):
        if number < plan.frozen:
            layer.requires_grad_(requires_grad=False)
            continue
        rate = plan.rate * plan.layer_decay ** (depth - 1 - number)
        groups.append({"params": list(layer.parameters()), "lr": rate})
    judge.encoder.positions.requires_grad_(requires_grad=False)
    judge.encoder.norm.requires_grad_(requires_grad=False)
    return groups


def _batches(lessons: Sequence[Lesson], syllabus: Syllabus) -> list[list[Lesson]]:
    groups: dict[int, list[Lesson]] = defaultdict(list)
    for lesson in lessons:
        groups[-(-len(lesson.tokens) // LENGTHS) * LENGTHS].append(lesson)
    made: list[list[Lesson]] = []
    for length, group in groups.items():
        size = BATCH_TOKENS // length
        # What does not fill a batch is left out: every new shape costs more than it teaches.
        made += [group[at : at + size] for at in range(0, len(group) - size + 1, size)]
    syllabus.rng.shuffle(made)
    return made


def _loss(judge: Judge, batch: Sequence[Lesson]) -> Tensor:
    tokens, mask = padded([lesson.tokens for lesson in batch], PAD, LENGTHS)
    labels = torch.tensor([lesson.labels for lesson in batch])
    weights = torch.tensor([lesson.weights for lesson in batch])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, marks = judge(tokens, mask)
    detectors = logits[:, : len(Detector)]
    soft = labels * (1.0 - 2.0 * SMOOTHING) + SMOOTHING
    losses = F.binary_cross_entropy_with_logits(detectors, soft, reduction="none")
    loss = (losses * weights).sum() / len(batch)
    hazards = torch.tensor([lesson.hazard for lesson in batch])
    known = hazards >= 0
    if known.any():
        shares = F.cross_entropy(
            logits[known, len(Detector) :],
            hazards[known],
            reduction="none",
            label_smoothing=SMOOTHING,
        )
        shared = torch.tensor([lesson.hazard_weight for lesson in batch])[known]
        loss = loss + (shares * shared).sum() / len(batch)
    return loss + MARKS_IMPORTANCE * _marks_loss(marks, batch)


def _marks_loss(marks: Tensor, batch: Sequence[Lesson]) -> Tensor:
    rows = [number for number, lesson in enumerate(batch) if lesson.marks is not None]
    if not rows:
        return torch.zeros(())
    total = torch.zeros(())
    for number in rows:
        wanted = torch.tensor(batch[number].marks)
        found = marks[number, : len(wanted)]
        total = total + F.binary_cross_entropy_with_logits(found, wanted)
    return total / len(batch)
