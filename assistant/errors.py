"""The whole error tree.

CorralError
├── InvalidTurnError            the caller can fix it; names the field
│   └── TurnTooLongError        more tokens than the model's window holds
├── SessionBusyError            another turn of the session is still running
├── MemoryUnavailableError      Redis does not answer
├── UnknownApprovalError        there is no such question to a person
├── ApprovalExpiredError        the answer comes too late
├── ApprovalAnsweredError       another answer was given before
├── LogUnavailableError         the decision log cannot be written
├── SettingsError               the operator can fix it; names the setting
├── GuardStartError             a guard that the settings name cannot be used
├── PluginStartError            a plugin that is enabled cannot be used
├── ModelUnavailableError       a model is not on this machine, or is not the one it should be
└── EngineError
    ├── EngineUnreachableError  nobody listens, or the connection broke
    ├── EngineOverloadedError   429 or 503
    ├── EngineTimeoutError      a deadline passed
    ├── ContextTooLongError     the prompt does not fit the model
    ├── EngineRequestError      the engine calls the request malformed
    ├── EngineResponseError     the engine answered something that is not the protocol
    └── EngineStartError        a local engine could not be started

A refusal is an event, not an error. No message carries user text.
"""


class CorralError(Exception):
    """Anything Corral raises on purpose. ``code`` is stable and machine-readable."""

    code = "internal_error"


class InvalidTurnError(CorralError):
    """The caller sent something that cannot be a turn."""

    code = "invalid_request"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TurnTooLongError(InvalidTurnError):
    """The message alone does not fit the model's window."""

    code = "context_length_exceeded"


class SessionBusyError(CorralError):
    """Another turn of the session did not end within the time one waits for it."""

    code = "session_busy"


class MemoryUnavailableError(CorralError):
    """Session memory cannot be reached; the turn was not taken."""

    code = "memory_unavailable"


class UnknownApprovalError(CorralError):
    """The tenant has no approval of that id, or its turn is finished."""

    code = "not_found"


class ApprovalExpiredError(CorralError):
    """A question to a person was not answered in time; its call can only be asked for again."""

    code = "approval_expired"


class ApprovalAnsweredError(CorralError):
    """A question to a person has another answer already, which stands."""

    code = "approval_answered"


class LogUnavailableError(CorralError):
    """A decision could not be recorded, so nothing more is released."""

    code = "decision_log_unavailable"


class SettingsError(CorralError):
    """A setting is missing or wrong; the message names it and what would be right."""

    code = "settings_error"


class ModelUnavailableError(CorralError):
    """A model could not be found, fetched or verified; the message says what to do."""

    code = "model_unavailable"


class GuardStartError(CorralError):
    """A guard that the settings name cannot be used; nothing is served without it."""

    code = "guard_not_started"


class PluginStartError(CorralError):
    """A plugin that is enabled cannot be used; nothing is served without it."""

    code = "plugin_not_started"


class EngineError(CorralError):
    """The engine could not complete the turn."""

    code = "engine_error"


class EngineUnreachableError(EngineError):
    code = "engine_unreachable"


class EngineOverloadedError(EngineError):
    code = "engine_overloaded"


class EngineTimeoutError(EngineError):
    code = "engine_timeout"


class ContextTooLongError(EngineError):
    code = "context_length_exceeded"


class EngineRequestError(EngineError):
    code = "engine_request_rejected"


class EngineResponseError(EngineError):
    code = "engine_response_invalid"


class EngineStartError(EngineError):
    """A local engine did not come up; the message ends with its last words."""

    code = "engine_start_failed"
