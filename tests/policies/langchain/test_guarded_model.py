"""A guarded model: what it gives out, when, and what it never does."""

import asyncio
import json
import math
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from assistant.testing import scripted_replies as replies
from assistant.testing.scripted_guard import ScriptedGuard, allow, flag
from assistant.testing.scripted_upstream import ScriptedUpstream
from guards.conversation import Exchange, Role, Subject
from guards.hazards import Hazard
from guards.stream import Pace
from guards.verdict import Finding, Span
from policies.decision import Decision
from policies.langchain.draft import UnusableReplyError
from policies.langchain.guarded_model import GuardedModel
from tests.policies.langchain.scripted import POLICY, SteppedModel, panel

BOMB = {"BOMB": Hazard.INDISCRIMINATE_WEAPONS}
HELLO = FakeListChatModel(responses=["Hello there."])


def guarded(model: Any, guard: ScriptedGuard | None = None, **more: Any) -> GuardedModel:
    guard = guard or ScriptedGuard(answer=flag(BOMB))
    return GuardedModel(model, panel(guard), POLICY, pace=Pace(interval=0.0), **more)


def refused(message: AIMessage) -> bool:
    account = message.response_metadata["corral"]
    assert (account["policy"], account["digest"]) == (POLICY.label, POLICY.digest)
    return bool(account["decision"] == "refuse")


async def test_what_is_allowed_is_the_models_own_reply() -> None:
    answer = await guarded(HELLO).ainvoke("hi")
    assert isinstance(answer, AIMessage)
    assert answer.content == "Hello there."
    assert answer.response_metadata["corral"] == {
        "decision": "allow",
        "clause": None,
        "policy": POLICY.label,
        "digest": POLICY.digest,
    }


async def test_a_harmful_input_is_answered_by_the_policy() -> None:
    answer = await guarded(HELLO).ainvoke("a BOMB")
    assert refused(answer)
    assert answer.content != "Hello there."
    assert answer.response_metadata["corral"]["clause"]
    assert answer.response_metadata["finish_reason"] == "content_filter"
    (chunk,) = [chunk async for chunk in guarded(HELLO).astream("a BOMB")]
    assert (chunk.content, refused(chunk)) == (answer.content, True)


async def test_a_harmful_reply_is_not_given() -> None:
    model = FakeListChatModel(responses=["Take a BOMB and"])
    answer = await guarded(model).ainvoke("hi")
    assert refused(answer)
    assert "BOMB" not in str(answer)


async def test_a_harmful_past_is_judged_too() -> None:
    assert refused(await guarded(HELLO).ainvoke([HumanMessage("a BOMB"), HumanMessage("go on")]))
    tool_result = [
        HumanMessage("weather?"),
        AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1", "type": "tool_call"}]),
        ToolMessage("sunny", tool_call_id="1"),
    ]
    guard = ScriptedGuard()
    await guarded(HELLO, guard).ainvoke(tool_result)
    assert [j.exchange.subject for j in guard.judgings] == [
        Subject.USER_INPUT,
        Subject.REPLY,
        Subject.TOOL_CALL,
        Subject.TOOL_RESULT,
        Subject.REPLY,
    ]


async def test_i1_no_word_before_the_inputs_verdict() -> None:
    verdict_in = asyncio.Event()

    def answer(exchange: Exchange) -> Any:
        if exchange.subject is Subject.USER_INPUT:
            verdict_in.set()
        return ()

    begun = asyncio.Event()
    guard = ScriptedGuard(
        answer=answer, delay=lambda e: 0.02 if e.subject is Subject.USER_INPUT else 0.0
    )
    model = SteppedModel(pieces=("a", "b"), begun=begun)
    stream = guarded(model, guard).astream("hi")
    first = asyncio.ensure_future(anext(stream))
    await begun.wait()
    assert not verdict_in.is_set()  # the model drafts meanwhile, and nobody has seen it
    assert not first.done()
    await first
    assert verdict_in.is_set()
    assert [c async for c in stream][-1].response_metadata["corral"]["decision"] == "allow"


