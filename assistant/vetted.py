"""Which messages of callers' own conversations have been judged before."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from assistant.turn import Turn
from guards.conversation import ImagePart, Message


class Vetted:
    """Remembers which messages were judged and allowed, each after exactly the same past.

    A caller without a session sends the whole past with each turn. Judging it anew each time
    would cost a judgement a message; trusting it would let anyone smuggle a harmful past in. A
    message that this process allowed, or released itself, is known by a digest that binds its
    content, everything before it, tenant, user, audience and instructions.
    """

    def __init__(self, *, entries: int = 20_000) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._entries = entries

    def add(self, digest: bytes) -> None:
        """Remember that the message of ``digest`` was allowed."""
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > self._entries:
            self._known.popitem(last=False)

    def __contains__(self, digest: bytes) -> bool:
        if digest not in self._known:
            return False
        self._known.move_to_end(digest)
        return True


def digests(turn: Turn, messages: Iterable[Message]) -> list[bytes]:
    """One digest a message, each chained to those before it; two scopes share none (I11)."""
    key = turn.key
    chain = _digest(b"", key.tenant, key.user, turn.audience, turn.locale, turn.instructions)
    result = []
    for message in messages:
        chain = _digest(
            chain,
            message.role,
            message.text,
            *(part.url for part in message.parts if isinstance(part, ImagePart)),
            *(field for c in message.tool_calls for field in (c.name, c.arguments)),
            message.tool_call_id or "",
        )
        result.append(chain)
    return result


def _digest(start: bytes, *fields: str) -> bytes:
    state = hashlib.blake2b(start, digest_size=20)
    for field in fields:
        data = field.encode(errors="surrogatepass")
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.digest()
