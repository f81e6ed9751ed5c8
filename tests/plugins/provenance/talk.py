"""Conversations to trace calls in."""

from collections.abc import Mapping
from typing import Any

from guards.conversation import (
    BY_MODEL,
    BY_OPERATOR,
    Confidentiality,
    Integrity,
    Message,
    Provenance,
    Role,
    Source,
    text_message,
)
from plugins.provenance import Traced, trace

CONTENT = frozenset({"body", "query"})


def user(text: str) -> Message:
    return text_message(text, id="u")


def operator(text: str) -> Message:
    return text_message(text, id="o", role=Role.SYSTEM, provenance=BY_OPERATOR)


def model(text: str) -> Message:
    return text_message(text, id="m", role=Role.ASSISTANT, provenance=BY_MODEL)


def tool(text: str, kind: Confidentiality = Confidentiality.USER) -> Message:
    provenance = Provenance(source=Source.TOOL, integrity=Integrity.UNTRUSTED, confidentiality=kind)
    return text_message(text, id="t", role=Role.TOOL, provenance=provenance)


def traced(*context: Message, schema: Mapping[str, Any] | None = None, **arguments: Any) -> Traced:
    """Trace a call with ``arguments``; each is any value, unless ``schema`` has properties."""
    properties = schema if schema is not None else {name: {} for name in arguments}
    return trace(
        "act", arguments, context, content=CONTENT, schema={"properties": dict(properties)}
    )


def is_own(value: Any, *wrote: str) -> bool:
    """Whether a user who wrote this wrote ``value``."""
    return traced(*map(user, wrote), to=value).targets == ()
