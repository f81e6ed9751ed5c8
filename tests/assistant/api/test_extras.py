"""What a turn gives beside text: questions, sources, images and tools, whole and streamed."""

from dataclasses import replace
from typing import Any

from assistant.events import (
    ApprovalNeeded,
    Cited,
    ImageReleased,
    Retracted,
    TextReleased,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
)
from assistant.turn import SessionKey
from plugins.result import Citation, Picture
from tests.assistant.api.scripted import INPUT_JUDGED, REFUSE, Step, finished
from tests.assistant.api.test_answer import content_of, streamed, whole
from tests.assistant.approval.conftest import NOON, question

ASKED = question(SessionKey(tenant="local", user="ann", session="s1"))
QUESTION = 'May I send a mail to bob@example.com?\nsend_mail {"to":"bob@example.com"}'
APPROVAL = {
    "id": "apr_1",
    "tool": "send_mail",
    "arguments": {"to": "bob@example.com"},
    "text": "May I send a mail to bob@example.com?",
    "approver": "user",
    "expires_at": int(NOON) + 600,
}
ASKS: tuple[Step, ...] = (
    INPUT_JUDGED,
    ApprovalNeeded(asked=ASKED),
    finished(decision="ask", clause="mail.ask"),
)
SAYS_AND_ASKS: tuple[Step, ...] = (INPUT_JUDGED, TextReleased(text="One moment."), *ASKS[1:])

SOURCE = Cited(number=1, citation=Citation(title="Sky", url="https://example.com/sky", text="Blue"))
SOURCE_BODY = {"number": 1, "title": "Sky", "url": "https://example.com/sky", "text": "Blue"}
IMAGE = ImageReleased(picture=Picture(data=b"\x89PNG", media_type="image/png", alt="a sky"))
IMAGE_BODY = {"url": "data:image/png;base64,iVBORw==", "alt": "a sky"}
RAN = ToolFinished(call="c1", tool="search", artifact={"hits": [1, 2]})
RAN_BODY = {"call": "c1", "tool": "search", "failure": None, "artifact": {"hits": [1, 2]}}
FAILED_BODY = {"call": "c2", "tool": "fetch", "failure": "timeout", "artifact": None}
TOOLS: tuple[Step, ...] = (
    INPUT_JUDGED,
    ToolStarted(call="c1", tool="search", plugin="search"),
    ToolProgressed(call="c1", text="looking at 3 pages"),
    SOURCE,
    RAN,
    ToolFinished(call="c2", tool="fetch", failure="timeout"),
    IMAGE,
    TextReleased(text="It is blue [1]."),
    finished(),
)
WITHDRAWN = (*TOOLS[:-1], Retracted(decision=REFUSE, text=REFUSE.text), finished())


async def test_a_question_is_the_content_and_a_field() -> None:
    for script, content in ((ASKS, QUESTION), (SAYS_AND_ASKS, f"One moment.\n\n{QUESTION}")):
        completion = await whole(script)
        (choice,) = completion["choices"]
        assert choice["message"]["content"] == content
        assert choice["finish_reason"] == "stop"
        assert completion["corral"]["decision"] == "ask"
        assert completion["corral"]["clause"] == "mail.ask"
        assert completion["corral"]["approval"] == APPROVAL


async def test_a_streamed_question_is_text_and_a_field_of_the_last_chunk() -> None:
    for script, content in ((ASKS, QUESTION), (SAYS_AND_ASKS, f"One moment.\n\n{QUESTION}")):
        chunks = await streamed(script)
        assert content_of(chunks) == content
        *before, last, _ = chunks
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["corral"]["approval"] == APPROVAL
        assert all("corral" not in chunk for chunk in before)


def test_what_is_not_seen_in_the_arguments_is_shown() -> None:
    asked = replace(ASKED, arguments='{"to":"bob\u202e\u200b\U000e0041@x","n":"žluť 👍"}')
    assert asked.shown.endswith('{"to":"bob\\u202e\\u200b\\udb40\\udc41@x","n":"žluť 👍"}')


async def test_sources_images_and_tools_come_with_a_whole_reply() -> None:
    corral = (await whole(TOOLS))["corral"]
    assert corral["citations"] == [SOURCE_BODY]
    assert corral["images"] == [IMAGE_BODY]
    assert corral["tools"] == [RAN_BODY, FAILED_BODY]
    assert "approval" not in corral


async def test_each_is_a_chunk_of_its_own_in_a_stream() -> None:
    chunks = await streamed(TOOLS, stream_options={"include_usage": True})
    told: list[Any] = [c["corral_event"] for c in chunks if "corral_event" in c]
    assert told == [
        {"type": "tool_started", "call": "c1", "tool": "search", "plugin": "search"},
        {"type": "tool_progress", "call": "c1", "text": "looking at 3 pages"},
        {"type": "citation", **SOURCE_BODY},
        {"type": "tool_finished", **RAN_BODY},
        {"type": "tool_finished", **FAILED_BODY},
        {"type": "image", **IMAGE_BODY},
    ]
    assert all(c["choices"] == [] for c in chunks if "corral_event" in c)
    assert content_of(chunks) == "It is blue [1]."
    (corral,) = [c["corral"] for c in chunks if "corral" in c]
    assert corral["citations"] == [SOURCE_BODY]
    assert corral["tools"] == [RAN_BODY, FAILED_BODY]
    assert "images" not in corral


async def test_i3_of_what_was_withdrawn_nothing_is_repeated() -> None:
    whole_reply = (await whole(WITHDRAWN))["corral"]
    last = [c["corral"] for c in await streamed(WITHDRAWN) if "corral" in c]
    for corral in (whole_reply, *last):
        assert not {"citations", "images", "tools", "approval"} & corral.keys()
        assert corral["retracted"] is True
