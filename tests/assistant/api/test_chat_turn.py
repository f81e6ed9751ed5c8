"""What a request becomes for the orchestrator, and what is refused and how."""

from typing import Any

import pytest

from assistant.api.app import build_app
from assistant.turn import SessionKey, Turn
from guards.conversation import BY_MODEL, BY_TOOL, BY_USER, ImagePart, Role, TextPart
from policies.audience import Audience
from tests.assistant.api.scripted import ScriptedOrchestrator, assistant, say
from tests.assistant.api.serving import chat, local_client, user

CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


async def turn_from(body: dict[str, Any], headers: dict[str, str] | None = None) -> Turn:
    orchestrator = ScriptedOrchestrator(say("ok"))
    async with local_client(build_app(assistant(orchestrator))) as client:
        response = await client.post("/v1/chat/completions", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return orchestrator.turns[0]


async def refusal_of(
    body: dict[str, Any], headers: dict[str, str] | None = None, status: int = 400
) -> dict[str, Any]:
    orchestrator = ScriptedOrchestrator(say("ok"))
    async with local_client(build_app(assistant(orchestrator))) as client:
        response = await client.post("/v1/chat/completions", json=body, headers=headers)
    assert response.status_code == status, response.text
    assert orchestrator.turns == []
    error: dict[str, Any] = response.json()["error"]
    return error


async def test_a_plain_question_is_a_stateless_turn() -> None:
    turn = await turn_from(chat(user("hi")))
    assert turn.key == SessionKey(tenant="local", user="anonymous", session="")
    assert not turn.remembered
    assert (turn.message.role, turn.message.text) == (Role.USER, "hi")
    assert turn.message.provenance == BY_USER
    assert turn.id.startswith("msg-")
    assert turn.message.id == turn.id
    assert (turn.history, turn.instructions, turn.locale) == ((), "", "en")


@pytest.mark.parametrize("names", [None, [], ["web_search", "calculate"]])
async def test_a_turn_may_name_corrals_tools(names: list[str] | None) -> None:
    corral = {} if names is None else {"tools": names}
    turn = await turn_from(chat(user("hi")) | {"corral": corral})
    assert turn.own_tools == (None if names is None else tuple(names))


async def test_system_and_developer_messages_are_instructions() -> None:
    turn = await turn_from(
        chat(
            {"role": "system", "content": "Be brief."},
            user("hi"),
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            user("there"),
        )
    )
    assert turn.instructions == "Be brief.\n\nBe kind."
    assert [message.text for message in turn.history] == ["hi"]
    assert turn.message.text == "there"


async def test_history_keeps_roles_calls_and_provenance() -> None:
    turn = await turn_from(
        chat(
            user("weather?"),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            tools=[TOOL],
        )
    )
    asked, called = turn.history
    assert (asked.provenance, called.provenance) == (BY_USER, BY_MODEL)
    assert called.parts == ()
    assert called.tool_calls[0].name == "look_up"
    assert turn.message.role is Role.TOOL
    assert turn.message.tool_call_id == "call_1"
    assert turn.message.provenance == BY_TOOL
    assert turn.tools[0].name == "look_up"
    assert len({asked.id, called.id, turn.message.id}) == 3


async def test_consecutive_user_messages_stay_apart() -> None:
    turn = await turn_from(chat(user("one"), user("two"), user("three")))
    assert [message.text for message in turn.history] == ["one", "two"]
    assert turn.message.text == "three"


async def test_parts_of_text_and_image() -> None:
    content = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    turn = await turn_from(chat({"role": "user", "content": content}))
    assert turn.message.parts == (TextPart(text="what is this"), ImagePart(url=PIXEL))


async def test_a_remembered_turn() -> None:
    turn = await turn_from(
        chat(
            {"role": "system", "content": "Be brief."},
            user("hi"),
            user="ada@example.org",
            corral={
                "session": "s-1",
                "message_id": "m-1",
                "locale": "zh-Hans",
                "audience": "minor",
            },
        )
    )
    assert turn.remembered
    assert turn.key == SessionKey(tenant="local", user="ada@example.org", session="s-1")
    assert (turn.id, turn.locale, turn.audience) == ("m-1", "zh-Hans", Audience.MINOR)


async def test_the_idempotency_header_names_the_message() -> None:
    turn = await turn_from(chat(corral={"session": "s"}), {"idempotency-key": "m-9"})
    assert turn.id == "m-9"


async def test_sampling_is_handed_on() -> None:
    turn = await turn_from(
        chat(
            temperature=0,
            top_p=0.5,
            max_completion_tokens=9,
            stop="END",
            seed=7,
            frequency_penalty=0.5,
            logit_bias={"12": -100},
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
        )
    )
    sampling = turn.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0, 0.5, 9)
    assert (sampling.stop, sampling.seed) == (("END",), 7)
    assert sampling.extra == {
        "frequency_penalty": 0.5,
        "logit_bias": {"12": -100},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
    }


