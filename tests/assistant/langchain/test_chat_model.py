"""The chat model in its assistant's own loop: what goes in, what comes out, what is never done."""

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel, Field, ValidationError

from assistant.engine.protocol import CompletionRequest
from assistant.errors import CorralError, EngineUnreachableError, InvalidTurnError
from assistant.events import FinishReason, Usage
from assistant.langchain.chat_model import ChatCorral
from assistant.testing.scripted_engine import Fail, Hang, Step, call, say
from assistant.testing.scripted_guard import ScriptedGuard, flag
from assistant.testing.virtual_time import run_virtual
from guards.conversation import ImagePart, Integrity, Role, Source, Subject, TextPart, ToolCall
from plugins.access import Access
from plugins.manifest import SideEffect
from plugins.result import Citation, Picture, Result
from plugins.typed import tool
from policies.audience import Audience
from tests.assistant.bench import MARKED, Bench

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def chat(bench: Bench, **fields: Any) -> ChatCorral:
    return ChatCorral(orchestrator=bench.orchestrator, **fields)


def sent(bench: Bench) -> CompletionRequest:
    """What the engine was asked last."""
    return bench.scripted.runs[-1].request


def corral(message: BaseMessage) -> dict[str, Any]:
    said: dict[str, Any] = message.response_metadata["corral"]
    return said


async def streamed(model: Any, value: Any, **kwargs: Any) -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream(value, **kwargs)]


def merged(chunks: Sequence[AIMessageChunk]) -> AIMessageChunk:
    first, *others = chunks
    return sum(others, first)


def script(*rounds: tuple[Step, ...]) -> Any:
    """One reply after the other."""
    left = list(rounds)
    return lambda _request: left.pop(0)


@tool(content=("query",))
async def find(query: str) -> Result:
    """Find pages about a query."""
    citation = Citation(title=f"About {query}", url="https://example.org/a", text="the passage")
    return Result(content=f"[1] {query}: the passage", citations=(citation,))


@tool()
async def draw() -> Result:
    """Draw a llama."""
    picture = Picture(data=b"\x89PNG\r\n\x1a\n", media_type="image/png", alt="a llama")
    return Result(content="drawn", images=(picture,))


@tool(side_effect=SideEffect.IRREVERSIBLE)
async def pay(to: str, amount: int, access: Access) -> str:
    """Pay somebody."""
    return f"paid {amount} to {to} ({access.key is not None})"


def wanted(name: str, /, **arguments: Any) -> tuple[Step, ...]:
    return call(ToolCall(id="c1", name=name, arguments=json.dumps(arguments)))


# What goes in


async def test_messages_reach_the_engine_with_who_said_them() -> None:
    bench = Bench()
    await (
        chat(bench)
        .bind_tools([{"name": "look", "description": "d", "parameters": {}}])
        .ainvoke(
            [
                SystemMessage("Be brief."),
                SystemMessage([{"type": "text", "text": "Be kind."}]),
                HumanMessage("Look."),
                AIMessage("", tool_calls=[{"name": "look", "args": {"é": 1}, "id": "c1"}]),
                ToolMessage("a wall", tool_call_id="c1"),
            ]
        )
    )
    system, user, asked, result = sent(bench).messages
    assert system.role is Role.SYSTEM
    assert "Be brief.\n\nBe kind." in system.text
    assert (user.role, user.provenance.source) == (Role.USER, Source.USER)
    assert user.provenance.integrity is Integrity.TRUSTED
    assert asked.provenance.source is Source.MODEL
    assert asked.tool_calls == (ToolCall(id="c1", name="look", arguments='{"é": 1}'),)
    assert (result.text, result.tool_call_id) == ("a wall", "c1")
    assert result.provenance.source is Source.TOOL
    assert result.provenance.integrity is Integrity.UNTRUSTED


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
    ],
)
async def test_images_reach_the_engine(block: dict[str, Any]) -> None:
    bench = Bench()
    await chat(bench).ainvoke([HumanMessage([{"type": "text", "text": "What is this?"}, block])])
    assert sent(bench).messages[-1].parts == (
        TextPart(text="What is this?"),
        ImagePart(url=f"data:image/png;base64,{PNG}"),
    )


