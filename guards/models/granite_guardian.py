"""Granite Guardian behind an OpenAI-compatible server: one question for each risk."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, assert_never

import orjson

from guards.conversation import Exchange, Message, Role, Source
from guards.guard import GuardNonsenseError
from guards.models.completion import read_chat
from guards.models.granite_risks import RISKS, Risk, guardian_block
from guards.models.served_guard import (
    Category,
    Opinion,
    ServedGuard,
    logprobs_wanted,
    side_by_side,
)
from guards.models.transcript import AGENT, USER, Turn, conversation, neutralised, newest, plain
from guards.upstream import Upstream

Generation = Literal["3.0", "3.3", "4.1"]

_DOCUMENTS = frozenset({Source.TOOL, Source.DOCUMENT})
_WORD = re.compile(
    r"\s*(yes|no)\s*(?:<confidence>\s*(?:high|low)\s*</confidence>\s*)?", re.ASCII | re.IGNORECASE
)
_SCORE = re.compile(
    r"\s*(?:<think>(?:(?!</think>).)*</think>\s*)?<score>\s*(yes|no)\s*</score>\s*",
    re.ASCII | re.DOTALL,
)


class GraniteGuardian(ServedGuard):
    """Granite Guardian, asked about each risk in a call of its own, side by side.

    A finding's probability is P(yes) against P(no), so every risk that was asked about has one;
    the score is the highest. Groundedness is asked only where the context holds what tools or
    documents said; a reply without any has nothing to rest on and is not asked about.

    The server must render the model's own chat template.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        generation: ``"3.0"`` stands for 3.0 to 3.2, whose answers are a bare Yes or No.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers and risks.
        max_bytes: UTF-8 bytes shown at most, half of it context or documents.
        risks: what is asked about; ones of the operator's own need generation 4.1.
        tools: definitions of the tools there are, for the risk of wrong calls.
        think: whether the model reasons first, from generation 3.3; it is not kept.
        top_logprobs: alternatives asked for; 0 asks for no logprobs at all.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        generation: Generation,
        clock: Callable[[], float],
        model: str = "",
        name: str = "granite_guardian",
        timeout: float = 5.0,
        max_bytes: int = 16_000,
        risks: Sequence[Risk] = (RISKS["harm"],),
        tools: Sequence[Mapping[str, Any]] = (),
        think: bool = False,
        top_logprobs: int = 5,
    ) -> None:
        _check(generation, risks, tools, think)
        self._generation = generation
        self._risks = tuple(risks)
        self._tools = [dict(tool) for tool in tools]
        self._think = think
        self._options: dict[str, Any] = {
            "max_tokens": 2048 if think else 64,
            "temperature": 0,
            "add_generation_prompt": True,
            "continue_final_message": False,
            **logprobs_wanted(top_logprobs),
        }
        super().__init__(
            upstreams,
            clock=clock,
            model=model,
            name=name,
            timeout=timeout,
            max_bytes=max_bytes,
            family=f"granite-guardian-{generation}",
            hazards=frozenset(risk.hazard for risk in risks),
            subjects=frozenset(subject for risk in risks for subject in risk.subjects),
            shape=(
                self._options,
                self._tools,
                [(r.name, r.hazard, r.custom, r.kind, sorted(r.subjects)) for r in risks],
                [guardian_block(risk, think=think) for risk in risks],
            ),
        )

    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        documents = self._documents(exchange)
        risks = [
            risk
            for risk in self._risks
            if exchange.subject in risk.subjects and (documents or risk.kind != "grounded")
        ]
        if not risks:
            return Opinion(probabilities={}, score=0.0)
        turns = conversation(exchange, judged, self._budget)
        reader = read_word if self._generation == "3.0" else read_score

        async def ask(risk: Risk) -> tuple[float, bool]:
            return await self._servers.ask(
                "chat/completions",
                {**self._request(risk, exchange, turns, documents), **self._options},
                reader,
                affinity=turns[0].text[:256],
                deadline=deadline,
            )

        answers = await side_by_side([ask(risk) for risk in risks])
        probabilities: dict[Category, float] = {}
        for risk, (probability, _) in zip(risks, answers, strict=True):
            category = (risk.hazard, risk.custom)
            probabilities[category] = max(probabilities.get(category, 0.0), probability)
        return Opinion(
            probabilities=probabilities,
            score=max(probability for probability, _ in answers),
            told=all(told for _, told in answers),
        )

    def _documents(self, exchange: Exchange) -> list[str]:
        """What tools and documents said before, the newest of it that fits."""
        said = [Turn(side=USER, text=neutralised(m.text)) for m in exchange.context if _is_data(m)]
        return [turn.text for turn in newest(said, self._budget) if turn.text.strip()]

    def _request(
        self, risk: Risk, exchange: Exchange, turns: Sequence[Turn], documents: Sequence[str]
    ) -> dict[str, Any]:
        """The request's messages, and what its template is told beside them."""
        told: dict[str, Any] = {}
        request: dict[str, Any] = {}
        messages: list[dict[str, str]]
        match risk.kind:
            case "conversation":
                messages = plain(turns)
            case "grounded":
                messages = plain(turns[-1:])
                if self._generation == "3.0":
                    messages.insert(0, {"role": "context", "content": "\n\n".join(documents)})
                else:
                    request["documents"] = [
                        {"doc_id": str(number), "text": text}
                        for number, text in enumerate(documents)
                    ]
            case "call":
                messages = [
                    *plain(turns[-2:-1]),
                    {"role": AGENT, "content": _calls(exchange, turns[-1].text)},
                ]
                if self._generation == "3.0":
                    tools = orjson.dumps(self._tools).decode()
                    messages.insert(0, {"role": "tools", "content": tools})
                else:
                    told["available_tools"] = self._tools
            case _:
                assert_never(risk.kind)
        match self._generation:
            case "3.0":
                told["guardian_config"] = {"risk_name": risk.name}
            case "3.3":
                told |= {"guardian_config": {"criteria_id": risk.name}, "think": self._think}
            case "4.1":
                block = guardian_block(risk, think=self._think)
                messages.append({"role": USER, "content": block})
            case _:
                assert_never(self._generation)
        return {"messages": messages, **request, "chat_template_kwargs": told}


