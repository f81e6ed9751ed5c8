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


def tag_of(key: SessionKey) -> str:
    """The hash tag in all names of a session."""
    return digest(key.tenant, key.user, key.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKeys:
    """All keys of one session, under one hash tag, so that a cluster keeps them on one node.

    Attributes:
        lock: string; the token of the turn that is running.
        meta: hash; ``version`` counts the commits.
        history: list of encoded messages, oldest first.
        quarantine: list of encoded messages that no turn ever reads (I6).
        placeholders: string; what stands for redacted values in the history.
        question: string; the approval that the last turn ended with a question about.
    """

    lock: str
    meta: str
    history: str
    quarantine: str
    placeholders: str
    question: str
    prefix: str

    @classmethod
    def of(cls, key: SessionKey) -> Self:
        return cls.tagged(tag_of(key))

    @classmethod
    def tagged(cls, tag: str) -> Self:
        """Those of the session whose names have this hash tag."""
        prefix = f"corral:{{{tag}}}:"
        return cls(
            lock=prefix + "lock",
            meta=prefix + "meta",
            history=prefix + "history",
            quarantine=prefix + "quarantine",
            placeholders=prefix + "placeholders",
            question=prefix + "question",
            prefix=prefix,
        )

    def answer(self, turn: str) -> str:
        """String; the holder's token, a space, and the encoded answer to that turn."""
        return f"{self.prefix}answer:{digest(turn)}"

    def approval(self, approval: str) -> str:
        """Hash; a question to a person, its answer, and the turn that waits for it."""
        return f"{self.prefix}approval:{digest(approval)}"

    def asked(self, turn: str) -> str:
        """String; id of the approval that the turn asked for last."""
        return f"{self.prefix}asked:{digest(turn)}"

    def effects(self, turn: str) -> str:
        """Hash; what is known of each side effect of the turn."""
        return f"{self.prefix}effects:{digest(turn)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalIndex:
    """Where a tenant's approvals are found by id, and those that wait, under one hash tag.

    Attributes:
        waiting: sorted set by expiry, of one entry for each.
    """

    waiting: str
    prefix: str

    @classmethod
    def of(cls, tenant: str) -> Self:
        prefix = f"corral:{{{digest('approvals', tenant)}}}:"
        return cls(waiting=prefix + "waiting", prefix=prefix)

    def session(self, approval: str) -> str:
        """String; hash tag of the session that the approval belongs to."""
        return f"{self.prefix}session:{digest(approval)}"
