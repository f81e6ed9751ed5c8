"""Time and randomness come in by injection, so that a simulator can own both."""

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time for records; durations come from the event loop's own clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""


class Ids(Protocol):
    """Fresh identifiers."""

    def __call__(self, prefix: str) -> str:
        """A new id, unguessable and unique, that starts with ``prefix``."""


class SystemClock:
    def now(self) -> float:
        return time.time()


def random_id(prefix: str) -> str:
    """96 random bits in hexadecimal after ``prefix``."""
    return f"{prefix}{secrets.token_hex(12)}"