async def test_i1_a_refused_input_cancels_the_draft() -> None:
    begun, cancelled = asyncio.Event(), list[bool]()
    guard = ScriptedGuard(answer=flag(BOMB), delay=0.01)
    model = SteppedModel(pieces=("a", "b"), go=asyncio.Event(), begun=begun, cancelled=cancelled)
    (chunk,) = [chunk async for chunk in guarded(model, guard).astream("a BOMB")]
    assert refused(chunk)
    assert begun.is_set()
    assert model.cancelled == [True]


@pytest.mark.parametrize("cut", range(1, 12))
async def test_i3_every_piece_was_judged_before_it_came(cut: int) -> None:
    words = [
        "one ",
        "two ",
        "three ",
        "four ",
        "five ",
        "BOMB ",
        "six ",
        "seven ",
        "8 ",
        "9 ",
        "10",
    ]
    guard = ScriptedGuard(answer=flag(BOMB))
    model = SteppedModel(pieces=tuple(words[:cut]))
    said = ""
    async for chunk in guarded(model, guard).astream("hi"):
        said += str(chunk.content)
        judged = [
            j.exchange.text
            for j in guard.judgings
            if j.exchange.subject in (Subject.REPLY, Subject.REPLY_SO_FAR)
        ]
        account = chunk.response_metadata.get("corral", {})
        if "BOMB" not in "".join(words[:cut]):
            assert any(text.startswith(said) for text in judged)
        elif account:
            assert account["decision"] == "refuse"
            if account.get("retracted"):
                assert chunk.content == ""
                assert account["text"]
        assert "BOMB" not in said


async def test_pieces_come_while_the_model_writes() -> None:
    go = asyncio.Event()
    guard = ScriptedGuard()
    async with aclosing(guarded(SteppedModel(pieces=("a", "b"), go=go), guard).astream("hi")) as s:  # type: ignore[type-var]
        assert (await anext(s)).content == "a"
        go.set()
        rest = [chunk async for chunk in s]
    assert "".join(str(chunk.content) for chunk in rest) == "b"
    assert [j.exchange.context[-1].text for j in guard.judgings[1:]] == ["hi"] * (
        len(guard.judgings) - 1
    )


async def test_a_reply_that_turns_bad_is_retracted() -> None:
    go = asyncio.Event()
    model = SteppedModel(pieces=("fine ", "a BOMB", " x"), go=go)
    chunks: list[AIMessage] = []
    async for chunk in guarded(model).astream("hi"):
        chunks.append(chunk)
        go.set()
    assert [chunk.content for chunk in chunks] == ["fine ", ""]
    account = chunks[-1].response_metadata["corral"]
    assert (account["decision"], account["retracted"]) == ("refuse", True)
    assert account["text"]


FAILING: list[ScriptedGuard] = [
    ScriptedGuard(answer=lambda _: RuntimeError("SECRET")),
    ScriptedGuard(answer=lambda _: "nonsense"),  # type: ignore[arg-type,return-value]
    ScriptedGuard(subjects=frozenset({Subject.USER_INPUT})),
    ScriptedGuard(subjects=frozenset({Subject.REPLY, Subject.REPLY_SO_FAR})),
]


@pytest.mark.parametrize("guard", FAILING, ids=range(len(FAILING)))
async def test_i2_a_guard_that_fails_refuses(guard: ScriptedGuard) -> None:
    model = guarded(HELLO, guard)
    answer = await model.ainvoke("hi")
    assert refused(answer)
    assert answer.response_metadata["corral"]["clause"] in {"guard-unavailable", "default-deny"}
    chunks = [chunk async for chunk in model.astream("hi")]
    assert refused(chunks[-1])
    assert "Hello" not in "".join(str(chunk.content) for chunk in chunks)
    assert "SECRET" not in str(answer)


@tool
def look_up(q: str) -> str:
    """Look something up."""
    return q


def calling(**args: Any) -> AIMessage:
    return AIMessage(
        "", tool_calls=[{"name": "look_up", "args": args, "id": "call_1", "type": "tool_call"}]
    )


