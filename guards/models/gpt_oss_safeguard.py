"""gpt-oss-safeguard behind an OpenAI-compatible server: judges by a policy it is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from guards.conversation import Exchange, Subject
from guards.guard import GuardNonsenseError
from guards.models.completion import read_chat
from guards.models.policy_prompt import PolicyPrompt
from guards.models.served_guard import WITHOUT_IMAGES, Opinion, ServedGuard, logprobs_wanted
from guards.models.transcript import AGENT, conversation
from guards.upstream import Upstream

LEAST_TOKENS = 1024
"""With less the reasoning may fill the whole answer."""

CONFIDENCE = {"low": 0.6, "medium": 0.8, "high": 0.95}
"""How likely the model's decision is right by its own word."""

_SAID = {
    Subject.USER_INPUT: "what the user asks",
    Subject.REPLY: "the assistant's reply",
    Subject.REPLY_SO_FAR: "the beginning of the assistant's reply, which still goes on",
    Subject.TOOL_CALL: "a tool call the assistant asks for",
    Subject.TOOL_RESULT: "what a tool returned",
    Subject.DOCUMENT: "a document",
    Subject.IMAGE_PROMPT: "the description of an image to make",
    Subject.IMAGE: "an image",
}
_FIELDS = {"violation", "rules", "confidence"}


class GptOssSafeguard(ServedGuard):
    """gpt-oss-safeguard, which reasons about rules of the operator's own.

    The rules are the system message, the conversation the user's; the answer is held to a JSON
    schema. A finding names the rule in ``custom``. Its probability, and the score, is the mean of
    the probability of the decision's token, which reasoning drives to 0 or 1, and of the
    confidence the model states.

    The reasoning stays on the server and in the answer's own field: it is never read, kept or
    shown. It takes time: a ``timeout`` of 5 seconds wants low effort and a fast server.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        policy: the rules.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers.
        max_bytes: UTF-8 bytes shown at most beside the rules, half of it context.
        effort: how much the model reasons.
        max_tokens: room for the reasoning and the answer, at least 1024.
        top_logprobs: alternatives asked for; 0 asks for no logprobs at all.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        policy: PolicyPrompt,
        clock: Callable[[], float],
        model: str = "",
        name: str = "gpt_oss_safeguard",
        timeout: float = 5.0,
        max_bytes: int = 16_000,
        effort: Literal["low", "medium", "high"] = "low",
        max_tokens: int = 2048,
        top_logprobs: int = 5,
    ) -> None:
        if max_tokens < LEAST_TOKENS:
            raise ValueError(f"max_tokens must be at least {LEAST_TOKENS}")
        self._rules = {rule.id: rule for rule in policy.rules}
        self._told = policy.told()
        # Not include_reasoning=False: vLLM would then hold the model to the schema from its first
        # token, before it has reasoned.
        self._options: dict[str, Any] = {
            "max_tokens": max_tokens,
            "temperature": 0,
            "reasoning_effort": effort,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "judgement", "schema": policy.schema(), "strict": True},
            },
            **logprobs_wanted(top_logprobs),
        }
        super().__init__(
            upstreams,
            clock=clock,
            model=model,
            name=name,
            timeout=timeout,
            max_bytes=max_bytes,
            family="gpt-oss-safeguard",
            hazards=frozenset(rule.hazard for rule in policy.rules),
            subjects=WITHOUT_IMAGES,
            shape=(self._told, self._options, CONFIDENCE, [_shown([], s) for s in Subject]),
        )

    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        turns = conversation(exchange, judged, self._budget)
        lines = [f"{'Agent' if t.side == AGENT else 'User'}: {t.text}" for t in turns]
        messages = [
            {"role": "system", "content": self._told},
            {"role": "user", "content": _shown(lines, exchange.subject)},
        ]
        decision = await self._servers.ask(
            "chat/completions",
            {"messages": messages, **self._options},
            self._read,
            affinity=turns[0].text[:256],
            deadline=deadline,
        )
        violated = [self._rules[rule] for rule in decision.rules]
        return Opinion(
            probabilities={(rule.hazard, rule.id): decision.score for rule in violated},
            score=decision.score,
            told=decision.told,
        )

    def _read(self, payload: object) -> "Decision":
        decision = read_decision(payload)
        if not self._rules.keys() >= set(decision.rules):
            raise GuardNonsenseError("the guard names a rule that is none of the policy's")
        return decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The rules violated, how likely a violation is, and whether token probabilities say so."""

    rules: tuple[str, ...]
    score: float
    told: bool


def read_decision(payload: object) -> Decision:
    """The decision in a chat completion.

    Raises:
        GuardNonsenseError: it is empty, cut off, not exactly the object of the schema, or
            contradicts itself or its probabilities.
    """
    completion = read_chat(payload)
    try:
        said = orjson.loads(completion.text)
    except orjson.JSONDecodeError:
        raise GuardNonsenseError("the guard's answer is empty or no JSON") from None
    # Of a field that is there twice only the last would be read.
    if not isinstance(said, dict) or set(said) != _FIELDS or completion.text.count('":') != 3:
        raise GuardNonsenseError("the guard's answer has not the fields it should have")
    violation, rules = said["violation"], said["rules"]
    if not isinstance(violation, bool) or not isinstance(rules, list):
        raise GuardNonsenseError("the guard's answer has not the values it should have")
    if not all(isinstance(rule, str) for rule in rules) or violation != bool(rules):
        raise GuardNonsenseError("the guard's rules contradict its decision")
    confidence = said["confidence"]
    sure = CONFIDENCE.get(confidence) if isinstance(confidence, str) else None
    if sure is None:
        raise GuardNonsenseError("the guard's confidence is none of low, medium and high")
    stated = sure if violation else 1.0 - sure
    weights = completion.weigh(
        ("true", "false"), said="true" if violation else "false", after='"violation":'
    )
    return Decision(
        rules=tuple(dict.fromkeys(rules)),
        score=stated if weights is None else (stated + weights["true"]) / 2,
        told=weights is not None,
    )


def _shown(lines: Sequence[str], subject: Subject) -> str:
    said = "\n\n".join(lines)
    return (
        f"<BEGIN CONVERSATION>\n\n{said}\n\n<END CONVERSATION>\n\n"
        f"Judge only the last message of the conversation: {_SAID[subject]}."
    )