async def test_nulls_and_harmless_fields_say_nothing() -> None:
    turn = await turn_from(
        chat(
            model="corral",
            n=1,
            logprobs=False,
            stop=None,
            tools=None,
            functions=None,
            temperature=None,
            whatever=None,
            modalities=["text"],
            store=True,
            metadata={"a": "b"},
        )
    )
    assert turn.sampling.extra == {}


async def test_ten_thousand_messages_are_taken() -> None:
    pair = [user("question"), {"role": "assistant", "content": "answer"}]
    turn = await turn_from(chat(*pair * 5_000, user("last")))
    assert len(turn.history) == 10_000


NAMED_TOOL = {"type": "function", "function": {"name": "look_up"}}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("messages", {}, "is missing"),
    ("messages", {"messages": []}, "at least 1 items"),
    ("messages", {"messages": "hi"}, "must be a valid list"),
    ("messages[0]", {"messages": ["hi"]}, "must be"),
    ("messages[0].role", chat({"role": "king", "content": "x"}), "must be 'system'"),
    ("messages[0].content", chat({"role": "user"}), "is missing"),
    ("messages[0].content", chat({"role": "user", "content": ""}), "must not be empty"),
    ("messages[0].content", chat({"role": "user", "content": 5}), "a string or a list"),
    ("messages[0].content", chat({"role": "user", "content": []}), "at least 1"),
    (
        "messages[0].content[0].type",
        chat({"role": "user", "content": [{"type": "input_audio"}]}),
        "must be one of",
    ),
    (
        "messages[0].content[0].image_url.url",
        chat(
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}],
            }
        ),
        "must match ^data:image",
    ),
    (
        "messages[0].content",
        chat(
            {
                "role": "system",
                "content": [{"type": "image_url", "image_url": {"url": PIXEL}}],
            },
            user("x"),
        ),
        "only parts of type text",
    ),
    ("messages", chat(user("x"), {"role": "assistant", "content": "y"}), "must end with a user"),
    ("messages", chat({"role": "system", "content": "only"}), "must end with a user"),
    ("messages[0].tool_call_id", chat({"role": "tool", "content": "x"}), "is missing"),
    (
        "messages[1].tool_call_id",
        chat(user("a"), {"role": "tool", "content": "x", "tool_call_id": "nope"}),
        "must be the id of a tool call",
    ),
    (
        "messages[0].tool_calls",
        chat({"role": "user", "content": "x", "tool_calls": [CALL]}),
        "only allowed for role assistant",
    ),
    (
        "messages[0].function_call",
        chat({"role": "assistant", "function_call": {"name": "f"}}, user("x")),
        "is not supported",
    ),
    ("n", chat(n=2), "must be 1"),
    ("n", chat(n=True), "must be 1"),
    ("logprobs", chat(logprobs=True), "must be false"),
    ("top_logprobs", chat(top_logprobs=3), "must be 0"),
    ("functions", chat(functions=[]), "use tools"),
    ("web_search_options", chat(web_search_options={}), "is not supported"),
    ("chat_template", chat(chat_template="{{ x }}"), "is not supported"),
    ("guided_json", chat(guided_json={}), "is not supported"),
    ("temperature", chat(temperature="0.5"), "must be a valid number"),
    ("temperature", chat(temperature=3), "less than or equal to 2"),
    ("top_p", chat(top_p=0), "greater than 0"),
    ("max_tokens", chat(max_tokens=0), "greater than or equal to 1"),
    ("max_tokens", chat(max_tokens=True), "must be a valid integer"),
    ("max_tokens", chat(max_tokens=5, max_completion_tokens=6), "must equal"),
    ("stop", chat(stop=3), "a string or a list of strings"),
    ("stop", chat(stop=["x"] * 17), "at most 16"),
    ("seed", chat(seed=2**63), "less than"),
    ("stream", chat(stream="yes"), "must be a valid boolean"),
    ("stream_options", chat(stream_options={"include_usage": True}), "when stream is true"),
    ("response_format.type", chat(response_format={"type": "xml"}), "must be 'text'"),
    ("tools[0].type", chat(tools=[{"type": "web_search"}]), "must be 'function'"),
    ("tools", chat(tools=[NAMED_TOOL, NAMED_TOOL]), "twice"),
    (
        "tools[0].function.name",
        chat(tools=[{"type": "function", "function": {"name": "a b"}}]),
        "must match",
    ),
    ("tool_choice", chat(tool_choice="auto"), "only allowed with tools"),
    ("tool_choice", chat(tool_choice=1), "one function"),
    (
        "tool_choice.function.name",
        chat(tools=[NAMED_TOOL], tool_choice={"type": "function", "function": {"name": "other"}}),
        "one of the tools",
    ),
    ("user", chat(user="a b"), "must match"),
    ("user", chat(user="u" * 129), "must match"),
    ("corral", chat(corral=3), "must be"),
    ("corral.sesion", chat(corral={"sesion": "s"}), "is not known"),
    ("corral.session", chat(corral={"session": "{x}"}), "must match"),
    ("corral.message_id", chat(corral={"message_id": ""}), "must match"),
    ("corral.locale", chat(corral={"locale": "english please"}), "must match"),
    ("corral.audience", chat(corral={"audience": "cats"}), "must be 'general'"),
    ("tools", chat(tools=[NAMED_TOOL], corral={"session": "s"}), "must be left out"),
    ("messages", chat(user("a"), user("b"), corral={"session": "s"}), "exactly one user"),
    (
        "messages[0].role",
        chat({"role": "assistant", "content": "x"}, user("b"), corral={"session": "s"}),
        "Corral remembers the rest",
    ),
]