async def test_i4_the_calls_that_are_given_are_those_that_were_judged() -> None:
    guard = ScriptedGuard(answer=flag(BOMB))
    model = guarded(FakeMessagesListChatModel(responses=[calling(q="tea é")]), guard)
    answer = await model.ainvoke("hi")
    assert answer.tool_calls == calling(q="tea é").tool_calls
    merged: Any = None
    async for chunk in model.astream("hi"):
        merged = chunk if merged is None else merged + chunk
    assert merged.tool_calls == answer.tool_calls
    judged = [j.exchange for j in guard.judgings if j.exchange.subject is Subject.TOOL_CALL]
    assert [e.text for e in judged] == ['look_up({"q": "tea é"})'] * 2
    assert json.loads(judged[0].message.tool_calls[0].arguments) == answer.tool_calls[0]["args"]
    bad = await guarded(FakeMessagesListChatModel(responses=[calling(q="a BOMB")])).ainvoke("hi")
    assert refused(bad)
    assert bad.tool_calls == []


async def test_i8_leaving_the_stream_cancels_the_model() -> None:
    for leave in ("close", "cancel"):
        model = SteppedModel(pieces=("a", "b"), go=asyncio.Event(), cancelled=[])
        stream: Any = guarded(model, ScriptedGuard()).astream("hi")
        assert (await anext(stream)).content == "a"
        if leave == "close":
            await stream.aclose()
        else:
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert model.cancelled == [True], leave
        assert len(asyncio.all_tasks()) == 1, leave


async def test_i8_a_cancelled_call_leaves_nothing_behind() -> None:
    begun = asyncio.Event()

    def forever(_: Exchange) -> float:
        begun.set()
        return math.inf

    guard = ScriptedGuard(delay=forever)
    call = asyncio.ensure_future(guarded(HELLO, guard).ainvoke("hi"))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert guard.running == 0
    assert len(asyncio.all_tasks()) == 1


