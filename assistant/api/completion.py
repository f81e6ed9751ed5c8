"""A chat completion's bytes, streamed and whole.

What is the same in every chunk is rendered once; per chunk only the new text is encoded.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from assistant.api.extras import Extra, Extras, extra_body
from assistant.approval.asked import Asked
from assistant.events import Finished, Retracted, Usage
from guards.conversation import ToolCall

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a completion says about itself. ``created`` is in seconds since the epoch."""

    id: str
    created: int
    model: str
    policy: str


class ChunkWriter:
    """Renders a turn's events as server-sent ``chat.completion.chunk`` objects."""

    __slots__ = (
        "_calls",
        "_extras",
        "_head",
        "_heading",
        "_include_usage",
        "_prefix",
        "_role",
        "_suffix",
        "_usage",
    )

    def __init__(self, heading: Heading, *, include_usage: bool) -> None:
        self._heading = heading
        self._include_usage = include_usage
        head = orjson.dumps(
            {
                "id": heading.id,
                "object": "chat.completion.chunk",
                "created": heading.created,
                "model": heading.model,
            }
        )
        self._head = b"data: " + head[:-1]
        self._prefix = self._head + b',"choices":[{"index":0,"delta":{'
        # With include_usage every chunk but the last carries a null usage, as in OpenAI's.
        self._usage = b',"usage":null' if include_usage else b""
        self._suffix = b'},"logprobs":null,"finish_reason":null}]' + self._usage + b"}\n\n"
        self._role = b'"role":"assistant",'
        self._calls = 0
        self._extras = Extras()

    def text(self, text: str) -> bytes:
        """A piece of the reply."""
        role, self._role = self._role, b""
        return b"".join((self._prefix, role, b'"content":', orjson.dumps(text), self._suffix))

    def tool_call(self, call: ToolCall) -> bytes:
        """A whole call of one of the caller's tools."""
        role, self._role = self._role, b""
        content = b'"content":null,' if role else b""
        delta = orjson.dumps([{"index": self._calls, **tool_call_body(call)}])
        self._calls += 1
        return b"".join((self._prefix, role, content, b'"tool_calls":', delta, self._suffix))

    def event(self, event: Extra) -> bytes:
        """What is no text: a chunk without choices, which clients that don't know it skip."""
        self._extras.add(event)
        body = orjson.dumps(extra_body(event))
        parts = (self._head, b',"choices":[]', self._usage, b',"corral_event":', body, b"}\n\n")
        return b"".join(parts)

    def question(self, asked: Asked) -> bytes:
        """A question to a person, as text for clients that know nothing of approvals."""
        self._extras.asked = asked
        return self.text(asked.shown if self._role else f"\n\n{asked.shown}")

    def end(self, finished: Finished, retracted: Retracted | None) -> bytes:
        """The last chunk with a choice, the usage when asked for, and the end of the stream."""
        role, self._role = self._role, b""
        delta = role + b'"content":""' if role else b""
        corral = corral_body(finished, self._heading.policy)
        if retracted is not None:
            corral["retracted"] = True
            corral["text"] = retracted.text
        else:
            corral |= self._extras.body(images=False)
        closing = b"".join(
            (
                self._prefix,
                delta,
                b'},"logprobs":null,"finish_reason":',
                orjson.dumps(finished.reason),
                b"}]",
                self._usage,
                b',"corral":',
                orjson.dumps(corral),
                b"}\n\n",
            )
        )
        if not self._include_usage:
            return closing + DONE
        heading = self._heading
        usage = orjson.dumps(
            {
                "id": heading.id,
                "object": "chat.completion.chunk",
                "created": heading.created,
                "model": heading.model,
                "choices": [],
                "usage": usage_body(finished.usage),
            }
        )
        return closing + b"data: " + usage + b"\n\n" + DONE


def error_event(body: bytes) -> bytes:
    """An error after the stream began. Nothing follows it, not even the end mark."""
    return b"data: " + body + b"\n\n"


@dataclass(slots=True)
class WholeReply:
    """Gathers a turn's events into one ``chat.completion``."""

    heading: Heading
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    extras: Extras = field(default_factory=Extras)

    def question(self, asked: Asked) -> None:
        """A question to a person, as text for clients that know nothing of approvals."""
        self.extras.asked = asked
        self.texts.append(f"\n\n{asked.shown}" if self.texts else asked.shown)

    def body(self, finished: Finished, retracted: Retracted | None) -> bytes:
        """The completion. What was retracted never reached the client, so it is replaced."""
        heading = self.heading
        corral = corral_body(finished, heading.policy)
        text: str | None = "".join(self.texts)
        calls = self.calls
        if retracted is not None:
            corral["retracted"] = True
            text, calls = retracted.text, []
        else:
            corral |= self.extras.body(images=True)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message["content"] = text or None
            message["tool_calls"] = [tool_call_body(call) for call in calls]
        return orjson.dumps(
            {
                "id": heading.id,
                "object": "chat.completion",
                "created": heading.created,
                "model": heading.model,
                "choices": [
                    {
                        "index": 0,
                        "message": message,
                        "logprobs": None,
                        "finish_reason": finished.reason,
                    }
                ],
                "usage": usage_body(finished.usage),
                "corral": corral,
            }
        )


def tool_call_body(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def usage_body(usage: Usage) -> dict[str, int]:
    """OpenAI's usage object; tokens the engine did not count are zero there."""
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def corral_body(finished: Finished, policy: str) -> dict[str, Any]:
    """What Corral adds: what was decided, by which clause, and the log entry that proves it."""
    return {
        "decision": finished.decision,
        "clause": finished.clause,
        "log_id": finished.log_id,
        "replayed": finished.replayed,
        "policy": policy,
    }
