"""How a command ends: exit codes, and errors as one sentence and what to do about it."""

import hashlib
import traceback
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from assistant import errors
from policies.mistakes import PolicyError

if TYPE_CHECKING:
    from assistant.cli.terminal import Terminal


class Exit(IntEnum):
    """What the shell sees."""

    OK = 0
    FAILED = 1
    """A check failed: a policy case, the log's chain, something the doctor looked at."""
    USAGE = 2
    """The command line, its input or a setting is wrong."""
    BLOCKED = 3
    """The policy did not let the text through."""
    UNAVAILABLE = 4
    """The engine, the guards, session memory or the decision log is not usable."""
    INTERRUPTED = 130
    """Ctrl-C; the turn under way was aborted."""


class Failed(Exception):  # noqa: N818 - it reads as what happened: raise Failed("...")
    """A command cannot go on. ``message`` is one sentence, ``hint`` is what to do."""

    def __init__(self, message: str, *, hint: str = "", code: str, exit: Exit) -> None:  # noqa: A002 - the field's own name
        super().__init__(message)
        self.hint = hint
        self.code = code
        self.exit = exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What is shown instead of a traceback. ``code`` is stable and machine-readable."""

    message: str
    hint: str
    code: str
    exit: Exit

    @classmethod
    def about(cls, error: Exception) -> Self:
        """Put ``error`` into words; an unexpected one gets a reference instead of its text."""
        match error:
            case Failed():
                return cls(message=str(error), hint=error.hint, code=error.code, exit=error.exit)
            case PolicyError():
                return cls(
                    message=f"the policy cannot be used:\n{error}",
                    hint="`corral policy check` shows the same while you put it right",
                    code="policy_error",
                    exit=Exit.USAGE,
                )
            case errors.CorralError():
                code, hint = _advice(error)
                return cls(message=str(error), hint=hint, code=error.code, exit=code)
            case _:
                return cls(
                    message=f"something unexpected went wrong (reference {reference(error)})",
                    hint="set CORRAL_DEBUG=1 and run it again to see where",
                    code="internal_error",
                    exit=Exit.UNAVAILABLE,
                )

    def as_json(self) -> dict[str, str | int]:
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit": int(self.exit),
        }

    def show(self, terminal: "Terminal") -> None:
        """One sentence and what to do, on standard error; JSON for machines."""
        if terminal.json_mode:
            terminal.error_json({"error": self.as_json()})
            return
        terminal.note(f"corral: {self.message}", "bold red")
        if self.hint:
            terminal.note(self.hint)


def _advice(error: errors.CorralError) -> tuple[Exit, str]:
    match error:
        case errors.SettingsError():
            return Exit.USAGE, "`corral doctor` shows what is set and what would be right"
        case errors.PluginStartError():
            return Exit.USAGE, "`corral plugin list` shows what is installed and enabled"
        case errors.InvalidTurnError():
            return Exit.USAGE, "change the message and send it again"
        case errors.ModelUnavailableError():
            return Exit.UNAVAILABLE, "`corral models list` shows what there is"
        case errors.UnknownApprovalError():
            return Exit.USAGE, "`corral approval list` shows what waits for an answer"
        case errors.ApprovalExpiredError() | errors.ApprovalAnsweredError():
            return Exit.USAGE, "`corral approval show` tells what became of it"
        case errors.SessionBusyError():
            return Exit.UNAVAILABLE, "wait for the other turn, or use another --session"
        case errors.MemoryUnavailableError():
            return Exit.UNAVAILABLE, "check CORRAL_REDIS_URL, or unset it for the embedded memory"
        case errors.LogUnavailableError():
            return Exit.UNAVAILABLE, "check that CORRAL_DATA_DIR is writable and has free space"
        case errors.EngineUnreachableError() | errors.EngineTimeoutError():
            return Exit.UNAVAILABLE, "`corral doctor` checks every engine and guard URL"
        case errors.EngineOverloadedError():
            return (
                Exit.UNAVAILABLE,
                "try again in a moment, or add an engine to CORRAL_ENGINE_URLS",
            )
        case errors.ContextTooLongError():
            return Exit.USAGE, "send a shorter message, or begin a new session"
        case _:
            return Exit.UNAVAILABLE, "`corral doctor` shows what is missing and how to get it"


def reference(error: BaseException) -> str:
    """Twelve hexadecimal digits that name the place an error came from, the same every time.

    Made of the exception's class and its frames, never of its text, which may quote a user.
    """
    frames = [f"{f.name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    place = "\n".join([type(error).__qualname__, *frames])
    return hashlib.sha256(place.encode()).hexdigest()[:12]
