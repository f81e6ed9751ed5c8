"""The side effects of one turn, written down so that none happens twice by accident (I7)."""

from dataclasses import dataclass
from typing import assert_never

import orjson

from guards.conversation import Confidentiality
from plugins.caller import Caller
from plugins.ledger import Entry, Ledger, Standing
from plugins.outcome import Failure
from plugins.result import Citation, Result
from plugins.running import Trouble


@dataclass(slots=True, kw_only=True)
class Effects:
    """What is known of a turn's side effects. Without a ledger there is nowhere to note any.

    Every method raises whatever says that the ledger cannot be reached.
    """

    ledger: Ledger | None
    caller: Caller
    _known: dict[str, Entry] | None = None

    async def uncertain(self) -> bool:
        """Whether one began of which nobody knows how it ended."""
        known = await self._entries()
        return any(entry.standing is Standing.STARTED for entry in known.values())

    async def done(self, key: str) -> Result | Trouble | None:
        """What the side effect ended with, if this turn did it before."""
        entry = (await self._entries()).get(key)
        if entry is None or entry.standing is not Standing.DONE:
            return None
        return _from_record(entry.record or b"{}")

    async def spent(self, approval: str) -> bool:
        """Whether a person's word was acted on before, however that ended: it is good for one
        start."""
        return _word(approval) in await self._entries()

    async def begin(self, key: str, *, approval: str | None) -> bool:
        """Note that it is about to start, on a person's word if there is one; whether it may.

        With a word, one that may have begun before may begin again.

        Raises:
            RuntimeError: there is no ledger.
        """
        if self.ledger is None:
            raise RuntimeError("a tool with side effects needs a ledger")
        if approval is not None:
            # The word first: whatever happens from here on, it is spent.
            if not await self._noted(self.ledger, _word(approval)):
                return False
            await self.ledger.again(self.caller, key)
        return await self._noted(self.ledger, key)

    async def end(self, key: str, result: Result | Trouble, *, approval: str | None) -> None:
        """Note what it ended with. An end that is not known is none."""
        if self.ledger is None or (isinstance(result, Trouble) and not result.known):
            return
        record = _record(result)
        for each in (key, *([] if approval is None else [_word(approval)])):
            await self.ledger.done(self.caller, each, record)
            (await self._entries())[each] = Entry(standing=Standing.DONE, record=record)

    async def _noted(self, ledger: Ledger, key: str) -> bool:
        before = await ledger.begin(self.caller, key)
        if before.standing is not Standing.NEW:
            return False
        (await self._entries())[key] = Entry(standing=Standing.STARTED)
        return True

    async def _entries(self) -> dict[str, Entry]:
        if self._known is None:
            entries = {} if self.ledger is None else await self.ledger.entries(self.caller)
            self._known = dict(entries)
        return self._known


def _word(approval: str) -> str:
    return f"approval {approval}"


def _record(result: Result | Trouble) -> bytes:
    """Images are not kept."""
    match result:
        case Trouble(failure=failure, problem=problem):
            return orjson.dumps({"failure": failure, "problem": problem})
        case Result():
            return orjson.dumps(
                {
                    "content": result.content,
                    "artifact": result.artifact,
                    "citations": [[c.title, c.url, c.text] for c in result.citations],
                    "confidentiality": result.confidentiality,
                }
            )
        case _:
            assert_never(result)


def _from_record(data: bytes) -> Result | Trouble:
    record = orjson.loads(data)
    if "failure" in record:
        return Trouble(failure=Failure(record["failure"]), problem=record["problem"], known=True)
    label = record["confidentiality"]
    return Result(
        content=record["content"],
        artifact=record["artifact"],
        citations=tuple(Citation(title=t, url=u, text=x) for t, u, x in record["citations"]),
        confidentiality=None if label is None else Confidentiality(label),
    )
