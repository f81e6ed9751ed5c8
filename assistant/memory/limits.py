"""How long and how much session memory keeps, and how long one waits for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """All times in seconds.

    Attributes:
        session_ttl: an idle session is forgotten after this.
        messages: newest messages kept and handed to a turn; older ones are dropped.
        answer_ttl: a repeated delivery within this gets the first answer.
        quarantine_ttl: a quarantine nothing was added to is forgotten after this.
        lock_ttl: a turn whose process died gives the session free after this. A living turn
            renews its lease at least three times as often.
        wait: longest wait for a session's running turn.
        deadline: longest wait for one operation of the database.
    """

    session_ttl: float = 30 * 24 * 3600
    messages: int = 200
    answer_ttl: float = 24 * 3600
    quarantine_ttl: float = 30 * 24 * 3600
    lock_ttl: float = 15.0
    wait: float = 30.0
    deadline: float = 2.0

    def __post_init__(self) -> None:
        for name in ("session_ttl", "answer_ttl", "quarantine_ttl", "lock_ttl", "deadline"):
            # Redis counts in whole milliseconds; nothing may round to "never" or "at once".
            if not getattr(self, name) >= 0.001:
                raise ValueError(f"{name} must be at least 0.001 seconds")
        if not self.wait >= 0:
            raise ValueError("wait must not be negative")
        if self.messages < 1:
            raise ValueError("messages must be at least 1")
