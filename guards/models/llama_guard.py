"""Llama Guard 3 and 4 behind an OpenAI-compatible server."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from guards.conversation import Exchange, Subject
from guards.guard import GuardNonsenseError
from guards.hazards import MLCOMMONS, Hazard, from_mlcommons, mlcommons_code
from guards.models.llama_guard_answer import Answer, read_answer
from guards.models.served_guard import (
    WITHOUT_IMAGES,
    Category,
    Opinion,
    ServedGuard,
    images_of,
    logprobs_wanted,
)
from guards.models.transcript import conversation, in_parts
from guards.upstream import Upstream

MAX_TOKENS = 64
"""Room for ``unsafe`` and every category there is; an answer cut off is no answer."""

_TITLES = (
    "Violent Crimes.",
    "Non-Violent Crimes.",
    "Sex Crimes.",
    "Child Exploitation.",
    "Defamation.",
    "Specialized Advice.",
    "Privacy.",
    "Intellectual Property.",
    "Indiscriminate Weapons.",
    "Hate.",
    "Self-Harm.",
    "Sexual Content.",
    "Elections.",
    "Code Interpreter Abuse.",
)
_CODE = re.compile(r"[A-Z][A-Za-z0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCategory:
    """A category of the operator's own, told to the model beside the standard ones.

    Templates that take no categories (Llama Guard 3 8B) never answer with it.

    Attributes:
        code: what the model answers, for instance ``S15``; none of S1 to S14.
        description: what the model reads.
        hazard: what a finding of it counts as.
        name: how findings name it.
    """

    code: str
    description: str
    hazard: Hazard
    name: str

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError("code must be a capital and up to fifteen letters or digits")
        if self.code in {mlcommons_code(hazard) for hazard in MLCOMMONS}:
            raise ValueError("code must not be one of S1 to S14")


class LlamaGuard(ServedGuard):
    """Llama Guard, which names categories of S1 to S14 where a text is unsafe.

    A finding's probability is P(unsafe) of the verdict token, the same for each category named;
    :attr:`Verdict.score` has it also when the answer is safe. A model that leans to safe names no
    category, and a threshold below one half would never be reached: from ``name_above`` on it is
    asked once more, its answer held to ``unsafe`` and categories, so that the score counts for
    them. A server that cannot hold an answer to a pattern (``structured_outputs`` of vLLM) says
    ``safe`` again, which is then a failure: for such a server ``name_above`` must be 1.0.

    A server must render the model's own chat template. One that takes a last message by the
    assistant for the beginning of its own answer must be told not to (llama.cpp's server:
    ``--no-prefill-assistant``); vLLM does as it is asked.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        generation: ``"3"`` or ``"4"``. Of images only generation 4 judges any, with text.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers and questions.
        max_bytes: UTF-8 bytes shown at most, half of it context. The default suits a window of
            8192 tokens in any language.
        top_logprobs: alternatives asked for; 0 asks for no logprobs at all. Five hold all of the
            verdict's probability and are what the strictest servers allow.
        custom: categories of the operator's own.
        excluded: hazards of S1 to S14 the model should not look for.
        name_above: score from which a safe answer is asked for its categories; 1.0 never asks.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        generation: Literal["3", "4"],
        clock: Callable[[], float],
        model: str = "",
        name: str = "llama_guard",
        timeout: float = 5.0,
        max_bytes: int = 16_000,
        top_logprobs: int = 5,
        custom: Sequence[CustomCategory] = (),
        excluded: frozenset[Hazard] = frozenset(),
        name_above: float = 0.1,
    ) -> None:
        if not excluded <= frozenset(MLCOMMONS):
            raise ValueError("excluded may only hold hazards of S1 to S14")
        if not 0.0 <= name_above <= 1.0:
            raise ValueError("name_above must be within 0 and 1")
        self._generation = generation
        self._custom = {category.code: category for category in custom}
        self._excluded = excluded
        self._name_above = name_above
        # Of generation 3 only the 8B knows S14; if it says so, that counts.
        known = MLCOMMONS if generation == "4" else MLCOMMONS[:13]
        self._options = self._request_options(known, top_logprobs)
        codes = [f"S{i}" for i, h in enumerate(known, start=1) if h not in excluded]
        if not codes and not custom:
            raise ValueError("excluded leaves nothing to look for")
        self._naming = {
            **{key: self._options[key] for key in self._options.keys() - _LOGPROBS},
            "structured_outputs": {"regex": _pattern([*codes, *self._custom])},
        }
        super().__init__(
            upstreams,
            clock=clock,
            model=model,
            name=name,
            timeout=timeout,
            max_bytes=max_bytes,
            family=f"llama-guard-{generation}",
            hazards=frozenset(known) - excluded | {c.hazard for c in custom},
            subjects=WITHOUT_IMAGES,
            shape=(self._options, name_above),
        )

    def _request_options(self, known: Sequence[Hazard], top_logprobs: int) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            "add_generation_prompt": True,
            "continue_final_message": False,
            **logprobs_wanted(top_logprobs),
        }
        if self._custom or self._excluded:
            standard = {f"S{i}": title for i, title in enumerate(_TITLES[: len(known)], start=1)}
            own = {code: category.description for code, category in self._custom.items()}
            options["chat_template_kwargs"] = {
                "categories": standard | own,
                "excluded_category_keys": sorted(
                    code for code in map(mlcommons_code, self._excluded) if code
                ),
            }
        return options

    def _unable(self, exchange: Exchange) -> str:
        if exchange.subject is Subject.IMAGE:
            return "cannot judge images alone"
        if images_of(exchange) and (self._generation == "3" or not exchange.text.strip()):
            return "cannot judge this image"
        return ""

    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        turns = conversation(exchange, judged, self._budget)
        messages = in_parts(turns, images_of(exchange))

        async def ask(options: dict[str, Any]) -> Answer:
            body = {"messages": messages, **options}
            return await self._servers.ask(
                "chat/completions",
                body,
                read_answer,
                affinity=turns[0].text[:256],
                deadline=deadline,
            )

        answer = await ask(self._options)
        score, codes = answer.score, answer.codes
        if not codes and score is not None and self._name_above <= score and self._name_above < 1:
            codes = (await ask(self._naming)).codes
            if not codes:
                raise GuardNonsenseError("the guard names no category where it has to")
        probability = float(bool(codes)) if score is None else score
        return Opinion(
            probabilities={
                category: probability
                for category in map(self._meaning, codes)
                if category[0] not in self._excluded or category[1] is not None
            },
            score=probability,
            told=score is not None,
        )

    def _meaning(self, code: str) -> Category:
        own = self._custom.get(code)
        return (from_mlcommons(code), None) if own is None else (own.hazard, own.name)


_LOGPROBS = frozenset({"logprobs", "top_logprobs"})


def _pattern(codes: Sequence[str]) -> str:
    """What an answer that names categories looks like, as a regular expression."""
    code = f"(?:{'|'.join(codes)})"
    return rf"\n{{0,2}}unsafe\n{code}(?:,{code}){{0,{len(codes) - 1}}}"
