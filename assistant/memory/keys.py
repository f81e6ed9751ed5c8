"""The names a session's data goes by in Redis."""

import hashlib
from dataclasses import dataclass
from typing import Self

from assistant.turn import SessionKey


def digest(*parts: str) -> str:
    """192 bits of BLAKE2b over the parts, each preceded by its length, in hexadecimal.

    Because of the lengths no two different lists of parts are the same bytes, so nobody can
    craft an id that reaches into another tenant's, user's or session's keys (I11). It also keeps
    ids, which may be phone numbers, out of the database's key names (I9).
    """
    state = hashlib.blake2b(digest_size=24)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKeys:
    """All keys of one session, under one hash tag, so that a cluster keeps them on one node.

    Attributes:
        lock: string; the token of the turn that is running.
        meta: hash; ``version`` counts the commits.
        history: list of encoded messages, oldest first.
        quarantine: list of encoded messages that no turn ever reads (I6).
        placeholders: string; what stands for redacted values in the history.
    """

    lock: str
    meta: str
    history: str
    quarantine: str
    placeholders: str
    prefix: str

    @classmethod
    def of(cls, key: SessionKey) -> Self:
        prefix = f"corral:{{{digest(key.tenant, key.user, key.session)}}}:"
        return cls(
            lock=prefix + "lock",
            meta=prefix + "meta",
            history=prefix + "history",
            quarantine=prefix + "quarantine",
            placeholders=prefix + "placeholders",
            prefix=prefix,
        )

    def answer(self, turn: str) -> str:
        """String; the holder's token, a space, and the encoded answer to that turn."""
        return f"{self.prefix}answer:{digest(turn)}"