@pytest.mark.parametrize(
    ("param", "body", "complaint"), WRONG, ids=[f"{i}-{w[0]}" for i, w in enumerate(WRONG)]
)
async def test_a_wrong_field_is_named(param: str, body: dict[str, Any], complaint: str) -> None:
    error = await refusal_of(body)
    assert error["param"] == param
    assert complaint in error["message"]
    assert error["message"].startswith(param)
    assert error["type"] == "invalid_request_error"
    assert error["reference"].startswith("ref-")


async def test_an_unknown_model_is_not_found() -> None:
    error = await refusal_of(chat(model="gpt-9"), status=404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_the_idempotency_header_is_checked() -> None:
    assert (await refusal_of(chat(), {"idempotency-key": "a b"}))["param"] == "idempotency-key"
    error = await refusal_of(chat(corral={"message_id": "m-1"}), {"idempotency-key": "m-2"})
    assert error["param"] == "corral.message_id"


@pytest.mark.parametrize(
    "body",
    [
        chat(**{"SECRET WORD": 1}),
        chat(corral={"SECRET WORD": 1}),
        chat(logit_bias={"SECRET WORD": "x"}),
        chat({"role": "SECRET WORD", "content": "x"}),
        chat({"role": "user", "content": [{"type": "SECRET WORD"}]}),
        chat(user="SECRET WORD"),
        chat(model="SECRET WORD"),
    ],
)
async def test_no_error_quotes_what_came_in(body: dict[str, Any]) -> None:
    async with local_client(build_app(assistant(ScriptedOrchestrator(say())))) as client:
        response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code in (400, 404)
    assert "SECRET" not in response.text