async def test_options_are_those_of_the_model_unless_the_call_has_its_own() -> None:
    bench = Bench()
    model = chat(bench, temperature=0, max_tokens=50, stop=["END"], seed=7, top_p=0.5)
    await model.ainvoke("hi")
    sampling = sent(bench).sampling
    assert (sampling.temperature, sampling.top_p, sampling.seed) == (0, 0.5, 7)
    assert (sampling.max_tokens, sampling.stop) == (50, ("END",))
    await model.ainvoke("hi", temperature=1.5, max_tokens=9, stop=["x"], frequency_penalty=0.1)
    sampling = sent(bench).sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (1.5, 9, ("x",))
    assert sampling.extra == {"frequency_penalty": 0.1}


@pytest.mark.parametrize(
    ("messages", "options", "field"),
    [
        ([], {}, "messages"),
        ([AIMessage("hi")], {}, "messages"),
        ([HumanMessage("")], {}, "messages[0].content"),
        ([HumanMessage("hi")], {"temperature": 3}, "temperature"),
        ([HumanMessage("hi")], {"tempreature": 1}, "tempreature"),
        ([HumanMessage("hi")], {"n": 2}, "n"),
        ([HumanMessage("hi")], {"model": "other"}, "model"),
        ([HumanMessage("hi")], {"session": "a b"}, "corral.session"),
        ([HumanMessage("hi")], {"audience": "martians"}, "corral.audience"),
        ([HumanMessage("hi")], {"own_tools": ["none_such"]}, "corral.tools"),
        ([HumanMessage("hi")], {"tool_choice": "required"}, "tool_choice"),
        ([HumanMessage("hi"), ToolMessage("x", tool_call_id="c9")], {}, "messages[1].tool_call_id"),
        ([HumanMessage([{"type": "audio", "base64": "aaaa", "mime_type": "audio/wav"}])], {},
         "messages"),
        ([HumanMessage([{"type": "image", "url": "https://example.org/secret.png"}])], {},
         "messages[0].content[0].image_url.url"),
        ([AIMessage("x"), HumanMessage("hi"), ToolMessage("y", tool_call_id="c")],
         {"session": "s1"}, "messages"),
        ([HumanMessage("hi", id="no good")], {"session": "s1"}, "corral.message_id"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_turn_is_told_by_field_and_not_quoted(
    messages: list[BaseMessage], options: dict[str, Any], field: str
) -> None:
    bench = Bench()
    with pytest.raises(InvalidTurnError) as told:
        await chat(bench)._agenerate(messages, **options)
    assert told.value.field == field
    assert not any(word in str(told.value) for word in ("martians", "secret", "no good", "aaaa"))
    assert not bench.scripted.runs


async def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="sesion"):
        chat(Bench(), sesion="s1")


def test_without_a_loop_the_model_says_how_to_get_one() -> None:
    bench = run_virtual(_a_bench())
    with pytest.raises(RuntimeError, match=r"ChatCorral\.opened"):
        chat(bench)


async def _a_bench() -> Bench:
    return Bench()


# Sessions


async def test_a_session_remembers_and_takes_only_the_last_message() -> None:
    bench = Bench()
    model = chat(bench, session="s1", user="ana")
    await model.ainvoke("My name is Ana.")
    history = [HumanMessage("forged"), AIMessage("forged"), SystemMessage("Be brief.")]
    await model.ainvoke([*history, HumanMessage("What is my name?")])
    system, *said = sent(bench).messages
    assert "Be brief." in system.text
    assert [message.text for message in said] == [
        "My name is Ana.",
        "Hello there.",
        "What is my name?",
    ]


async def test_sessions_and_users_of_calls_do_not_meet() -> None:
    bench = Bench()
    model = chat(bench)
    await model.ainvoke("first", session="s1", user="ana")
    others: list[dict[str, Any]] = [
        {"session": "s2", "user": "ana"},
        {"session": "s1", "user": "bob"},
        {},
    ]
    for other in others:
        await model.ainvoke("second", **other)
        assert "first" not in [message.text for message in sent(bench).messages]


async def test_i7_a_message_with_an_id_is_answered_once() -> None:
    bench = Bench()
    model = chat(bench, session="s1")
    first = await model.ainvoke([HumanMessage("hi", id="m-1")])
    again = await model.ainvoke([HumanMessage("hi", id="m-1")])
    assert len(bench.scripted.runs) == 1
    assert again.content == first.content
    assert (corral(first)["replayed"], corral(again)["replayed"]) == (False, True)
    assert corral(again)["log_id"] == corral(first)["log_id"]


async def test_own_tools_do_not_go_with_sessions() -> None:
    model = chat(Bench(), session="s1").bind_tools([_Person])
    with pytest.raises(InvalidTurnError) as told:
        await model.ainvoke("hi")
    assert told.value.field == "tools"


async def test_audience_and_locale_reach_the_policy() -> None:
    bench = Bench()
    reply = await chat(bench, audience=Audience.MINOR, locale="zh-Hans").ainvoke("BOMB")
    english = await chat(bench).ainvoke("BOMB")
    assert reply.content != english.content
    assert any(ord(character) > 0x4E00 for character in reply.text)


# What comes out


async def test_a_reply_says_what_was_decided_and_what_it_took() -> None:
    usage = Usage(prompt_tokens=11, completion_tokens=3)
    bench = Bench(say("Hello", " there", ".", usage=usage, reason=FinishReason.LENGTH))
    reply = await chat(bench, model_name="llama").ainvoke("hi")
    assert reply.content == "Hello there."
    assert reply.usage_metadata == {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14}
    assert reply.response_metadata["finish_reason"] == "length"
    assert reply.response_metadata["model_name"] == "llama"
    assert corral(reply)["decision"] == "allow"
    assert corral(reply)["log_id"]
    json.dumps(reply.response_metadata)


async def test_tokens_that_nobody_counted_are_not_made_up() -> None:
    nothing = Usage(prompt_tokens=None, completion_tokens=None)
    assert (await chat(Bench(say("Hi.", usage=nothing))).ainvoke("hi")).usage_metadata is None


async def test_a_stream_gives_text_as_it_is_released_and_ends_with_the_decision() -> None:
    chunks = await streamed(chat(Bench(say("Hello ", "there."))), "hi")
    assert "".join(chunk.text for chunk in chunks) == "Hello there."
    assert [chunk.chunk_position for chunk in chunks] == [None] * (len(chunks) - 1) + ["last"]
    assert all(not chunk.response_metadata for chunk in chunks[:-1])
    assert corral(chunks[-1])["decision"] == "allow"


@pytest.mark.parametrize("streams", [False, True])
async def test_i1_what_is_refused_never_reaches_the_reader(streams: bool) -> None:
    bench = Bench(say("how to make it"))
    model = chat(bench)
    reply: BaseMessage = (
        merged(await streamed(model, "BOMB")) if streams else await model.ainvoke("BOMB")
    )
    assert reply.text
    assert "how to make it" not in reply.text
    assert reply.response_metadata["finish_reason"] == "content_filter"
    assert corral(reply)["decision"] == "refuse"
    assert corral(reply)["clause"]
    assert corral(reply)["log_id"]
    assert "retracted" not in corral(reply)


def test_a_reply_that_streams_inside_is_marked_as_taken_back() -> None:
    reply = run_virtual(_invoke_bad(streaming=True))
    assert reply.additional_kwargs == {"corral_retracted": True}
    assert corral(reply)["text"]


BAD = ("fine ", "HATE ", "never")


def _bad() -> Bench:
    return Bench(say(*BAD, first=0.05, gap=0.1))


def test_a_stream_that_turns_bad_says_that_it_is_taken_back() -> None:
    chunks = run_virtual(_stream_bad())
    shown = merged(chunks)
    assert shown.text == "fine "
    assert shown.additional_kwargs == {"corral_retracted": True}
    assert corral(shown)["retracted"] is True
    assert corral(shown)["text"]
    assert shown.response_metadata["finish_reason"] == "content_filter"


async def _stream_bad() -> list[AIMessageChunk]:
    return await streamed(chat(_bad()), "hi")


def test_a_whole_reply_that_turned_bad_is_replaced() -> None:
    reply = run_virtual(_invoke_bad())
    assert "fine" not in reply.text
    assert reply.text
    assert reply.additional_kwargs == {}
    assert corral(reply)["retracted"] is True
    assert "text" not in corral(reply)


async def _invoke_bad(**fields: Any) -> AIMessage:
    return await chat(_bad(), **fields).ainvoke("hi")


def test_i6_what_was_taken_back_is_not_told_to_the_model_later() -> None:
    request = run_virtual(_after_bad())
    said = [message.text for message in request.messages]
    assert not any("fine" in text or "HATE" in text for text in said)
    assert said[-1] == "go on"


async def _after_bad() -> CompletionRequest:
    shown = merged(await _stream_bad())
    bench = Bench()
    await chat(bench).ainvoke([HumanMessage("hi"), shown, HumanMessage("go on")])
    return sent(bench)


async def test_sources_are_annotations_of_the_text_and_metadata() -> None:
    def bench() -> Bench:
        rounds = script(wanted("find", query="llamas"), say("They ", "hum [1]."))
        return Bench(rounds, tools=[find])

    whole = await chat(bench()).ainvoke("Do llamas hum?")
    pieces = merged(await streamed(chat(bench()), "Do llamas hum?"))
    annotation = {
        "type": "citation",
        "url": "https://example.org/a",
        "title": "About llamas",
        "cited_text": "the passage",
        "extras": {"number": 1},
    }
    for reply in (whole, pieces):
        assert reply.text == "They hum [1]."
        (block,) = reply.content_blocks
        assert block["annotations"] == [annotation]  # type: ignore[typeddict-item] # it is text
        assert corral(reply)["citations"] == [
            {
                "number": 1,
                "title": "About llamas",
                "url": "https://example.org/a",
                "text": "the passage",
            }
        ]
        assert corral(reply)["tools"][0]["tool"] == "find"


async def test_images_are_blocks_between_the_text() -> None:
    rounds = script(wanted("draw"), say("Here ", "it is."))
    guard = ScriptedGuard(answer=flag(MARKED))
    bench = Bench(rounds, tools=[draw], guards=[guard], subjects=frozenset(Subject))
    reply = merged(await streamed(chat(bench), "Draw a llama."))
    image, text = reply.content_blocks
    assert (image["type"], text["type"]) == ("image", "text")
    assert (image["base64"], image["mime_type"]) == (PNG, "image/png")  # type: ignore[typeddict-item] # it is one
    assert reply.text == "Here it is."
    # The next turn goes on from it: the picture was for the person.
    await chat(bench_after := Bench()).ainvoke([HumanMessage("x"), reply, HumanMessage("Thanks.")])
    assert [m.text for m in sent(bench_after).messages][-2:] == ["Here it is.", "Thanks."]


async def test_what_needs_a_person_is_asked_and_goes_on_with_their_word() -> None:
    rounds = script(wanted("find", query="bills"), wanted("pay", to="bob", amount=5), say("Paid."))
    bench = Bench(rounds, tools=[find, pay])
    model = chat(bench, session="s1", user="ana")
    reply = await model.ainvoke("Pay what is due.")
    approval = corral(reply)["approval"]
    assert corral(reply)["decision"] == "ask"
    assert (approval["tool"], approval["arguments"]) == ("pay", {"to": "bob", "amount": 5})
    assert approval["id"].startswith("apr_")
    assert approval["text"] in reply.text
    assert isinstance(approval["expires_at"], int)
    assert (await model.ainvoke("yes")).text == "Paid."


async def test_own_tools_can_be_left_out() -> None:
    bench = Bench(tools=[find, draw])
    await chat(bench, own_tools=("find",)).ainvoke("hi")
    assert [spec.name for spec in sent(bench).tools] == ["find"]
    await chat(bench).ainvoke("hi", own_tools=[])
    assert sent(bench).tools == ()


# Tools of the caller


class _Person(BaseModel):
    """A person."""

    name: str = Field(description="Full name.")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", "auto"),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        ("_Person", {"type": "function", "function": {"name": "_Person"}}),
        (
            {"type": "function", "function": {"name": "_Person"}},
            {"type": "function", "function": {"name": "_Person"}},
        ),
    ],
)
async def test_tool_choice_in_every_form(choice: Any, expected: Any) -> None:
    bench = Bench(wanted("_Person", name="Ana"))
    await chat(bench).bind_tools([_Person], tool_choice=choice).ainvoke("Who?")
    assert sent(bench).tool_choice == expected
    assert [spec.name for spec in sent(bench).tools] == ["_Person"]


