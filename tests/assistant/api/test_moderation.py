"""Moderation: OpenAI's shape, our hazards, and never "fine" when nobody could judge."""

from typing import Any

import httpx
import pytest

from assistant.api.answers import Moderation
from assistant.api.app import build_app
from assistant.clock import SystemClock
from assistant.errors import LogUnavailableError
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.scripted_guard import ScriptedGuard, flag
from guards.conversation import Exchange, Subject
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.verdict import Failure, Unscanned
from policies.moderation import CATEGORIES, SIDE_BY_SIDE
from tests.assistant.api.scripted import LABEL, ScriptedOrchestrator, assistant
from tests.assistant.api.serving import local_client

WORDS = {
    "BOMB": Hazard.INDISCRIMINATE_WEAPONS,
    "HATE": Hazard.HATE,
    "DESPAIR": Hazard.SELF_HARM,
    "ABUSE": Hazard.CHILD_EXPLOITATION,
}


async def moderate(
    body: dict[str, Any], guard: ScriptedGuard | None = None, **settings: Any
) -> httpx.Response:
    guard = guard or ScriptedGuard(answer=flag(WORDS))
    app = build_app(assistant(ScriptedOrchestrator(()), guard=guard, **settings))
    async with local_client(app) as client:
        return await client.post("/v1/moderations", json=body)


async def results_of(
    body: dict[str, Any], guard: ScriptedGuard | None = None
) -> list[dict[str, Any]]:
    response = await moderate(body, guard)
    assert response.status_code == 200, response.text
    Moderation.model_validate_json(response.content)
    results: list[dict[str, Any]] = response.json()["results"]
    return results


async def test_a_harmless_text_is_not_flagged() -> None:
    (result,) = await results_of({"input": "good morning"})
    assert result["flagged"] is False
    assert not any(result["categories"].values())
    assert result["corral"].pop("log_id")
    assert result["corral"] == {
        "decision": "allow",
        "clause": None,
        "policy": LABEL,
        "hazards": {},
        "unscanned": [],
    }


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("BOMB", "illicit/violent"),
        ("HATE", "hate"),
        ("DESPAIR", "self-harm"),
        ("ABUSE", "sexual/minors"),
    ],
)
async def test_a_hazard_is_flagged_in_openai_s_category(word: str, category: str) -> None:
    (result,) = await results_of({"input": f"about {word}"})
    assert result["flagged"] is True
    assert result["categories"][category] is True
    assert result["category_scores"][category] == 0.99
    assert result["corral"]["hazards"] == {WORDS[word].value: 0.99}
    assert result["corral"]["clause"]


async def test_results_keep_the_order_of_the_texts() -> None:
    texts = ["good morning", "a BOMB", "good evening"] * 5
    results = await results_of({"input": texts})
    assert [result["flagged"] for result in results] == ["BOMB" in text for text in texts]


async def test_parts_are_one_text_together() -> None:
    parts = [{"type": "text", "text": "a BO"}, {"type": "text", "text": "a BOMB"}]
    (result,) = await results_of({"input": parts})
    assert result["flagged"] is True


FAILING: list[tuple[Any, float, str]] = [
    (lambda _: RuntimeError("SECRET"), 0.0, "error"),
    (lambda _: TimeoutError(), 0.0, "timeout"),
    (lambda _: GuardNonsenseError("SECRET"), 0.0, "nonsense"),
    (
        lambda _: Unscanned(
            guard="scripted", revision="1", reason=Failure.TOO_LONG, detail="", elapsed=0.0
        ),
        0.0,
        "too_long",
    ),
]


@pytest.mark.parametrize(("answer", "delay", "reason"), FAILING, ids=[f[2] for f in FAILING])
async def test_what_no_guard_judged_is_flagged(answer: Any, delay: float, reason: str) -> None:
    guard = ScriptedGuard(answer=answer, delay=delay)
    (result,) = await results_of({"input": "good morning"}, guard)
    assert result["flagged"] is True
    assert not any(result["categories"].values())
    assert result["corral"]["decision"] == "refuse"
    assert result["corral"]["clause"] == "guard-unavailable"
    assert result["corral"]["unscanned"] == [{"guard": "scripted", "reason": reason}]
    assert "SECRET" not in str(result)


