"""How an OpenAI-compatible server fails to answer, told apart.

UpstreamError
├── UnreachableError   nobody listens, or the connection broke
├── OverloadedError    429 or 503; ``retry_after`` seconds if the server said
├── TimedOutError      a deadline passed; also a ``TimeoutError``
├── RejectedError      4xx; ``kind`` tells them apart
└── BadResponseError   not the protocol: 5xx, no JSON, oversized, redirected

No message holds a body's text or a key: only the address, a status, a deadline.
"""

from enum import StrEnum


class RejectionKind(StrEnum):
    """Why a server refused a request."""

    CONTEXT_TOO_LONG = "context_too_long"
    BAD_REQUEST = "bad_request"
    AUTH = "auth"
    NOT_FOUND = "not_found"


class UpstreamError(Exception):
    """A server did not give what was asked for."""


class UnreachableError(UpstreamError):
    """Nobody listens, or the connection broke."""


class OverloadedError(UpstreamError):
    """429 or 503."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOutError(UpstreamError, TimeoutError):
    """A deadline passed."""


class RejectedError(UpstreamError):
    """The server calls the request wrong."""

    def __init__(self, message: str, *, status: int, kind: RejectionKind) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class BadResponseError(UpstreamError):
    """The server answered something that is not the protocol."""


def refusal(
    name: str, status: int, payload: object, *, retry_after: str | None = None
) -> UpstreamError:
    """What an HTTP status other than 200 and its parsed body mean."""
    message = f"{name} answered {status}"
    match status:
        case 429 | 503:
            seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
            return OverloadedError(message, retry_after=seconds)
        case 408 | 504:
            return TimedOutError(message)
        case 502:
            return UnreachableError(message)
        case 401 | 403:
            return RejectedError(message, status=status, kind=RejectionKind.AUTH)
        case 404 | 405:
            return RejectedError(message, status=status, kind=RejectionKind.NOT_FOUND)
        case _ if _says_too_long(payload):
            kind = RejectionKind.CONTEXT_TOO_LONG
            return RejectedError(f"{message}: context too long", status=status, kind=kind)
        case _ if 400 <= status < 500:
            return RejectedError(message, status=status, kind=RejectionKind.BAD_REQUEST)
        case _:
            return BadResponseError(message)


# vLLM and llama.cpp's Python server, then llama.cpp's own server and others. 413 alone means
# a proxy's body limit, which is another mistake.
_TOO_LONG = ("maximum context length", "context window", "context size", "context_length_exceeded")


def _says_too_long(payload: object) -> bool:
    error = payload.get("error", payload) if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return False
    said = (error.get("code"), error.get("type"), error.get("message"))
    text = " ".join(part for part in said if isinstance(part, str)).lower()
    return "exceed_context_size" in text or any(phrase in text for phrase in _TOO_LONG)
