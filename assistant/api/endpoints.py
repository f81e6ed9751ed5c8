"""The endpoints: from a request to an answer."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from assistant.api.answer import Answer
from assistant.api.body import read_json
from assistant.api.chat_request import ChatRequest, Name
from assistant.api.chat_turn import turn_of
from assistant.api.completion import Heading
from assistant.api.failures import ApiError, invalid
from assistant.api.fields import read
from assistant.api.health import alive, metrics_answer, readiness_answer
from assistant.api.metrics import TurnMeter
from assistant.api.parts import Parts
from assistant.events import Event

ALIAS = "corral"
"""A model name that always means the one that is served."""

UNREAD_SECONDS = 60.0
"""How long after a turn's own deadline a client may still be reading its answer."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def parts_of(request: Request) -> Parts:
    """What the running application works with."""
    parts: Parts = request.app.state.parts
    return parts


async def chat_completions(request: Request) -> Response:
    """Answer a conversation, streamed or whole.

    The reply is judged as it is written: nothing reaches the client that the policy did not let
    through. A refusal is an ordinary completion with `finish_reason` `content_filter`.
    """
    parts = parts_of(request)
    assistant, tools = parts.assistant, parts.tools
    settings = assistant.settings
    chat = read(ChatRequest, await read_json(request, settings.max_body_bytes))
    _check_model(chat.model, assistant.engine.model)
    turn = turn_of(
        chat,
        tenant=request.state.tenant,
        message_id=_message_id(request, chat) or tools.ids("msg-"),
        locale=settings.locale,
    )
    options = chat.stream_options
    return answering(
        parts,
        assistant.orchestrator.run(turn),
        stream=bool(chat.stream),
        include_usage=options is not None and bool(options.include_usage),
    )


def answering(
    parts: Parts,
    events: AsyncGenerator[Event, None],
    *,
    stream: bool,
    include_usage: bool = False,
) -> Answer:
    """A turn's events as a chat completion."""
    assistant, tools = parts.assistant, parts.tools
    return Answer(
        events,
        Heading(
            id=tools.ids("chatcmpl-"),
            created=int(tools.clock.now()),
            model=assistant.engine.model,
            policy=assistant.policy.label,
        ),
        stream=stream,
        include_usage=include_usage,
        deadline=assistant.settings.turn_timeout + UNREAD_SECONDS,
        capacity=parts.capacity,
        meter=TurnMeter(tools.metrics),
        reporter=tools.reporter,
    )


def _check_model(asked: str | None, served: str) -> None:
    if asked and served and asked not in (served, ALIAS):
        raise ApiError(
            404,
            "model_not_found",
            "model is not served here; leave it out or take one of GET /v1/models",
            "model",
        )


def _message_id(request: Request, chat: ChatRequest) -> str | None:
    header = request.headers.get("idempotency-key")
    if header is None:
        return chat.corral.message_id
    try:
        _NAME.validate_python(header)
    except ValidationError:
        raise invalid(
            "idempotency-key", "must be 1 to 128 letters, digits and ._:@+=|~/-"
        ) from None
    if chat.corral.message_id not in (None, header):
        raise invalid(
            "corral.message_id", "must equal the Idempotency-Key header when both are sent"
        )
    return header


async def moderations(request: Request) -> Response:
    """Judge texts without answering them, as if a user had said them.

    A text no guard could judge is flagged, with `corral.clause` `guard-unavailable`.
    """
    return await parts_of(request).desk.moderations(request)


async def judge(request: Request) -> Response:
    """Judge a message in its conversation: all that was found, and what to do about it.

    A user's message, a reply, a tool call, a tool result or a document, by the guards and the
    policy alone; no model answers. What no guard could judge is blocked.
    """
    return await parts_of(request).desk.judge(request)


async def models(request: Request) -> Response:
    """List the model that is served."""
    return _json({"object": "list", "data": [_model(parts_of(request))]})


async def model(request: Request) -> Response:
    """Describe the model that is served, by its name or `corral`."""
    parts = parts_of(request)
    _check_model(request.path_params["model"], parts.assistant.engine.model)
    return _json(_model(parts))


def _model(parts: Parts) -> dict[str, Any]:
    name = parts.assistant.engine.model or ALIAS
    return {"id": name, "object": "model", "created": parts.started, "owned_by": "corral"}


async def healthz(request: Request) -> Response:
    """Whether the process is alive. Nothing else is asked."""
    return await alive(request)


async def readyz(request: Request) -> Response:
    """Whether every part is able to work. Without a key the reasons stay out."""
    return await readiness_answer(parts_of(request).readiness, request)


async def metrics(request: Request) -> Response:
    """Counts and durations in Prometheus' text format, of every worker."""
    return metrics_answer(parts_of(request).tools.metrics)


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
