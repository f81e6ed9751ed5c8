"""How the next token is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import llama_cpp

from assistant.engine.llamacpp.model import Model

_PENALTY_SPAN = 512
"""Last tokens that presence and frequency penalties look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How tokens are drawn. ``grammar`` is GBNF; the rest as in the OpenAI API."""

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.05
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    grammar: str | None = None


class GrammarError(ValueError):
    """A grammar llama.cpp does not understand."""


class Sampler:
    """A chain of llama.cpp's samplers; to be freed, and for one thread at a time.

    Raises:
        GrammarError: the grammar does not parse.
    """

    def __init__(self, model: Model, draw: Draw) -> None:
        self._chain = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        try:
            for link in _links(model, draw):
                llama_cpp.llama_sampler_chain_add(self._chain, link)
        except GrammarError:
            self.free()
            raise

    def sample(self, context: Any, index: int) -> int:
        """Draw a token from the logits at place ``index`` of the last batch."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context, index))

    def free(self) -> None:
        """Give the memory back."""
        llama_cpp.llama_sampler_free(self._chain)


def _links(model: Model, draw: Draw) -> Iterator[Any]:
    if draw.logit_bias:
        biases = (llama_cpp.llama_logit_bias * len(draw.logit_bias))()
        for slot, (token, bias) in zip(biases, draw.logit_bias, strict=True):
            slot.token, slot.bias = token, bias
        yield llama_cpp.llama_sampler_init_logit_bias(model.size, len(biases), biases)
    if draw.presence_penalty or draw.frequency_penalty:
        yield llama_cpp.llama_sampler_init_penalties(
            model.size, _PENALTY_SPAN, 1.0, draw.frequency_penalty, draw.presence_penalty
        )
    if draw.grammar is not None:
        grammar = llama_cpp.llama_sampler_init_grammar(
            model.vocabulary, draw.grammar.encode(), b"root"
        )
        if not grammar:
            raise GrammarError("the grammar does not parse")
        yield grammar
    if draw.temperature <= 0:
        yield llama_cpp.llama_sampler_init_greedy()
        return
    yield llama_cpp.llama_sampler_init_top_k(draw.top_k)
    yield llama_cpp.llama_sampler_init_top_p(draw.top_p, 1)
    yield llama_cpp.llama_sampler_init_min_p(draw.min_p, 1)
    yield llama_cpp.llama_sampler_init_temp(draw.temperature)
    seed = llama_cpp.LLAMA_DEFAULT_SEED if draw.seed is None else draw.seed & 0xFFFFFFFF
    yield llama_cpp.llama_sampler_init_dist(seed)
