"""A completion in the words of the OpenAI API."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from assistant.engine.llamacpp.job import Drawn, Ended, Ending
from assistant.engine.llamacpp.loop import BatchLoop
from assistant.engine.llamacpp.request import ChatRequest
from assistant.engine.llamacpp.text import TextReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text to send, with the tokens it came from where their probabilities are wanted."""

    text: str
    tokens: tuple[Drawn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last item; counts are tokens."""

    ending: Ending
    prompt: int
    cached: int
    generated: int

    @property
    def usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.generated,
            "total_tokens": self.prompt + self.generated,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }


async def generate(
    batches: BatchLoop, request: ChatRequest, tokens: list[int]
) -> AsyncGenerator[Piece | Finished, None]:
    """The reply to the prompt ``tokens``, ending with one :class:`Finished`.

    Raises:
        BusyError, DecodeError: see :meth:`BatchLoop.complete`.
        ValueError: the wanted schema cannot be held to.
    """
    room = batches.window - len(tokens)
    reader = TextReader(request.stops)
    alternatives = request.alternatives
    generated = 0
    async with aclosing(
        batches.complete(
            tokens,
            limit=min(request.limit or room, room),
            draw=request.draw(),
            alternatives=alternatives,
        )
    ) as items:
        async for item in items:
            match item:
                case Drawn():
                    generated += 1
                    text = reader.feed(item.text)
                    if text or alternatives is not None:
                        yield Piece(text=text, tokens=() if alternatives is None else (item,))
                    if reader.stopped:
                        yield Finished(
                            ending=Ending.STOP, prompt=len(tokens), cached=0, generated=generated
                        )
                        return
                case Ended():
                    if rest := reader.feed(b"", last=True):
                        yield Piece(text=rest)
                    yield Finished(
                        ending=item.ending,
                        prompt=len(tokens),
                        cached=item.cached_tokens,
                        generated=item.completion_tokens,
                    )


class ReplyWriter:
    """Writes one reply as a chat completion or as its chunks."""

    def __init__(self, request: ChatRequest, *, id: str, model: str) -> None:  # noqa: A002 - the API's name
        self._forced = request.forced
        self._head = {"id": id, "created": int(time.time()), "model": model}
        self._call = "call_" + id.removeprefix("chatcmpl-")
        self._begun = False

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """One chunk with text, or with a part of the forced call's arguments."""
        delta: dict[str, Any] = {} if self._begun else {"role": "assistant"}
        if self._forced is None:
            delta["content"] = piece.text
        else:
            first = {} if self._begun else {"id": self._call, "type": "function"}
            name = {} if self._begun else {"name": self._forced.name}
            function = {**name, "arguments": piece.text}
            delta["tool_calls"] = [{"index": 0, **first, "function": function}]
        self._begun = True
        return self._chunk({"delta": delta, "finish_reason": None, **_logprobs(piece.tokens)})

    def last_chunk(self, finished: Finished) -> dict[str, Any]:
        """The chunk with the finish reason."""
        return self._chunk({"delta": {}, "finish_reason": self._reason(finished)})

    def usage_chunk(self, finished: Finished) -> dict[str, Any]:
        """The chunk with the token counts."""
        kind = {"object": "chat.completion.chunk"}
        return {**self._head, **kind, "choices": [], "usage": finished.usage}

    def whole(self, pieces: list[Piece], finished: Finished) -> dict[str, Any]:
        """The whole completion as one object."""
        text = "".join(piece.text for piece in pieces)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if self._forced is not None:
            function = {"name": self._forced.name, "arguments": text}
            call = {"id": self._call, "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        tokens = tuple(token for piece in pieces for token in piece.tokens)
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self._reason(finished),
            **_logprobs(tokens),
        }
        kind = {"object": "chat.completion"}
        return {**self._head, **kind, "choices": [choice], "usage": finished.usage}

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        kind = {"object": "chat.completion.chunk"}
        return {**self._head, **kind, "choices": [{"index": 0, **choice}]}

    def _reason(self, finished: Finished) -> str:
        if self._forced is not None and finished.ending is Ending.STOP:
            return "tool_calls"
        return finished.ending.value


def _logprobs(tokens: tuple[Drawn, ...]) -> dict[str, Any]:
    if not tokens:
        return {"logprobs": None}
    content = [
        {**_token(t.text, t.logprob), "top_logprobs": [_token(*other) for other in t.top]}
        for t in tokens
    ]
    return {"logprobs": {"content": content}}


def _token(text: bytes, logprob: float) -> dict[str, Any]:
    # -inf is no JSON number; nothing below this can be told from impossible anyway.
    return {
        "token": text.decode("utf-8", "replace"),
        "logprob": max(logprob, -9999.0),
        "bytes": list(text),
    }
