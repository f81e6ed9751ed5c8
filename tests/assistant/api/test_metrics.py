"""What Prometheus sees."""

from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from assistant import errors
from assistant.api.app import build_app
from assistant.events import FinishReason, Judged, Refused, TextReleased
from guards.conversation import Subject
from guards.panel import PanelVerdict
from guards.verdict import Failure, Unscanned
from policies.decision import Basis, Refuse
from tests.assistant.api.scripted import (
    INPUT_JUDGED,
    LABEL,
    REFUSE,
    Hang,
    ScriptedOrchestrator,
    assistant,
    finished,
    say,
)
from tests.assistant.api.serving import RawRequest, chat, local_client, user

BLIND = Judged(
    subject=Subject.USER_INPUT,
    decision=Refuse(
        basis=Basis(
            clause="guard-unavailable",
            policy=LABEL,
            digest="0" * 64,
            verdict=PanelVerdict(
                subject=Subject.USER_INPUT,
                judgements=(
                    Unscanned(
                        guard="slow", revision="1", reason=Failure.TIMEOUT, detail="", elapsed=5.0
                    ),
                ),
                elapsed=5.0,
            ),
        ),
        text="no",
    ),
    at=5.0,
)


async def samples(app: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    async with local_client(app) as client:
        response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=1.0.0")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def run(app: Any, **body: Any) -> None:
    async with local_client(app) as client:
        await client.post("/v1/chat/completions", json=chat(**body))


async def test_turns_decisions_guards_and_errors_are_counted() -> None:
    orchestrator = ScriptedOrchestrator(say("Hi"))
    app = build_app(assistant(orchestrator))
    await run(app)
    await run(app, stream=True)
    orchestrator.script = (
        BLIND,
        Refused(decision=REFUSE, text="no"),
        finished(FinishReason.CONTENT_FILTER),
    )
    await run(app)
    orchestrator.script = (TextReleased(text="x"), finished(replayed=True))
    await run(app)
    orchestrator.script = (INPUT_JUDGED, errors.EngineTimeoutError())
    await run(app)
    await run(app, n=2)
    found = await samples(app)
    assert found[key("corral_turns_total", outcome="stop")] == 2
    assert found[key("corral_turns_total", outcome="content_filter")] == 1
    assert found[key("corral_turns_total", outcome="replayed")] == 1
    assert found[key("corral_turns_total", outcome="error")] == 1
    allowed = {"subject": "user_input", "decision": "allow", "clause": "none"}
    blocked = {"subject": "user_input", "decision": "refuse", "clause": "guard-unavailable"}
    assert found[key("corral_decisions_total", **allowed)] == 3
    assert found[key("corral_decisions_total", **blocked)] == 1
    assert found[key("corral_guard_seconds_count", guard="scripted")] == 3
    assert found[key("corral_guard_failures_total", guard="slow", reason="timeout")] == 1
    assert found[key("corral_errors_total", code="engine_timeout")] == 1
    assert found[key("corral_errors_total", code="unsupported_field")] == 1
    assert found[key("corral_first_text_seconds_count")] == 4
    assert found[key("corral_turn_seconds_count")] == 4
    assert found[key("corral_turns_in_flight")] == 0


async def test_running_and_aborted_turns_are_seen() -> None:
    orchestrator = ScriptedOrchestrator((Hang(),))
    app = build_app(assistant(orchestrator))
    request = RawRequest(app, orjson.dumps(chat()))
    await orchestrator.hanging.wait()
    assert (await samples(app))[key("corral_turns_in_flight")] == 1
    request.vanish()
    await request.task
    found = await samples(app)
    assert found[key("corral_turns_in_flight")] == 0
    assert found[key("corral_turns_total", outcome="aborted")] == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_read_to_its_end_was_not_aborted(stream: bool) -> None:
    app = build_app(assistant(ScriptedOrchestrator(say("x"))))
    await RawRequest(app, orjson.dumps(chat(stream=stream))).task
    found = await samples(app)
    assert found[key("corral_turns_total", outcome="stop")] == 1
    assert key("corral_turns_total", outcome="aborted") not in found


async def test_nobodys_words_are_in_metrics() -> None:
    orchestrator = ScriptedOrchestrator(say("SECRET"))
    app = build_app(assistant(orchestrator))
    await run(app, messages=[user("SECRET")], user="SECRET", corral={"session": "SECRET"})
    orchestrator.script = (RuntimeError("SECRET"),)
    await run(app, messages=[user("SECRET")], SECRET=1)
    async with local_client(app) as client:
        await client.get("/SECRET")
        response = await client.get("/metrics")
    assert "SECRET" not in response.text


async def test_two_applications_keep_their_metrics_apart() -> None:
    first = build_app(assistant(ScriptedOrchestrator(say("x"))))
    second = build_app(assistant(ScriptedOrchestrator(say("x"))))
    await run(first)
    assert key("corral_turns_total", outcome="stop") not in await samples(second)
