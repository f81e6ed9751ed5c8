"""A panel as a Runnable, on everything LangChain gives it."""

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from assistant.testing.scripted_guard import ScriptedGuard, flag
from guards.conversation import ImagePart, Role, Subject
from guards.hazards import Hazard
from guards.langchain.judge import GuardRunnable
from guards.langchain.messages import UnjudgeableError, message_of
from guards.panel import Panel, PanelVerdict, Seat

CALL: Any = {"name": "look_up", "args": {"q": "BOMB é"}, "id": "call_1", "type": "tool_call"}
IMAGE = {"type": "image", "base64": "AA==", "mime_type": "image/png"}
OPENAI_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def guarding(guard: ScriptedGuard, **more: Any) -> GuardRunnable:
    return GuardRunnable(Panel([Seat(guard=guard, subjects=guard.subjects)]), **more)


INPUTS: list[tuple[Any, list[tuple[Subject, str]]]] = [
    ("hello", [(Subject.USER_INPUT, "hello")]),
    (HumanMessage("hello"), [(Subject.USER_INPUT, "hello")]),
    ([("human", "a"), ("ai", "b")], [(Subject.REPLY, "b")]),
    ([{"role": "user", "content": "a"}], [(Subject.USER_INPUT, "a")]),
    (ChatMessage(role="user", content="a"), [(Subject.USER_INPUT, "a")]),
    (ToolMessage("sunny", tool_call_id="call_1"), [(Subject.TOOL_RESULT, "sunny")]),
    (
        AIMessage("", tool_calls=[CALL]),
        [(Subject.REPLY, ""), (Subject.TOOL_CALL, 'look_up({"q": "BOMB é"})')],
    ),
    (
        HumanMessage([{"type": "text", "text": "look"}, IMAGE]),
        [(Subject.USER_INPUT, "look"), (Subject.IMAGE, "look")],
    ),
    (HumanMessage(["one", OPENAI_IMAGE]), [(Subject.USER_INPUT, "one"), (Subject.IMAGE, "one")]),
    (ChatPromptTemplate.from_messages([("human", "{x}")]).invoke({"x": "a"}), None),
]


@pytest.mark.parametrize(("value", "expected"), INPUTS, ids=range(len(INPUTS)))
async def test_the_last_message_is_judged_as_what_it_is(value: Any, expected: Any) -> None:
    guard = ScriptedGuard()
    verdict = await guarding(guard).ainvoke(value)
    asked = [(j.exchange.subject, j.exchange.text) for j in guard.judgings]
    assert asked == (expected or [(Subject.USER_INPUT, "a")])
    assert isinstance(verdict, PanelVerdict)
    assert verdict.complete
    assert len(verdict.judgements) == len(asked)


async def test_the_others_are_its_context_without_the_operators() -> None:
    guard = ScriptedGuard()
    await guarding(guard).ainvoke(
        [SystemMessage("rules"), HumanMessage("a"), AIMessage("b", id="x"), HumanMessage("c")]
    )
    (judging,) = guard.judgings
    context = judging.exchange.context
    assert [(m.role, m.text) for m in context] == [(Role.USER, "a"), (Role.ASSISTANT, "b")]
    assert context[1].id == "x"


async def test_what_is_found_in_a_call_is_found_and_no_span_points_astray() -> None:
    guard = ScriptedGuard(answer=flag({"BOMB": Hazard.INDISCRIMINATE_WEAPONS}))
    verdict = await guarding(guard).ainvoke(AIMessage("fine", tool_calls=[CALL]))
    assert verdict.probability(Hazard.INDISCRIMINATE_WEAPONS) == 0.99
    assert [finding.span for finding in verdict.findings] == [None]


async def test_a_subject_can_be_named() -> None:
    guard = ScriptedGuard()
    await guarding(guard, subject=Subject.DOCUMENT).ainvoke("a page")
    assert [j.exchange.subject for j in guard.judgings] == [Subject.DOCUMENT]


async def test_i2_a_failing_guard_is_in_the_verdict_and_not_complete() -> None:
    guard = ScriptedGuard(answer=lambda _: RuntimeError("SECRET"))
    verdict = await guarding(guard).ainvoke("hello")
    assert not verdict.complete
    assert "SECRET" not in repr(verdict)


WRONG: list[Any] = [
    5,
    None,
    [],
    [object()],
    SystemMessage("rules"),
    RemoveMessage(id="x"),
    ChatMessage(role="cat", content="a"),
    HumanMessage([{"type": "audio", "base64": "SECRET", "mime_type": "audio/wav"}]),
    HumanMessage([{"type": "image", "file_id": "SECRET"}]),
    HumanMessage([{"type": "surprise", "value": "SECRET"}]),
    AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "f", "args": "SECRET", "id": "1", "error": None, "type": "invalid_tool_call"}
        ],
    ),
    AIMessage("", tool_calls=[{**CALL, "args": {"x": float("nan")}}]),
]


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
async def test_i2_what_nobody_can_judge_is_an_error_that_quotes_nothing(value: Any) -> None:
    with pytest.raises(UnjudgeableError) as error:
        await guarding(ScriptedGuard()).ainvoke(value)
    assert "SECRET" not in str(error.value)


def test_reasoning_is_judged_with_the_text() -> None:
    message = AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "a"}])
    assert message_of(message, 0).text == "hm\na"
    url = {"type": "image", "url": "https://example.org/a.png"}
    assert message_of(HumanMessage([url]), 0).parts == (ImagePart(url=url["url"]),)


async def test_it_stands_in_a_chain_and_is_told_to_callbacks() -> None:
    heard: list[Any] = []

    class Ear(AsyncCallbackHandler):
        async def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append((kwargs.get("name"), kwargs.get("tags")))

    chain = guarding(ScriptedGuard()) | RunnableLambda(lambda verdict: verdict.complete)
    assert await chain.ainvoke("a", {"callbacks": [Ear()], "tags": ["mine"]}) is True
    assert ("GuardRunnable", ["mine", "seq:step:1"]) in [
        (name, sorted(tags)) for name, tags in heard
    ]


def test_it_works_without_a_loop() -> None:
    judge = guarding(ScriptedGuard())
    assert judge.invoke("a").complete
    assert [verdict.complete for verdict in judge.batch(["a", "b", "c"])] == [True] * 3
    assert [verdict.complete for verdict in judge.stream("a")] == [True]
    assert sorted(index for index, _ in judge.batch_as_completed(["a", "b"])) == [0, 1]


async def test_inside_a_loop_it_says_what_to_call() -> None:
    judge = guarding(ScriptedGuard())
    with pytest.raises(RuntimeError, match="await ainvoke"):
        judge.invoke("a")
    with pytest.raises(RuntimeError, match="await abatch"):
        judge.batch(["a"])
    with pytest.raises(RuntimeError, match="await astream"):
        list(judge.stream("a"))
    assert (await asyncio.to_thread(judge.invoke, "a")).complete


async def test_a_batch_keeps_its_order_and_its_errors() -> None:
    results: list[Any] = await guarding(ScriptedGuard()).abatch(
        ["a", 5, "c"],  # type: ignore[list-item] # what is wrong is the point
        return_exceptions=True,
    )
    assert [isinstance(result, UnjudgeableError) for result in results] == [False, True, False]
