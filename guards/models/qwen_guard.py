"""Qwen3Guard-Gen behind an OpenAI-compatible server."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from guards.conversation import Exchange
from guards.guard import GuardNonsenseError
from guards.models.qwen_guard_answer import (
    CATEGORIES,
    CONTROVERSIAL,
    UNSAFE,
    Answer,
    read_answer,
)
from guards.models.served_guard import WITHOUT_IMAGES, Opinion, ServedGuard, logprobs_wanted
from guards.models.transcript import AGENT, conversation, plain
from guards.upstream import Upstream

MAX_TOKENS = 128
"""Room for every category there is; an answer cut off is no answer."""

_NAMES = "|".join(re.escape(name) for name in CATEGORIES)
_NAMING = rf"Safety: Unsafe\nCategories: (?:{_NAMES})(?:, (?:{_NAMES})){{0,{len(CATEGORIES) - 1}}}"
_REFUSAL = r"\nRefusal: (?:Yes|No)"


class QwenGuard(ServedGuard):
    """Qwen3Guard-Gen, which tells unsafe from controversial in 119 languages.

    The probability of each category named, and the score, is P(unsafe) and ``controversial``
    times P(controversial), both of the severity's token. With the default of one half a text that
    is plainly controversial comes to 0.5, so that a policy's threshold decides: above one half it
    is loose, up to it strict. A finding's ``custom`` is ``controversial`` where that is the word
    the model wrote.

    A model that leans to safe names no category: from ``name_above`` on it is asked once more,
    its answer held to ``Unsafe`` and categories, as :class:`~guards.models.llama_guard.LlamaGuard`
    does it.

    The server must render the model's own chat template, which decides by the last message
    whether a prompt or a reply is judged.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers and questions.
        max_bytes: UTF-8 bytes shown at most, half of it context.
        top_logprobs: alternatives asked for; 0 asks for no logprobs at all.
        controversial: what a controversial text counts, between 0.0 (safe) and 1.0 (unsafe).
        name_above: score from which a safe answer is asked for its categories; 1.0 never asks.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        clock: Callable[[], float],
        model: str = "",
        name: str = "qwen_guard",
        timeout: float = 5.0,
        max_bytes: int = 16_000,
        top_logprobs: int = 5,
        controversial: float = 0.5,
        name_above: float = 0.1,
    ) -> None:
        for option, value in (("controversial", controversial), ("name_above", name_above)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{option} must be within 0 and 1")
        self._controversial = controversial
        self._name_above = name_above
        self._options: dict[str, Any] = {
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            "add_generation_prompt": True,
            "continue_final_message": False,
        }
        self._logprobs = logprobs_wanted(top_logprobs)
        super().__init__(
            upstreams,
            clock=clock,
            model=model,
            name=name,
            timeout=timeout,
            max_bytes=max_bytes,
            family="qwen3guard-gen",
            hazards=frozenset(hazard for hazard, _ in CATEGORIES.values()),
            subjects=WITHOUT_IMAGES,
            shape=(self._options, self._logprobs, controversial, name_above, CATEGORIES),
        )

    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        turns = conversation(exchange, judged, self._budget)
        reply = turns[-1].side == AGENT

        async def ask(options: dict[str, Any]) -> Answer:
            return await self._servers.ask(
                "chat/completions",
                {"messages": plain(turns), **self._options, **options},
                partial(read_answer, reply=reply),
                affinity=turns[0].text[:256],
                deadline=deadline,
            )

        answer = await ask(self._logprobs)
        score = self._score(answer)
        categories = answer.categories
        if not categories and self._name_above <= score and self._name_above < 1:
            pattern = _NAMING + (_REFUSAL if reply else "")
            categories = (await ask({"structured_outputs": {"regex": pattern}})).categories
            if not categories:
                raise GuardNonsenseError("the guard names no category where it has to")
        label = CONTROVERSIAL.lower() if answer.severity == CONTROVERSIAL else None
        named = [CATEGORIES[category] for category in categories]
        return Opinion(
            probabilities={(hazard, label or custom): score for hazard, custom in named},
            score=score,
            told=answer.weights is not None,
        )

    def _score(self, answer: Answer) -> float:
        weights = answer.weights or {answer.severity: 1.0}
        score = weights.get(UNSAFE, 0.0) + self._controversial * weights.get(CONTROVERSIAL, 0.0)
        return min(score, 1.0)