class Ear(AsyncCallbackHandler):
    """Listens to tokens, as whoever streams them to a person does."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.names: list[Any] = []

    async def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.heard.append(token)

    async def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.names.append((kwargs.get("name"), kwargs.get("tags"), kwargs.get("metadata")))


class Account(AsyncCallbackHandler):
    """Hears only of starts and ends."""

    def __init__(self) -> None:
        self.starts = 0

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.starts += 1


async def test_i3_nobody_hears_the_draft() -> None:
    ear, account = Ear(), Account()
    model = guarded(SteppedModel(pieces=("fine ", "a BOMB")))
    config: Any = {"callbacks": [ear, account], "tags": ["mine"], "metadata": {"k": "v"}}
    [_ async for _ in model.astream("hi", config)]
    assert ear.heard == []
    assert account.starts == 1
    assert ("GuardedModel", ["mine"], {"k": "v"}) in [
        (n, t, {"k": m["k"]}) for n, t, m in ear.names
    ]
    events = [event async for event in model.astream_events("hi", version="v2")]
    assert events
    assert "BOMB" not in str(events)


async def test_it_stands_in_a_chain() -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be kind."), ("human", "{question}")])
    chain = prompt | guarded(HELLO) | StrOutputParser()
    assert await chain.ainvoke({"question": "hi"}) == "Hello there."
    pieces = [piece async for piece in chain.astream({"question": "hi"})]
    assert "".join(pieces) == "Hello there."
    results = await chain.abatch([{"question": "hi"}, {"question": "a BOMB"}, {"question": "yo"}])
    assert [result == "Hello there." for result in results] == [True, False, True]


async def test_arguments_reach_the_model_and_instructions_are_not_judged() -> None:
    guard = ScriptedGuard()
    model = SteppedModel(pieces=("a",), seen=[])
    await (
        guarded(model, guard)
        .bind(stop=["x"], extra=1)
        .ainvoke([SystemMessage("BOMB"), ("human", "b")])
    )  # type: ignore[list-item]
    ((messages, kwargs),) = model.seen
    assert [message.content for message in messages] == ["BOMB", "b"]
    assert kwargs["extra"] == 1
    assert {m.role for j in guard.judgings for m in j.exchange.context} <= {Role.USER}


async def test_what_is_redacted_does_not_reach_the_model() -> None:
    def answer(exchange: Exchange) -> Any:
        at = exchange.text.find("ana@example.org")
        if at < 0 or exchange.subject is not Subject.REPLY:
            return ()
        span = Span(start=at, end=at + 15)
        return (Finding(hazard=Hazard.PERSONAL_DATA, probability=0.99, span=span, label="IBAN"),)

    model = FakeListChatModel(responses=["Write to ana@example.org now."])
    reply = await guarded(model, ScriptedGuard(answer=answer)).ainvoke("hi")
    assert "ana@" not in str(reply.content)
    assert str(reply.content).startswith("Write to ")
    seen = SteppedModel(pieces=("ok",), seen=[])
    past = [AIMessage("Write to ana@example.org"), HumanMessage("and then?")]
    await guarded(seen, ScriptedGuard(answer=answer)).ainvoke(past)
    assert "ana@" not in str(seen.seen[-1][0])


async def test_models_that_give_text_or_nonsense() -> None:
    assert (await guarded(RunnableLambda(lambda _: "plain")).ainvoke("hi")).content == "plain"
    with pytest.raises(UnusableReplyError):
        await guarded(RunnableLambda(lambda _: {"SECRET": 1})).ainvoke("hi")
    with pytest.raises(TypeError, match="bind_tools"):
        guarded(RunnableLambda(lambda _: "x")).bind_tools([look_up])


async def test_a_models_error_is_the_callers_once_the_input_is_allowed() -> None:
    def fail(_: Any) -> str:
        raise ConnectionError("no model")

    with pytest.raises(ConnectionError):
        await guarded(RunnableLambda(fail)).ainvoke("hi")
    assert refused(await guarded(RunnableLambda(fail)).ainvoke("a BOMB"))
    broken = FakeListChatModel(responses=["abc"], error_on_chunk_number=1)
    with pytest.raises(Exception, match=r"^$"):
        [_ async for _ in guarded(broken).astream("hi")]


async def test_each_decision_is_heard_before_it_takes_effect() -> None:
    heard: list[str] = []

    def record(exchange: Exchange, decision: Decision) -> None:
        heard.append(exchange.subject)

    await guarded(HELLO, record=record).ainvoke("hi")
    assert heard == ["user_input", "reply"]

    def full(exchange: Exchange, decision: Decision) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await guarded(HELLO, record=full).ainvoke("hi")


def test_it_works_without_a_loop() -> None:
    model = guarded(HELLO)
    assert model.invoke("hi").content == "Hello there."
    assert "".join(str(chunk.content) for chunk in model.stream("hi")) == "Hello there."
    assert [answer.content for answer in model.batch(["hi", "yo"])] == ["Hello there."] * 2
    chain = model | StrOutputParser()
    assert "".join(chain.stream("hi")) == "Hello there."
    for chunk in model.stream("hi"):
        assert chunk.content
        break  # leaving early closes the loop and all that ran in it


async def test_openais_client_streams_calls_and_is_aborted() -> None:
    call = {"index": 0, "id": "call_1", "type": "function"}
    named = call | {"function": {"name": "look_up", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"q":"tea"}'}}

    def respond(received: Any) -> Any:
        if received.json.get("tools"):
            return replies.events(
                [
                    (0.0, replies.delta("", role="assistant", tool_calls=[named])),
                    (0.0, replies.delta(tool_calls=[rest])),
                    (0.0, replies.delta(finish="tool_calls") + replies.DONE),
                ]
            )
        return replies.stream(("Once", " upon", " a", " time"))

    server = ScriptedUpstream(respond)
    await server.start()
    try:
        model = ChatOpenAI(
            model="m", base_url=server.url, api_key=SecretStr("k"), max_retries=0, streaming=True
        )
        safe = guarded(model, ScriptedGuard(answer=allow))
        pieces = [chunk async for chunk in safe.astream("tell me")]
        assert "".join(str(chunk.content) for chunk in pieces) == "Once upon a time"
        assert isinstance(pieces[-1], AIMessageChunk)
        assert pieces[-1].response_metadata["finish_reason"] == "stop"
        asked = await safe.bind_tools([look_up]).ainvoke("what about tea?")
        assert asked.tool_calls[0]["args"] == {"q": "tea"}
    finally:
        await server.stop()


async def test_a_bare_fake_of_langchains_streams() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("Hello big world")]))
    pieces = [chunk async for chunk in guarded(model).astream("hi")]
    assert "".join(str(chunk.content) for chunk in pieces) == "Hello big world"
