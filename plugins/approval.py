"""A person's word on a tool call: what is asked, and what was granted."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson


def canonical(arguments: dict[str, Any]) -> str:
    """The one spelling of parsed arguments: JSON with sorted keys."""
    return orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()


def call_digest(tool: str, arguments: dict[str, Any]) -> str:
    """SHA-256, hexadecimal, of a tool's name and exactly these arguments (I4)."""
    return hashlib.sha256(f"{tool}\0{canonical(arguments)}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A person approved one call. Good for the call with that digest until it expires.

    Attributes:
        approval: id of the approval that was asked for.
        digest: as :func:`call_digest` gives.
        expires: seconds since the epoch.
    """

    approval: str
    digest: str
    expires: float
