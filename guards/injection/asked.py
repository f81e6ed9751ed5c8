"""Asking guards about pieces of text, several at a time, each piece only once."""

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guards.conversation import BY_TOOL, Exchange, Role, Subject, text_message
from guards.hazards import Hazard
from guards.panel import Seat, judge_within
from guards.verdict import Unscanned

ATTACKS = frozenset({Hazard.PROMPT_INJECTION, Hazard.JAILBREAK})
AT_ONCE = 8
REMEMBERED = 8_192


class UnjudgedError(Exception):
    """A guard gave no verdict on a piece, so that there is none on the whole (I2)."""

    def __init__(self, unscanned: Unscanned) -> None:
        super().__init__(unscanned.reason)
        self.unscanned = unscanned


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """How probable it is that a piece holds an attack, and where, from guards that say so."""

    probability: float
    marked: tuple[tuple[int, int], ...] = ()


class Asked:
    """The opinions of some guards, the latest remembered by a keyed hash of the piece.

    The key is of this process, so no text is kept and none can be looked up.
    """

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = tuple(seats)
        self._secret = os.urandom(16)
        self._known: OrderedDict[bytes, Opinion] = OrderedDict()

    async def about(self, pieces: Iterable[str], subject: Subject) -> dict[str, Opinion]:
        """The opinion on each of ``pieces``.

        Raises:
            UnjudgedError: for the first piece that a guard could not judge.
        """
        found: dict[str, Opinion] = {}
        missing: list[str] = []
        for piece in dict.fromkeys(pieces):
            key = self._key(piece, subject)
            known = self._known.get(key)
            if known is None:
                missing.append(piece)
            else:
                self._known.move_to_end(key)
                found[piece] = known
        waiting = iter(missing)
        failed: list[Unscanned] = []

        async def ask() -> None:
            for piece in waiting:
                try:
                    found[piece] = await self._opinion(piece, subject)
                except UnjudgedError as error:
                    failed.append(error.unscanned)
                if failed:
                    return
                # A guard on the CPU may never give way by itself.
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(missing))):
                group.create_task(ask())
        if failed:
            raise UnjudgedError(failed[0])
        return found

    async def _opinion(self, piece: str, subject: Subject) -> Opinion:
        message = text_message(piece, id="segment", role=Role.TOOL, provenance=BY_TOOL)
        exchange = Exchange(subject=subject, message=message)
        probability = 0.0
        marked: list[tuple[int, int]] = []
        for seat in self._seats:
            judgement = await judge_within(seat, exchange)
            if isinstance(judgement, Unscanned):
                raise UnjudgedError(judgement)
            for finding in judgement.findings:
                if finding.hazard in ATTACKS:
                    probability = max(probability, finding.probability)
                    if finding.span is not None:
                        marked.append((finding.span.start, finding.span.end))
        opinion = Opinion(probability=probability, marked=tuple(marked))
        self._known[self._key(piece, subject)] = opinion
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return opinion

    def _key(self, piece: str, subject: Subject) -> bytes:
        raw = f"{subject}\n{piece}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(raw, digest_size=16, key=self._secret).digest()
