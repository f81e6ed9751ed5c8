"""A turn's events as pieces of LangChain's message."""

import base64
from collections.abc import Sequence
from typing import Any, assert_never

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import message_chunk_to_message

from assistant.api.extras import Extras
from assistant.events import (
    ApprovalNeeded,
    Cited,
    Event,
    Finished,
    ImageReleased,
    Judged,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
    Usage,
)
from guards.conversation import ToolCall
from plugins.result import Citation, Picture

RETRACTED = "corral_retracted"
"""In ``additional_kwargs`` of a streamed message: its content was withdrawn, and
``response_metadata["corral"]["text"]`` stands instead."""


class ChunkWriter:
    """Turns one turn's events into chunks, the last of which says what was decided.

    Text is plain until there are sources or images; from then on it comes in standard content
    blocks, whose annotations are the sources.
    """

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._extras = Extras()
        self._annotations: list[dict[str, Any]] = []
        self._blocks = 0
        self._in_text = False
        self._said = False
        self._calls = 0
        self._retracted: Retracted | None = None

    def chunk(self, event: Event) -> AIMessageChunk | None:
        """What ``event`` adds to the message, if anything."""
        match event:
            case TextReleased(text=text) | Refused(text=text):
                return self._text(text)
            case ToolCallReleased(call=call):
                return self._call(call)
            case ImageReleased(picture=picture):
                return self._image(picture)
            case ApprovalNeeded(asked=asked):
                self._extras.asked = asked
                return self._text(f"\n\n{asked.shown}" if self._said else asked.shown)
            case Cited():
                self._extras.add(event)
                self._annotations.append(_annotation(event.number, event.citation))
            case ToolFinished():
                self._extras.add(event)
            case Retracted():
                self._retracted = event
            case Finished():
                return self._end(event)
            case Judged() | ToolStarted() | ToolProgressed():
                pass
            case _:
                assert_never(event)
        return None

    def _text(self, text: str) -> AIMessageChunk:
        self._said = True
        if not self._blocks and not self._annotations:
            return AIMessageChunk(content=text)
        block: dict[str, Any] = {"type": "text", "text": text, "index": self._index(text=True)}
        if self._annotations:
            block["annotations"] = self._annotations
            self._annotations = []
        return AIMessageChunk(content=[block])

    def _image(self, picture: Picture) -> AIMessageChunk:
        block: dict[str, Any] = {
            "type": "image",
            "base64": base64.b64encode(picture.data).decode(),
            "mime_type": picture.media_type,
            "index": self._index(text=False),
            "extras": {"alt": picture.alt},
        }
        return AIMessageChunk(content=[block])

    def _index(self, *, text: bool) -> str:
        """Text goes on with the block before it; everything else begins one."""
        if not (text and self._in_text):
            self._blocks += 1
        self._in_text = text
        # LangChain merges blocks by an index that is a number, which it gives to blocks itself
        # as well, or begins so.
        return f"lc_corral_{self._blocks}"

    def _call(self, call: ToolCall) -> AIMessageChunk:
        index, self._calls = self._calls, self._calls + 1
        chunk = tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=index)
        return AIMessageChunk(content="", tool_call_chunks=[chunk])

    def _end(self, finished: Finished) -> AIMessageChunk:
        corral: dict[str, Any] = {
            "decision": finished.decision,
            "clause": finished.clause,
            "log_id": finished.log_id,
            "replayed": finished.replayed,
        }
        marks: dict[str, Any] = {}
        if self._retracted is not None:
            corral |= {"retracted": True, "text": self._retracted.text}
            marks[RETRACTED] = True
        else:
            corral |= self._extras.body(images=False)
        return AIMessageChunk(
            content="",
            additional_kwargs=marks,
            response_metadata={
                "finish_reason": finished.reason.value,
                "model_name": self._model_name,
                "corral": corral,
            },
            usage_metadata=_usage(finished.usage),
            chunk_position="last",
        )


def whole(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message that all ``chunks`` of a turn make; what was retracted in it is replaced."""
    first, *others = chunks
    merged = message_chunk_to_message(add_ai_message_chunks(first, *others))
    if not isinstance(merged, AIMessage):
        raise TypeError("chunks of a reply make a reply")
    if RETRACTED not in merged.additional_kwargs:
        return merged
    corral = dict(merged.response_metadata["corral"])
    text = corral.pop("text")
    return AIMessage(
        content=text,
        response_metadata=merged.response_metadata | {"corral": corral},
        usage_metadata=merged.usage_metadata,
    )


def _annotation(number: int, citation: Citation) -> dict[str, Any]:
    """A source as LangChain's standard annotation."""
    annotation: dict[str, Any] = {
        "type": "citation",
        "url": citation.url,
        "title": citation.title,
        "extras": {"number": number},
    }
    if citation.text:
        annotation["cited_text"] = citation.text
    return annotation


def _usage(usage: Usage) -> UsageMetadata | None:
    """``None`` when the engine counted nothing."""
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return UsageMetadata(
        input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion
    )
