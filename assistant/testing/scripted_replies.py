"""The bytes the scripted stand-in plays: HTTP answers prepared in advance, with their times."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

ENGINE = "scripted"
GUARD = "scripted-guard"


class Then(StrEnum):
    """What happens to the connection after the last write."""

    KEEP = "keep"
    CLOSE = "close"
    CUT = "cut"  # closed although the answer is not complete
    RESET = "reset"
    HANG = "hang"  # stays open, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write when: seconds since the request came in, and bytes."""

    writes: tuple[tuple[float, bytes], ...]
    then: Then = Then.KEEP


class ReceivedState(StrEnum):
    """How the answer to one request stands."""

    ANSWERING = "answering"
    ANSWERED = "answered"
    ABORTED = "aborted"  # the other side closed the connection before the answer's end
    BROKEN = "broken"  # the script closed it


@dataclass(slots=True, kw_only=True, eq=False)
class Received:
    """One request as it came in, and what became of its answer."""

    method: str
    path: str
    head: bytes
    body: bytes
    state: ReceivedState = ReceivedState.ANSWERING
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        """The parsed body."""
        return orjson.loads(self.body)

    def header(self, name: str) -> str | None:
        """A header's value."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


Respond = Callable[[Received], Plan]


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(payload: object) -> bytes:
    """One server-sent event of a JSON payload."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
DONE = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"


def answer(
    status: int,
    payload: object,
    *,
    delay: float = 0.0,
    headers: Mapping[str, str] | None = None,
) -> Plan:
    """A whole JSON answer, or the bytes given as they are."""
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{extra}\r\n"
    )
    return Plan(writes=((delay, head.encode() + body),))


def error(status: int, message: str, *, code: str | None = None, **headers: str) -> Plan:
    """An error in OpenAI's shape."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return answer(
        status, body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def delta(content: object = None, *, finish: str | None = None, **fields: Any) -> bytes:
    """One streamed chunk of a chat completion; ``fields`` go into its ``delta``."""
    inner: dict[str, Any] = dict(fields)
    if content is not None:
        inner["content"] = content
    return event(
        {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": ENGINE,
            "choices": [{"index": 0, "delta": inner, "logprobs": None, "finish_reason": finish}],
        }
    )


def usage(prompt: int, completion: int) -> bytes:
    """The chunk with the token counts that ends a stream."""
    return event(
        {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": ENGINE,
            "choices": [],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }
    )


def events(
    timed: Iterable[tuple[float, bytes]], *, then: Then = Then.KEEP, complete: bool = True
) -> Plan:
    """A streamed answer of raw event bytes at their times; one write each."""
    writes = [(at, chunk(data)) for at, data in timed]
    first_at, first = writes[0] if writes else (0.0, b"")
    writes[:1] = [(first_at, STREAM_HEAD + first)]
    if complete:
        last_at, last = writes[-1]
        writes[-1] = (last_at, last + LAST_CHUNK)
    return Plan(writes=tuple(writes), then=then)


@lru_cache(maxsize=64)
def stream(tokens: tuple[str, ...], *, first: float = 0.0, gap: float = 0.0) -> Plan:
    """A reply of one write per token, as a model server would stream it."""
    timed = []
    for index, token in enumerate(tokens):
        data = delta(token)
        if index == 0:
            data = delta("", role="assistant") + data
        if index == len(tokens) - 1:
            data += delta(finish="stop") + usage(20, len(tokens)) + DONE
        timed.append((first + index * gap, data))
    return events(timed)


@lru_cache(maxsize=64)
def completion(
    text: str,
    *,
    delay: float = 0.0,
    tokens: Sequence[tuple[str, tuple[tuple[str, float], ...]]] = (),
    finish: str = "stop",
) -> Plan:
    """A whole chat completion; ``tokens`` are its logprobs: text and alternatives each."""
    content = [
        {
            "token": token,
            "logprob": dict(top).get(token, -9999.0),
            "bytes": None,
            "top_logprobs": [{"token": t, "logprob": p, "bytes": None} for t, p in top],
        }
        for token, top in tokens
    ]
    payload = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": GUARD,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "logprobs": {"content": content} if tokens else None,
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 250, "completion_tokens": 3, "total_tokens": 253},
    }
    return answer(200, payload, delay=delay)


def guard_verdict(unsafe: float, codes: str = "S1", *, delay: float = 0.0) -> Plan:
    """What a Llama Guard server says: ``unsafe`` is P(unsafe) of the verdict token."""
    flagged = unsafe > 0.5
    floor = -9999.0
    alternatives = (
        ("safe", math.log(1 - unsafe) if unsafe < 1 else floor),
        ("unsafe", math.log(unsafe) if unsafe > 0 else floor),
        ("\n\n", -20.0),
        ("Safe", -21.0),
        (" safe", -22.0),
    )
    newline = (("\n\n", 0.0), ("\n", -18.0), ("safe", -19.0), ("unsafe", -20.0), (" ", -21.0))
    return completion(
        f"\n\nunsafe\n{codes}" if flagged else "\n\nsafe",
        delay=delay,
        tokens=(("\n\n", newline), ("unsafe" if flagged else "safe", alternatives)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of the standard replies, and how many tokens a reply has."""

    first: float = 0.0
    gap: float = 0.0
    tokens: int = 40
    guard: float = 0.0
    window: int = 8192


def standard_replies(timing: Timing) -> Respond:
    """Both models behind one address, told apart by name; the guard finds nothing unsafe."""
    reply = stream(
        tuple(f"word{index} " for index in range(timing.tokens)), first=timing.first, gap=timing.gap
    )
    whole = completion(
        "".join(f"word{index} " for index in range(timing.tokens)),
        delay=timing.first + timing.gap * (timing.tokens - 1),
    )
    verdict = guard_verdict(0.01, delay=timing.guard)
    models = answer(
        200,
        {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "max_model_len": timing.window}
                for name in (ENGINE, GUARD)
            ],
        },
    )
    healthy = answer(200, b"")
    missing = error(404, "Not Found")
    guard_mark = f'"{GUARD}"'.encode()

    def respond(received: Received) -> Plan:
        path = received.path
        if path.endswith("/chat/completions"):
            # Looking for the name in the bytes keeps a benchmark's counterpart cheap.
            if guard_mark in received.body:
                return verdict
            return reply if b'"stream":true' in received.body.replace(b" ", b"") else whole
        if path.endswith("/models"):
            return models
        if path == "/health":
            return healthy
        if path == "/tokenize":
            count = len(received.body.split())
            return answer(
                200, {"count": count, "max_model_len": timing.window, "tokens": [0] * count}
            )
        return missing

    return respond
