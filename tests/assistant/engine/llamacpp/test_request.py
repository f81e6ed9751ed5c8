import pytest
from pydantic import ValidationError

from assistant.engine.llamacpp.request import ChatRequest

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": HELLO, "max_tokens": 0}, "max_tokens"),
        ({"messages": HELLO, "temperature": -1}, "temperature"),
        ({"messages": HELLO, "n": 2}, "n"),
        ({"messages": HELLO, "top_logprobs": 21}, "top_logprobs"),
        ({"messages": HELLO, "no_such_field": 1}, "no_such_field"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages.0.content",
        ),
    ],
)
def test_what_is_wrong_is_named_by_field(body: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate(body)
    named = [".".join(str(part) for part in error["loc"]) for error in caught.value.errors()]
    assert any(name.startswith(field) for name in named)


@pytest.mark.parametrize(
    ("choice", "tools"),
    [
        ("required", []),
        ("required", [TOOL, TOOL]),
        ({"type": "function", "function": {"name": "g"}}, [TOOL]),
    ],
)
def test_a_tool_that_cannot_be_forced_is_refused(choice: object, tools: list[object]) -> None:
    with pytest.raises(ValidationError, match="tool_choice"):
        ChatRequest.model_validate({"messages": HELLO, "tools": tools, "tool_choice": choice})


def test_the_forced_tool_decides_the_grammar() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string"}}}
    body = {"messages": HELLO, "response_format": wanted}
    as_string = ChatRequest.model_validate(body).draw().grammar
    forced = ChatRequest.model_validate({**body, "tools": [TOOL], "tool_choice": "required"})
    assert forced.forced is not None
    assert forced.forced.name == "f"
    assert forced.draw().grammar not in (None, as_string)


def test_text_parts_become_one_text() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": parts}]})
    assert request.messages[0].plain() == {"role": "user", "content": "one\ntwo"}


def test_a_schema_that_cannot_be_held_to_is_an_error() -> None:
    schema = {"$ref": "#/definitions/missing"}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with pytest.raises(ValueError, match="cannot be turned into a grammar"):
        ChatRequest.model_validate({"messages": HELLO, "response_format": wanted}).draw()
