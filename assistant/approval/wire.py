"""Questions and answers as JSON-able data, for HTTP and the command line."""

from typing import Any

import orjson

from assistant.approval.asked import Approval, Asked


def asked_body(asked: Asked) -> dict[str, Any]:
    """A question to a person."""
    return {
        "id": asked.id,
        "tool": asked.tool,
        "arguments": orjson.loads(asked.arguments) if asked.arguments else None,
        "text": asked.text,
        "approver": asked.approver,
        # Rounded down: who is told a time can rely on it.
        "expires_at": int(asked.expires),
    }


def approval_body(approval: Approval, now: float) -> dict[str, Any]:
    """An approval as JSON-able data; ``now`` is in seconds since the epoch."""
    asked = approval.asked
    at = approval.answered_at
    return {
        "object": "approval",
        **asked_body(asked),
        "status": "expired" if approval.expired(now) else approval.answer,
        "plugin": asked.plugin,
        "user": asked.key.user,
        "session": asked.key.session,
        "turn": asked.turn,
        "clause": asked.clause,
        "created_at": int(asked.created),
        "answered_at": None if at is None else int(at),
        "answered_by": approval.answered_by,
    }
