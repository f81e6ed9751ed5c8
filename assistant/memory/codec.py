"""What is remembered as bytes: versioned, compact JSON that comes back exactly as it went in.

Stored as JSON and not in a binary format so that an operator can read a session with the tools
of the database. Fields that hold their default are left out.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from assistant.errors import MemoryUnavailableError
from assistant.events import FinishReason
from assistant.memory.protocol import Answer
from guards.conversation import (
    Confidentiality,
    ImagePart,
    Integrity,
    Message,
    Part,
    Provenance,
    Role,
    Source,
    TextPart,
    ToolCall,
)
from policies.placeholders import Placeholder

VERSION = 1
"""Of the record format. A record of another version is refused, never guessed at."""

_DAMAGED = "session memory holds a damaged record"
_ROLES = {role.value: role for role in Role}


class UnreadableRecordError(MemoryUnavailableError):
    """A stored record is damaged or was written by a Corral that uses another format."""


def encode_message(message: Message) -> bytes:
    """One message as a JSON object."""
    provenance = message.provenance
    record: dict[str, Any] = {
        "v": VERSION,
        "id": message.id,
        "role": message.role,
        "by": [provenance.source, provenance.integrity, provenance.confidentiality],
    }
    if len(message.parts) == 1 and isinstance(message.parts[0], TextPart):
        record["text"] = message.parts[0].text
    else:
        record["parts"] = [_part_record(part) for part in message.parts]
    if message.tool_calls:
        record["calls"] = [[call.id, call.name, call.arguments] for call in message.tool_calls]
    if message.tool_call_id is not None:
        record["call"] = message.tool_call_id
    return dump_record(record)


def decode_messages(data: bytes) -> tuple[Message, ...]:
    """The inverse of :func:`encode_message` for a JSON array of such objects.

    Raises:
        UnreadableRecordError: one of them is not a message of this version.
    """
    records = _parsed(data)
    if not isinstance(records, list):
        raise UnreadableRecordError(_DAMAGED)
    try:
        return tuple([_message(_checked(record)) for record in records])
    except (KeyError, TypeError, ValueError):
        # From None: the error's own text could quote what the user wrote (I9).
        raise UnreadableRecordError(_DAMAGED) from None


def encode_answer(answer: Answer) -> bytes:
    """An answer as a JSON object."""
    record: dict[str, Any] = {
        "v": VERSION,
        "text": answer.text,
        "reason": answer.reason,
        "log": answer.log_id,
        "decision": answer.decision,
    }
    if answer.clause is not None:
        record["clause"] = answer.clause
    if answer.calls:
        record["calls"] = [[call.id, call.name, call.arguments] for call in answer.calls]
    return dump_record(record)


def decode_answer(data: bytes) -> Answer:
    """The inverse of :func:`encode_answer`.

    Raises:
        UnreadableRecordError: the bytes are not an answer of this version.
    """
    try:
        record = load_record(data)
        clause = record.get("clause")
        return Answer(
            text=_text(record["text"]),
            reason=FinishReason(record["reason"]),
            log_id=_text(record["log"]),
            decision=_text(record["decision"]),
            clause=None if clause is None else _text(clause),
            calls=tuple([_call(*given) for given in record.get("calls", ())]),
        )
    except (KeyError, TypeError, ValueError):
        raise UnreadableRecordError(_DAMAGED) from None


def encode_placeholders(placeholders: Sequence[Placeholder]) -> bytes:
    """All placeholders of a session as one JSON object."""
    entries = [[p.template, p.number, p.digest, p.value] for p in placeholders]
    return dump_record({"v": VERSION, "placeholders": entries})


def decode_placeholders(data: bytes) -> tuple[Placeholder, ...]:
    """The inverse of :func:`encode_placeholders`.

    Raises:
        UnreadableRecordError: the bytes are not placeholders of this version.
    """
    try:
        entries = load_record(data)["placeholders"]
        return tuple([_placeholder(*entry) for entry in entries])
    except (KeyError, TypeError, ValueError):
        raise UnreadableRecordError(_DAMAGED) from None


def _placeholder(template: object, number: object, digest: object, value: object) -> Placeholder:
    if not isinstance(number, int):
        raise TypeError("number is none")
    return Placeholder(
        template=_text(template),
        number=number,
        digest=_text(digest),
        value=None if value is None else _text(value),
    )


def _message(record: dict[str, Any]) -> Message:
    parts: tuple[Part, ...]
    if "text" in record:
        parts = (TextPart(text=_text(record["text"])),)
    else:
        parts = tuple([_part(kind, value) for kind, value in record["parts"]])
    calls, call = record.get("calls"), record.get("call")
    return Message(
        id=_text(record["id"]),
        role=_ROLES[record["role"]],
        parts=parts,
        provenance=_provenance(*record["by"]),
        tool_calls=tuple([_call(*given) for given in calls]) if calls else (),
        tool_call_id=None if call is None else _text(call),
    )


@cache
def _provenance(source: str, integrity: str, confidentiality: str) -> Provenance:
    return Provenance(
        source=Source(source),
        integrity=Integrity(integrity),
        confidentiality=Confidentiality(confidentiality),
    )


def _call(id_: object, name: object, arguments: object) -> ToolCall:
    return ToolCall(id=_text(id_), name=_text(name), arguments=_text(arguments))


def _part_record(part: Part) -> list[str]:
    match part:
        case TextPart(text=text):
            return ["text", text]
        case ImagePart(url=url):
            return ["image", url]


def _part(kind: str, value: object) -> Part:
    match kind:
        case "text":
            return TextPart(text=_text(value))
        case "image":
            return ImagePart(url=_text(value))
        case _:
            raise ValueError("part is neither text nor image")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("field is not text")
    return value


def dump_record(record: dict[str, Any]) -> bytes:
    """A record, which holds ``"v": VERSION`` and strings of any kind, as bytes."""
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:
        # Lone surrogates have no UTF-8, so JSON cannot hold them exactly. Such a record carries
        # each string as the code points of its surrogate-tolerant UTF-8 bytes instead.
        return orjson.dumps({"v": VERSION, "bytes": True} | _as_byte_points(record))


def load_record(data: bytes) -> dict[str, Any]:
    """The inverse of :func:`dump_record`.

    Raises:
        UnreadableRecordError: the bytes are not a record of this version.
    """
    return _checked(_parsed(data))


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UnreadableRecordError(_DAMAGED) from None


def _checked(record: Any) -> dict[str, Any]:
    """A parsed record of our version, with its strings as they were."""
    if not isinstance(record, dict) or "v" not in record:
        raise UnreadableRecordError(_DAMAGED)
    if record["v"] != VERSION:
        raise UnreadableRecordError(
            f"session memory holds a record of a format other than {VERSION}: "
            "it was written by another version of Corral"
        )
    return _from_byte_points(record) if record.get("bytes") else record


def _as_byte_points(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "surrogatepass").decode("latin-1")
        case list():
            return [_as_byte_points(item) for item in value]
        case dict():
            return {key: _as_byte_points(item) for key, item in value.items()}
        case _:
            return value


def _from_byte_points(value: Any) -> Any:
    match value:
        case str():
            return value.encode("latin-1").decode("utf-8", "surrogatepass")
        case list():
            return [_from_byte_points(item) for item in value]
        case dict():
            return {key: _from_byte_points(item) for key, item in value.items()}
        case _:
            return value
