"""The encoder in torch: BERT layers over fixed four-bit word embeddings."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses
from numpy.typing import NDArray
from torch import Tensor, nn

from guards.embedded.training.encoder.source import Floats, Pretrained

MAX_TOKENS = 192
"""Positions that are kept."""


class Layer(nn.Module):
    """Self-attention and feed-forward, normalised after each."""

    def __init__(self, width: int, inner: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.grow = nn.Linear(width, inner)
        self.shrink = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """``hidden`` (batch, tokens, width); ``bias`` (batch, 1, 1, tokens), -inf on padding."""
        batch, tokens, width = hidden.shape
        shape = (batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = self.qkv(hidden).view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, tokens, width)
        hidden = self.attention_norm(hidden + self.out(mixed))
        grown = self.shrink(F.gelu(self.grow(hidden)))
        normed: Tensor = self.norm(hidden + grown)
        return normed


class Encoder(nn.Module):
    """Word and position embeddings, layers, and the mean over a text's tokens.

    The word embeddings are a buffer: they are not trained, so that they ship in four bits as
    they came.
    """

    words: Tensor

    def __init__(self, words: Floats, *, layers: int, heads: int, inner: int, eps: float) -> None:
        super().__init__()
        width = words.shape[1]
        self.register_buffer("words", torch.from_numpy(words), persistent=False)
        self.positions = nn.Parameter(torch.zeros(MAX_TOKENS, width))
        self.norm = nn.LayerNorm(width, eps)
        self.layers = nn.ModuleList(Layer(width, inner, heads, eps) for _ in range(layers))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Hidden states of the last layer, (batch, tokens, width)."""
        return self.states(tokens, mask)[-1]

    def embed(self, tokens: Tensor) -> Tensor:
        """What the first layer is given without positions: (batch, tokens, width)."""
        return F.embedding(tokens, self.words)

    def encode(self, words: Tensor, mask: Tensor) -> list[Tensor]:
        """Hidden states after the embeddings and after every layer."""
        hidden = self.norm(words + self.positions[: words.shape[1]])
        bias = torch.zeros_like(mask, dtype=hidden.dtype).masked_fill(~mask, -1e4)[:, None, None]
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], bias))
        return states

    def states(self, tokens: Tensor, mask: Tensor) -> list[Tensor]:
        return self.encode(self.embed(tokens), mask)


def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of every text, (batch, width)."""
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(1) / weights.sum(1)


def from_source(source: Pretrained, kept: NDArray[np.int64], layers: Sequence[int]) -> Encoder:
    """An encoder of the chosen layers and pieces with the pre-trained weights."""
    tensors = source.tensors
    encoder = Encoder(
        source.words.unpack()[kept],
        layers=len(layers),
        heads=source.heads,
        inner=len(tensors["l0.fi.b"]),
        eps=source.eps,
    )
    positions = tensors["emb.pos"].reshape(-1, source.width) + tensors["emb.type"][: source.width]
    state = {
        "positions": positions[:MAX_TOKENS],
        "norm.weight": tensors["emb.ln.w"],
        "norm.bias": tensors["emb.ln.b"],
    }
    for number, layer in enumerate(layers):
        for ours, theirs in (
            ("out", "ao"),
            ("attention_norm", "aln"),
            ("grow", "fi"),
            ("shrink", "fo"),
            ("norm", "oln"),
        ):
            state[f"layers.{number}.{ours}.weight"] = tensors[f"l{layer}.{theirs}.w"]
            state[f"layers.{number}.{ours}.bias"] = tensors[f"l{layer}.{theirs}.b"]
        for part, ours in (("w", "weight"), ("b", "bias")):
            state[f"layers.{number}.qkv.{ours}"] = np.concatenate(
                [tensors[f"l{layer}.{name}.{part}"] for name in "qkv"]
            )
    encoder.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return encoder