async def test_a_choice_that_is_no_tool_is_told() -> None:
    model = chat(Bench()).bind_tools([_Person], tool_choice="Nobody")
    with pytest.raises(InvalidTurnError) as told:
        await model.ainvoke("Who?")
    assert told.value.field == "tool_choice.function.name"


async def test_calls_are_handed_back_as_they_were_decided() -> None:
    two = (
        ToolCall(id="c1", name="_Person", arguments='{"name": "Ana"}'),
        ToolCall(id="c2", name="_Person", arguments='{"name": "Bob"}'),
    )
    bench = Bench(call(*two))
    reply = merged(await streamed(chat(bench).bind_tools([_Person]), "Who?"))
    assert [(c["id"], c["name"], c["args"]) for c in reply.tool_calls] == [
        ("c1", "_Person", {"name": "Ana"}),
        ("c2", "_Person", {"name": "Bob"}),
    ]
    assert reply.response_metadata["finish_reason"] == "tool_calls"


async def test_i4_a_call_that_is_not_let_through_is_not_handed_back() -> None:
    bench = Bench(wanted("_Person", name="BOMB"))
    reply = await chat(bench).bind_tools([_Person]).ainvoke("Who?")
    assert reply.tool_calls == []
    assert reply.response_metadata["finish_reason"] == "content_filter"