def read_word(payload: object) -> tuple[float, bool]:
    """P(Yes) of generations 3.0 to 3.2, and whether token probabilities say so.

    Raises:
        GuardNonsenseError: the answer is not exactly Yes or No, with a confidence or without.
    """
    return _read(payload, _WORD, after="")


def read_score(payload: object) -> tuple[float, bool]:
    """P(yes) from generation 3.3 on, and whether token probabilities say so.

    Raises:
        GuardNonsenseError: the answer is not exactly a score, after a thought or without.
    """
    return _read(payload, _SCORE, after="<score>")


def _read(payload: object, form: re.Pattern[str], *, after: str) -> tuple[float, bool]:
    completion = read_chat(payload)
    match = form.fullmatch(completion.text)
    if match is None:
        raise GuardNonsenseError("the guard's answer is not in the form it should have")
    said = match[1].lower()
    weights = completion.weigh(("yes", "no"), said=said, after=after, fold=True)
    if weights is None:
        return float(said == "yes"), False
    return weights["yes"], True


def _check(
    generation: Generation, risks: Sequence[Risk], tools: Sequence[object], think: bool
) -> None:
    if not risks:
        raise ValueError("risks must hold at least one risk")
    if len({risk.name for risk in risks}) != len(risks):
        raise ValueError("risks must each have a name of their own")
    own = [risk.name for risk in risks if RISKS.get(risk.name) != risk]
    if own and generation != "4.1":
        raise ValueError(f"risks: {own[0]!r} is not the model's own, which needs generation 4.1")
    if not tools and any(risk.kind == "call" for risk in risks):
        raise ValueError("tools must be given to judge calls of them")
    if think and generation == "3.0":
        raise ValueError("think needs generation 3.3 or 4.1")


def _is_data(message: Message) -> bool:
    return message.role is Role.TOOL or message.provenance.source in _DOCUMENTS


def _calls(exchange: Exchange, judged: str) -> str:
    """The judged calls as the list the model knows, with their arguments as they would run."""
    calls = [
        f'{{"name": {_quoted(neutralised(call.name))}, "arguments": {_arguments(call.arguments)}}}'
        for call in exchange.message.tool_calls
    ]
    return f"[{', '.join(calls)}]" if calls else judged


def _arguments(raw: str) -> str:
    shown = neutralised(raw)
    try:
        orjson.loads(shown)
    except orjson.JSONDecodeError:
        return _quoted(shown)
    return shown


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
