"""What is asked, as bytes, in the record format of everything remembered."""

from typing import Any

from assistant.approval.asked import Answer, Approval, Asked
from assistant.memory.codec import VERSION, UnreadableRecordError, dump_record, load_record
from assistant.turn import SessionKey
from policies.decision import Approver

_DAMAGED = "session memory holds a damaged approval"


def encode_asked(asked: Asked) -> bytes:
    """A question as a JSON object."""
    key = asked.key
    return dump_record(
        {
            "v": VERSION,
            "id": asked.id,
            "key": [key.tenant, key.user, key.session],
            "turn": asked.turn,
            "call": asked.call,
            "tool": asked.tool,
            "plugin": asked.plugin,
            "arguments": asked.arguments,
            "digest": asked.digest,
            "text": asked.text,
            "approver": asked.approver,
            "clause": asked.clause,
            "created": asked.created,
            "expires": asked.expires,
        }
    )


def decode_approval(asked: bytes, answer: bytes, at: bytes | None, by: bytes | None) -> Approval:
    """The inverse of :func:`encode_asked`, with the fields that its answer is kept in.

    Raises:
        UnreadableRecordError: the bytes are not an approval of this version.
    """
    record = load_record(asked)
    try:
        tenant, user, session = record["key"]
        return Approval(
            asked=Asked(
                id=_text(record["id"]),
                key=SessionKey(tenant=_text(tenant), user=_text(user), session=_text(session)),
                turn=_text(record["turn"]),
                call=_text(record["call"]),
                tool=_text(record["tool"]),
                plugin=_text(record["plugin"]),
                arguments=_text(record["arguments"]),
                digest=_text(record["digest"]),
                text=_text(record["text"]),
                approver=Approver(record["approver"]),
                clause=None if record["clause"] is None else _text(record["clause"]),
                created=float(record["created"]),
                expires=float(record["expires"]),
            ),
            answer=Answer(answer.decode()),
            answered_at=None if at is None else float(at),
            answered_by=None if by is None else by.decode(),
        )
    except (KeyError, TypeError, ValueError):
        # From None: the error's own text could quote an argument (I9).
        raise UnreadableRecordError(_DAMAGED) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("field is not text")
    return value
