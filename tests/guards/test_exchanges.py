"""What of a message is judged."""

import pytest

from guards.conversation import (
    BY_MODEL,
    BY_USER,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
    ToolCall,
    text_message,
)
from guards.exchanges import exchanges_of

PAST = (text_message("before", id="m0"),)


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        (Role.USER, Subject.USER_INPUT),
        (Role.ASSISTANT, Subject.REPLY),
        (Role.TOOL, Subject.TOOL_RESULT),
    ],
)
def test_the_speaker_tells_the_subject(role: Role, subject: Subject) -> None:
    (exchange,) = exchanges_of(text_message("hello", id="m1", role=role), PAST)
    assert (exchange.subject, exchange.text, exchange.context) == (subject, "hello", PAST)


def test_images_and_each_call_are_judged_of_their_own() -> None:
    image = ImagePart(url="data:image/png;base64,AA==")
    message = Message(
        id="m1", role=Role.USER, parts=(TextPart(text="look"), image), provenance=BY_USER
    )
    assert [e.subject for e in exchanges_of(message, ())] == [Subject.USER_INPUT, Subject.IMAGE]
    calls = (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments="{}"),
    )
    reply = Message(id="m2", role=Role.ASSISTANT, parts=(), provenance=BY_MODEL, tool_calls=calls)
    judged = exchanges_of(reply, PAST)
    assert [e.subject for e in judged] == [Subject.REPLY, Subject.TOOL_CALL, Subject.TOOL_CALL]
    assert [e.text for e in judged] == ["", 'f({"x":1})', "g({})"]
    assert [e.message.tool_calls for e in judged[1:]] == [calls[:1], calls[1:]]


def test_a_system_message_is_not_judged() -> None:
    with pytest.raises(ValueError, match="system"):
        exchanges_of(text_message("rules", id="m1", role=Role.SYSTEM), ())
