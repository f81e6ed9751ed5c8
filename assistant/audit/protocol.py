"""The seam behind which decisions are recorded."""

from typing import Any, Protocol


class DecisionLog(Protocol):
    """Append-only and hash-chained.

    ``append`` is synchronous and cheap: when it returns, the entry survives the death of this
    process; after ``durable`` it survives the loss of power too.
    """

    def append(self, kind: str, body: dict[str, Any]) -> str:
        """Record one entry (JSON-able ``body``) and return its id.

        Raises:
            LogUnavailableError: it could not be written; nothing may be released on it.
        """

    async def durable(self) -> None:
        """Return once all that was appended before is on stable storage.

        Raises:
            LogUnavailableError: it could not be synced.
        """
