"""Llama Guard 3 and 4 behind an OpenAI-compatible server."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from guards.conversation import Exchange, ImagePart, Subject
from guards.guard import GuardNonsenseError
from guards.hazards import MLCOMMONS, Hazard, from_mlcommons, mlcommons_code
from guards.models.llama_guard_answer import Answer, read_answer
from guards.models.llama_guard_prompt import (
    MAX_SEGMENTS,
    PROMPT_VERSION,
    conversation,
    judged_text,
    segments,
    wire,
)
from guards.refusal import (
    OverloadedError,
    RejectedError,
    RejectionKind,
    TimedOutError,
    UpstreamError,
)
from guards.replicas import Replica, Replicas
from guards.served import served_models
from guards.upstream import Upstream
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

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
_WITHOUT_IMAGES = frozenset(Subject) - {Subject.IMAGE}


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


class LlamaGuard:
    """A :class:`~guards.guard.Guard` that asks a served Llama Guard.

    One call judges one exchange; a judged text over half of ``max_bytes`` is judged in
    overlapping segments. A finding's probability is P(unsafe) of the verdict token, the same for
    each category named; :attr:`Verdict.score` has it also when the answer is safe. Without
    logprobs it is 1.0 or 0.0, and the verdict's revision ends in ``/text-only``.

    A server must render the model's own chat template. One that takes a last message by the
    assistant for the beginning of its own answer must be told not to (llama.cpp's server:
    ``--no-prefill-assistant``); vLLM does as it is asked.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        generation: ``"3"`` or ``"4"``. Of images only generation 4 judges any, with text.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers tried.
        max_bytes: UTF-8 bytes shown at most, half of it context. The default suits a window of
            8192 tokens in any language.
        top_logprobs: alternatives asked for; 0 asks for no logprobs at all. Five hold all of the
            verdict's probability and are what the strictest servers allow.
        custom: categories of the operator's own.
        excluded: hazards of S1 to S14 the model should not look for.
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
    ) -> None:
        if not 0 <= top_logprobs <= 20:
            raise ValueError("top_logprobs must be within 0 and 20")
        if max_bytes < 256:
            raise ValueError("max_bytes must be at least 256")
        if not excluded <= frozenset(MLCOMMONS):
            raise ValueError("excluded may only hold hazards of S1 to S14")
        self._clock = clock
        self._replicas = Replicas({u.url: u for u in upstreams}, clock=clock)
        self._generation = generation
        self._model = model
        self._name = name
        self._timeout = timeout
        self._budget = max_bytes // 2
        self._custom = {category.code: category for category in custom}
        self._excluded = excluded
        # Of generation 3 only the 8B knows S14; if it says so, that counts.
        known = MLCOMMONS if generation == "4" else MLCOMMONS[:13]
        self._hazards = frozenset(known) - excluded | {c.hazard for c in custom}
        self._options = self._request_options(known, top_logprobs)
        self._digest = _digest(PROMPT_VERSION, generation, max_bytes, self._options)

    def _request_options(self, known: Sequence[Hazard], top_logprobs: int) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            "add_generation_prompt": True,
            "continue_final_message": False,
        }
        if top_logprobs:
            options |= {"logprobs": True, "top_logprobs": top_logprobs}
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

    @property
    def name(self) -> str:
        """See :class:`~guards.guard.Guard`."""
        return self._name

    @property
    def revision(self) -> str:
        """Generation, served model and a digest of everything that shapes the prompt.

        The model is ``?`` until a server that was to choose it has answered.
        """
        return f"llama-guard-{self._generation}/{self._model or '?'}/{self._digest}"

    @property
    def hazards(self) -> frozenset[Hazard]:
        """S1 to S13, with generation 4 S14 too, without the excluded, with the custom ones."""
        return self._hazards

    @property
    def subjects(self) -> frozenset[Subject]:
        """Everything but images on their own."""
        return _WITHOUT_IMAGES

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`.

        Raises:
            GuardNonsenseError: the answer does not parse.
            UnknownHazardError: it names a category nobody knows.
            UpstreamError: no server answered.
        """
        start = self._clock()
        images = tuple(p.url for p in exchange.message.parts if isinstance(p, ImagePart))
        if images and (self._generation == "3" or not exchange.text.strip()):
            return self._unscanned(Failure.ERROR, "cannot judge this image", start)
        if exchange.subject is Subject.IMAGE:
            return self._unscanned(Failure.ERROR, "cannot judge images alone", start)
        pieces = segments(judged_text(exchange), self._budget)
        if len(pieces) > MAX_SEGMENTS:
            return self._unscanned(Failure.TOO_LONG, "longer than the segments allowed", start)
        try:
            answers = await self._answers(exchange, pieces, images)
        except RejectedError as error:
            if error.kind is not RejectionKind.CONTEXT_TOO_LONG:
                raise
            return self._unscanned(Failure.TOO_LONG, "longer than the guard's window", start)
        return self._verdict(answers, start)

    async def _answers(
        self, exchange: Exchange, pieces: Sequence[str], images: Sequence[str]
    ) -> list[Answer]:
        if len(pieces) == 1:
            return [await self._ask(exchange, pieces[0], images)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(exchange, p, images)) for p in pieces]
        except BaseExceptionGroup as failures:
            # One segment unjudged is all unjudged; the first failure tells why.
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(self, exchange: Exchange, judged: str, images: Sequence[str]) -> Answer:
        turns = conversation(exchange, judged, self._budget)
        body = {"model": self._model, "messages": wire(turns, images), **self._options}
        deadline = self._clock() + self._timeout
        # Conversations that begin alike share a prompt's beginning, so a server's prefix cache.
        order = self._replicas.order(turns[0].text[:256])
        for place, replica in enumerate(order):
            left = (deadline - self._clock()) / (len(order) - place)
            try:
                if not self._model:
                    self._model = (await served_models(replica.server, timeout=left))[0].name
                body["model"] = self._model
                payload = await replica.server.post_json("chat/completions", body, timeout=left)
                answer = read_answer(payload)
            except (UpstreamError, GuardNonsenseError) as error:
                if (
                    not self._note(replica, error)
                    or replica is order[-1]
                    or self._clock() >= deadline
                ):
                    raise
            else:
                self._replicas.succeeded(replica)
                return answer
        raise TimedOutError("no guard server answered in time")

    def _note(self, replica: Replica[Upstream], error: UpstreamError | GuardNonsenseError) -> bool:
        """Learn from a failure; whether another server may do better."""
        match error:
            case GuardNonsenseError():
                return False
            case RejectedError(kind=RejectionKind.CONTEXT_TOO_LONG | RejectionKind.BAD_REQUEST):
                return False
            case OverloadedError():
                self._replicas.busy(replica, error.retry_after)
            case _:
                self._replicas.failed(replica, type(error).__name__)
        return True

    def _verdict(self, answers: Sequence[Answer], start: float) -> Verdict:
        best: dict[tuple[Hazard, str | None], float] = {}
        scores: list[float] = []
        told = True
        for answer in answers:
            told = told and answer.score is not None
            score = answer.score if answer.score is not None else float(bool(answer.codes))
            scores.append(score)
            for code in answer.codes:
                key = self._meaning(code)
                if key[0] not in self._excluded or key[1] is not None:
                    best[key] = max(best.get(key, 0.0), score)
        return Verdict(
            guard=self._name,
            revision=self.revision if told else f"{self.revision}/text-only",
            findings=tuple(
                Finding(hazard=hazard, probability=probability, custom=custom)
                for (hazard, custom), probability in best.items()
            ),
            elapsed=self._clock() - start,
            score=max(scores),
        )

    def _meaning(self, code: str) -> tuple[Hazard, str | None]:
        own = self._custom.get(code)
        return (from_mlcommons(code), None) if own is None else (own.hazard, own.name)

    def _unscanned(self, reason: Failure, detail: str, start: float) -> Unscanned:
        return Unscanned(
            guard=self._name,
            revision=self.revision,
            reason=reason,
            detail=detail,
            elapsed=self._clock() - start,
        )


def _digest(*parts: object) -> str:
    return hashlib.blake2b(
        orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=6
    ).hexdigest()
