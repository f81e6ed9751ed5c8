"""Teaches a shallow encoder what the deep one it was cut from makes of every token."""

import random
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from guards.embedded.training.encoder.student import Encoder, pooled

BATCH_TOKENS = 2048
LONGEST = 64


def batches(
    rows: Sequence[Sequence[int]], rng: random.Random, pad: int
) -> list[tuple[Tensor, Tensor]]:
    """Rows of token numbers in batches of like length; tokens and mask, both (rows, tokens)."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), rng.random()))
    made: list[tuple[Tensor, Tensor]] = []
    chosen: list[int] = []
    for place, number in enumerate(order):
        chosen.append(number)
        longest = len(rows[order[place + 1]]) if place + 1 < len(order) else 0
        if not longest or longest * (len(chosen) + 1) > BATCH_TOKENS:
            made.append(padded([rows[i] for i in chosen], pad))
            chosen = []
    rng.shuffle(made)
    return made


def padded(rows: Sequence[Sequence[int]], pad: int, multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Token numbers and mask of rows of unlike length, filled up to a multiple of a length."""
    longest = -(-max(map(len, rows)) // multiple) * multiple
    tokens = torch.full((len(rows), longest), pad)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows])
    return tokens, torch.arange(longest)[None] < lengths[:, None]


def distil(
    student: Encoder,
    teacher: Encoder,
    rows: Sequence[Sequence[int]],
    *,
    steps: int,
    rate: float,
    rng: random.Random,
    pad: int,
) -> None:
    """Fit every layer of ``student`` to the teacher's layer at the same relative depth.

    The loss is the mean square difference of hidden states over tokens, with that of the pooled
    vectors. Over ``steps`` batches the rate falls linearly to zero.
    """
    stride = len(teacher.layers) // len(student.layers)
    optimiser = torch.optim.AdamW(student.parameters(), lr=rate, weight_decay=0.01)
    seen = 0
    teacher.eval()
    student.train()
    while True:
        for tokens, mask in batches(rows, rng, pad):
            if seen == steps:
                return
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (seen + 1) / 50) * (1.0 - seen / steps)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                with torch.no_grad():
                    deep = teacher.states(tokens, mask)[::stride]
                shallow = student.states(tokens, mask)
            loss = _difference(shallow, deep, mask)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            seen += 1
            if seen % 50 == 0:
                with torch.no_grad():
                    near = torch.cosine_similarity(
                        pooled(shallow[-1].float(), mask), pooled(deep[-1].float(), mask)
                    )
                sys.stderr.write(f"{seen} {loss.item():.4f} cosine {near.mean():.4f}\n")


def _difference(shallow: list[Tensor], deep: list[Tensor], mask: Tensor) -> Tensor:
    weights = mask.unsqueeze(-1).float()
    total = weights.sum()
    loss = torch.zeros(())
    for number, (mine, theirs) in enumerate(zip(shallow[1:], deep[1:], strict=True), start=2):
        share = 3.0 if number == len(shallow) else 1.0
        gap = ((mine.float() - theirs.float()) ** 2 * weights).sum() / total
        scale = ((theirs.float()) ** 2 * weights).sum() / total
        loss = loss + share * gap / scale
    ends = pooled(shallow[-1].float(), mask), pooled(deep[-1].float(), mask)
    return loss + 3.0 * (1.0 - torch.cosine_similarity(*ends).mean())
