"""Every error the HTTP interface answers with, in the shape OpenAI clients understand."""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import orjson

from assistant.clock import Ids
from assistant.errors import (
    ApprovalAnsweredError,
    ApprovalExpiredError,
    ContextTooLongError,
    CorralError,
    EngineError,
    EngineOverloadedError,
    EngineRequestError,
    EngineTimeoutError,
    EngineUnreachableError,
    InvalidTurnError,
    LogUnavailableError,
    MemoryUnavailableError,
    SessionBusyError,
    UnknownApprovalError,
)

logger = logging.getLogger("corral.api")

JSON_TYPE = b"application/json"
RETRY_SOON: Mapping[str, str] = {"retry-after": "1"}
RETRY_LATER: Mapping[str, str] = {"retry-after": "5"}

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


@dataclass(slots=True)
class ApiError(Exception):
    """An answer that is an error. ``message`` is read by the caller and never quotes its input.

    Attributes:
        status: HTTP status.
        code: stable and machine-readable.
        message: what is wrong and what would be right.
        param: the request's field, ``messages[3].content``.
        headers: added to the response.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The ``type`` of OpenAI's error object."""
        if self.status >= 500:
            return "server_error"
        return _TYPES.get(self.status, "invalid_request_error")

    def body(self, reference: str) -> dict[str, Any]:
        """The error object as JSON-able data."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
                "reference": reference,
            }
        }


def invalid(param: str, message: str, *, code: str = "invalid_request") -> ApiError:
    """A 400 that names the field."""
    return ApiError(status=400, code=code, message=f"{param} {message}", param=param)


def translate(error: Exception) -> ApiError:
    """What the caller is told about ``error``.

    Messages of errors the caller can fix are passed on; everything else gets a sentence of its
    own, so that nothing of the inside can leak.
    """
    match error:
        case ApiError():
            return error
        case InvalidTurnError():
            return ApiError(400, error.code, str(error), error.field)
        case ContextTooLongError():
            return ApiError(
                400,
                error.code,
                "the conversation does not fit the model's window; send fewer or shorter messages",
                "messages",
            )
        case EngineRequestError():
            return ApiError(
                400,
                error.code,
                "the model's engine rejects the request; check tools, response_format and the "
                "sampling fields against what the engine supports",
            )
        case SessionBusyError():
            return ApiError(
                409,
                error.code,
                "another turn of the session is still running; try again when it has ended",
                "corral.session",
                RETRY_SOON,
            )
        case UnknownApprovalError():
            return ApiError(
                404, error.code, "there is no such approval, or its turn is finished already"
            )
        case ApprovalExpiredError():
            return ApiError(
                410, error.code, "the approval was not answered in time; ask for the action again"
            )
        case ApprovalAnsweredError():
            return ApiError(409, error.code, "the approval has another answer, which stands")
        case CorralError():
            return _unavailable(error)
        case _:
            return ApiError(500, "internal_error", "something went wrong inside Corral")


def _unavailable(error: CorralError) -> ApiError:
    match error:
        case EngineOverloadedError():
            return ApiError(
                503, error.code, "the model is overloaded; try again", headers=RETRY_SOON
            )
        case EngineUnreachableError():
            return ApiError(
                503, error.code, "the model cannot be reached; try again", headers=RETRY_LATER
            )
        case EngineTimeoutError():
            return ApiError(504, error.code, "the model did not answer in time")
        case EngineError():
            return ApiError(502, error.code, "the model's engine gave an unusable answer")
        case MemoryUnavailableError():
            return ApiError(
                503,
                error.code,
                "session memory cannot be reached; the message was not taken, send it again",
                headers=RETRY_LATER,
            )
        case LogUnavailableError():
            return ApiError(
                503,
                error.code,
                "the decision log cannot be written, so nothing is answered; try again",
                headers=RETRY_LATER,
            )
        case _:
            return ApiError(500, "internal_error", "something went wrong inside Corral")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Gives each error its reference and tells the operator, without a word of the user's.

    Attributes:
        ids: makes the references.
        count: called with the code of each error.
    """

    ids: Ids
    count: Callable[[str], None]

    def report(self, error: Exception) -> tuple[ApiError, bytes]:
        """What to answer: the error and its JSON."""
        answer = translate(error)
        reference = self.ids("ref-")
        self.count(answer.code)
        if answer.status >= 500:
            # The exception's own text stays out: nobody promises what a library puts into it.
            logger.error(
                "%s %s %s at %s",
                reference,
                answer.code,
                type(error).__name__,
                _frames(error.__traceback__),
            )
        return answer, orjson.dumps(answer.body(reference))


def _frames(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)[-6:]
    return " > ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}:{f.name}" for f in frames) or "-"