async def test_structured_output_is_parsed_and_a_refusal_is_none() -> None:
    model = chat(Bench(wanted("_Person", name="Ana"))).with_structured_output(_Person)
    assert await model.ainvoke("Who?") == _Person(name="Ana")
    assert await model.ainvoke("BOMB") is None


# What is never done


async def test_a_reply_is_never_taken_from_langchains_cache() -> None:
    before = get_llm_cache()
    set_llm_cache(InMemoryCache())
    try:
        bench = Bench()
        first, second = [await chat(bench).ainvoke("hi") for _ in range(2)]
    finally:
        set_llm_cache(before)
    assert len(bench.scripted.runs) == 2
    assert corral(first)["log_id"] != corral(second)["log_id"]


async def test_errors_of_the_assistant_pass_through() -> None:
    bench = Bench([Fail(error=EngineUnreachableError("nobody listens"))])
    with pytest.raises(EngineUnreachableError):
        await chat(bench).ainvoke("hi")
    with pytest.raises(CorralError):
        await streamed(chat(bench), "hi")
    bench.assert_idle()


async def test_i8_a_reader_that_leaves_aborts_the_engine() -> None:
    bench = Bench([*say("Hello there. ")[:1], Hang()])
    async with aclosing(chat(bench)._astream([HumanMessage("hi")])) as chunks:  # type: ignore[type-var] # a generator
        assert (await anext(chunks)).text
        assert bench.scripted.running == 1
    bench.assert_idle()


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_i8_an_application_that_leaves_aborts_the_engine(how: str) -> None:
    bench = Bench([*say("Hello there. ")[:1], Hang()])
    stream: Any = chat(bench).astream("hi")
    assert (await anext(stream)).text
    if how == "close":
        await stream.aclose()
    else:
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    for _ in range(20):  # LangChain leaves the closing to the loop, which does it at once
        await asyncio.sleep(0)
    bench.assert_idle()


async def test_i9_who_speaks_is_not_in_the_models_own_description() -> None:
    model = chat(Bench(), session="private", user="ana@example.org")
    assert not any(word in repr(model) for word in ("private", "ana@"))
    assert not any(word in str(model.asdict()) for word in ("private", "ana@"))


async def test_a_synchronous_call_in_the_assistants_loop_is_refused() -> None:
    bench = Bench()
    model = chat(bench)
    with pytest.raises(RuntimeError, match="ainvoke"):
        model.invoke("hi")
    with pytest.raises(RuntimeError, match="astream"):
        next(iter(model.stream("hi")))
    assert not bench.scripted.runs
