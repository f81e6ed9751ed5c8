"""The OpenAPI description: real schemas for bodies that are read by hand on the hot path."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from assistant.api.answers import ChatCompletionChunk
from assistant.api.approval_request import ApprovalRequest
from assistant.api.chat_request import ChatRequest
from assistant.api.judge_request import JudgeRequest
from assistant.api.moderation_request import ModerationRequest
from assistant.api.preview_request import PreviewRequest

_REF = "#/components/schemas/{model}"
_EXTRA: tuple[type[BaseModel], ...] = (
    ChatRequest,
    ModerationRequest,
    JudgeRequest,
    ApprovalRequest,
    PreviewRequest,
    ChatCompletionChunk,
)


_PART = re.compile(r"{(\w+)}")


def _part(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The ``requestBody`` that refers to ``model``."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def stream_of(model: type[BaseModel]) -> dict[str, Any]:
    """The content of a stream of server-sent events of ``model``."""
    return {"text/event-stream": {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The application's description, OpenAPI 3.1."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    for path, operations in document["paths"].items():
        for operation in operations.values():
            # Endpoints take the bare request, which says nothing of the path's parts.
            operation.setdefault("parameters", []).extend(map(_part, _PART.findall(path)))
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in _EXTRA:
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "Needed when the server has API keys.",
        }
    }
    document["security"] = [{"key": []}, {}]
    return document