async def test_one_text_that_fails_leaves_the_others_alone() -> None:
    def answer(exchange: Exchange) -> Any:
        return RuntimeError() if exchange.text == "odd" else ()

    results = await results_of({"input": ["even", "odd", "even"]}, ScriptedGuard(answer=answer))
    assert [result["flagged"] for result in results] == [False, True, False]


async def test_no_guard_seated_is_flagged() -> None:
    guard = ScriptedGuard(subjects=frozenset({Subject.REPLY}))
    (result,) = await results_of({"input": "good morning"}, guard)
    assert result["flagged"] is True
    assert result["corral"]["unscanned"] == [{"guard": "panel", "reason": "missing"}]


async def test_texts_are_judged_side_by_side_within_a_bound() -> None:
    guard = ScriptedGuard(delay=0.001)
    most = 0

    def answer(_: Exchange) -> Any:
        nonlocal most
        most = max(most, guard.running)
        return ()

    guard.answer = answer
    await results_of({"input": ["x"] * 40}, guard)
    assert most == SIDE_BY_SIDE


class FullLog:
    """A log that takes nothing, or cannot make sure of what it took."""

    def __init__(self, *, append: bool) -> None:
        self._append = append

    def append(self, kind: str, body: dict[str, Any]) -> str:
        if self._append:
            raise LogUnavailableError
        return "log-1"

    async def durable(self) -> None:
        raise LogUnavailableError


async def test_each_decision_is_in_the_log_and_nobodys_words() -> None:
    log = InMemoryDecisionLog(clock=SystemClock())
    app = build_app(assistant(ScriptedOrchestrator(()), log=log))
    async with local_client(app) as client:
        response = await client.post("/v1/moderations", json={"input": ["SECRET", "good"]})
    named = [result["corral"]["log_id"] for result in response.json()["results"]]
    decisions = {entry.id: entry for entry in log.entries if entry.kind == "decision"}
    assert sorted(named) == sorted(decisions)
    assert decisions[named[0]].body["text"]["length"] == len("SECRET")
    assert b"SECRET" not in b"".join(log.lines)
    assert log.durable_entries == len(log.lines)


@pytest.mark.parametrize("append", [True, False])
async def test_what_cannot_be_recorded_is_not_told(append: bool) -> None:
    app = build_app(assistant(ScriptedOrchestrator(()), log=FullLog(append=append)))
    async with local_client(app) as client:
        response = await client.post("/v1/moderations", json={"input": ["one", "two"]})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "decision_log_unavailable"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("input", {}, "is missing"),
    ("input", {"input": 5}, "must be a string, a list"),
    ("input", {"input": []}, "at least 1"),
    ("input", {"input": ["x"] * 257}, "at most 256"),
    ("input[1]", {"input": ["x", 5]}, "must be a valid string"),
    (
        "input[0].type",
        {"input": [{"type": "image_url", "image_url": {"url": "x"}}]},
        "must be 'text'",
    ),
    ("input", {"input": "x" * 11}, "at most 10 characters"),
    ("input[1]", {"input": ["x", "x" * 11]}, "at most 10 characters"),
    ("corral.audience", {"input": "x", "corral": {"audience": "cats"}}, "must be 'general'"),
    ("corral.session", {"input": "x", "corral": {"session": "s"}}, "is not known"),
]


@pytest.mark.parametrize(("param", "body", "complaint"), WRONG)
async def test_a_wrong_field_is_named(param: str, body: dict[str, Any], complaint: str) -> None:
    response = await moderate(body, max_input_chars=10)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert complaint in error["message"]


def test_every_category_speaks_openai_s_words() -> None:
    from openai.types.moderation import Categories

    spoken = {field.alias or name for name, field in Categories.model_fields.items()}
    assert set(CATEGORIES) == spoken
