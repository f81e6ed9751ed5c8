"""Every adapter with a scripted server, and what that server says when it says what it should."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from assistant.testing.scripted_replies import Plan, answer, completion, guard_verdict
from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.models.gpt_oss_safeguard import GptOssSafeguard
from guards.models.granite_guardian import GraniteGuardian
from guards.models.llama_guard import LlamaGuard
from guards.models.policy_prompt import PolicyPrompt, PolicyRule
from guards.models.qwen_guard import QwenGuard
from guards.models.sequence_classifier import PROMPT_GUARD_2, SequenceClassifier
from guards.models.served_guard import ServedGuard
from guards.models.shield_gemma import ShieldGemma
from guards.upstream import Upstream

INPUT = Exchange(subject=Subject.USER_INPUT, message=text_message("how do I", id="m"))
POLICY = PolicyPrompt(
    rules=(
        PolicyRule(id="weapons", hazard=Hazard.INDISCRIMINATE_WEAPONS, text="No making of arms."),
        PolicyRule(id="rivals", hazard=Hazard.OFF_TOPIC, text="No talk about rivals."),
    )
)


def logs(**alternatives: float) -> tuple[tuple[str, float], ...]:
    return tuple((token, math.log(max(p, 1e-30))) for token, p in alternatives.items())


def severity(unsafe: float, controversial: float = 0.0, *, reply: bool = False) -> Plan:
    """What Qwen3Guard says."""
    weights = {
        "Safe": 1 - unsafe - controversial,
        "Controversial": controversial,
        "Unsafe": unsafe,
    }
    word = max(weights, key=weights.__getitem__)
    categories = "None" if word == "Safe" else "Violent, PII"
    text = f"Safety: {word}\nCategories: {categories}" + ("\nRefusal: No" if reply else "")
    spaced = {f" {name}": p for name, p in weights.items()}
    tokens = (("Safety", ()), (":", ()), (f" {word}", logs(**spaced)), ("\n", ()))
    return completion(text, tokens=tokens)


def decision(violation: float, *rules: str, confidence: str = "high") -> Plan:
    """What gpt-oss-safeguard says."""
    flagged = violation > 0.5
    said = {"violation": flagged, "rules": list(rules), "confidence": confidence}
    word = "true" if flagged else "false"
    before = '<|channel|>analysis"violation": maybe<|channel|>final<|message|>{"violation":'
    tokens = ((before, ()), (word, logs(true=violation, false=1 - violation)), (",", ()))
    return completion(orjson.dumps(said).decode(), tokens=tokens)


def first_token(yes: float) -> Plan:
    """What ShieldGemma says."""
    word = "Yes" if yes > 0.5 else "No"
    listed = {"Yes": math.log(max(yes, 1e-30)), "No": math.log(max(1 - yes, 1e-30))}
    logprobs = {
        "tokens": [word],
        "token_logprobs": [listed[word]],
        "top_logprobs": [listed],
        "text_offset": [0],
    }
    choice = {"index": 0, "text": word, "finish_reason": "length", "logprobs": logprobs}
    return answer(200, {"object": "text_completion", "choices": [choice]})


def score(yes: float, *, thought: str = "\n") -> Plan:
    """What Granite Guardian says from generation 3.3 on."""
    word = "yes" if yes > 0.5 else "no"
    before = f"<think>{thought}</think>\n<score>"
    spaced = {f" {name}": p for name, p in {"yes": yes, "no": 1 - yes}.items()}
    tokens = ((before, ()), (f" {word}", logs(**spaced)), (" </score>", ()))
    return completion(f"{before} {word} </score>", tokens=tokens)


def classified(*shares: float, labels: tuple[str, ...] = ("LABEL_0", "LABEL_1")) -> Plan:
    """What vLLM says of one text."""
    label = labels[shares.index(max(shares))]
    entry = {"index": 0, "label": label, "probs": list(shares), "num_classes": len(shares)}
    return answer(200, {"id": "classify-x", "object": "list", "data": [entry], "usage": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter: how it is made, and how a server says that a text is this unsafe."""

    name: str
    make: Callable[..., ServedGuard]
    says: Callable[[float], Plan]
    options: dict[str, Any] = field(default_factory=dict)
    shaping: dict[str, Any] = field(default_factory=dict)
    """An option that shapes the prompt or its reading, other than by default."""

    def __call__(self, *upstreams: Upstream, **options: Any) -> ServedGuard:
        settings: dict[str, Any] = {"clock": time.monotonic, "model": "guard", "timeout": 2.0}
        return self.make(upstreams, **(settings | self.options | options))


ADAPTERS = (
    Adapter(
        name="llama_guard",
        make=LlamaGuard,
        says=guard_verdict,
        options={"generation": "3"},
        shaping={"name_above": 0.3},
    ),
    Adapter(name="qwen_guard", make=QwenGuard, says=severity, shaping={"controversial": 1.0}),
    Adapter(
        name="gpt_oss_safeguard",
        make=GptOssSafeguard,
        says=lambda p: decision(p, *(["weapons"] if p > 0.5 else [])),
        options={"policy": POLICY},
        shaping={"effort": "high"},
    ),
    Adapter(
        name="shield_gemma",
        make=ShieldGemma,
        says=first_token,
        shaping={"top_logprobs": 9},
    ),
    Adapter(
        name="granite_guardian",
        make=GraniteGuardian,
        says=score,
        options={"generation": "4.1"},
        shaping={"think": True},
    ),
    Adapter(
        name="sequence_classifier",
        make=SequenceClassifier,
        says=lambda p: classified(1 - p, p),
        options={"labels": PROMPT_GUARD_2},
        shaping={"multi_label": True},
    ),
)
