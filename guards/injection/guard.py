"""The guard that finds instructions in data, hidden ones too, and says where they stand."""

import asyncio
import time
from collections.abc import Callable, Sequence

from guards.conversation import Exchange, Subject
from guards.detection import INLINE_CHARS
from guards.hazards import Hazard
from guards.injection.asked import ATTACKS, Asked, UnjudgedError
from guards.injection.reveal import TooMuchHiddenError, reveal
from guards.injection.search import Attack, Search
from guards.panel import Seat
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict

VERSION = "1"
"""Raised with every change that could change an answer."""

MAX_CHARS = 200_000
_HIDDEN_MORE = 50_000
_SUBJECTS = frozenset({Subject.TOOL_RESULT, Subject.DOCUMENT})


class DataGuard:
    """Judges tool results and documents by guards that know an injection when they read one.

    The text is taken apart into what is plain to see and each thing that is hidden or encoded in
    it (:mod:`guards.injection.reveal`), and all of that into segments that overlap, which the
    guards judge side by side. Where a segment holds an attack, the sentences, fields or cells
    that carry it are looked for: with them cut, the rest was judged and found harmless. Every
    finding has a span, which is the likeliest place where nothing reaches the threshold, and a
    label that says how it was hidden: a :class:`~guards.injection.passages.Disguise`.

    Args:
        seats: who judges the segments, and how long each may take.
        name: as in policies and the decision log.
        threshold: probability from which a segment is searched for what is to be cut. Clauses
            that cut should have the same or a higher one.
        max_chars: longest text taken; a longer one is not judged (``TOO_LONG``).
        clock: seconds, monotonic.

    Raises:
        ValueError: a guard does not look for attacks, or not in data.
    """

    hazards = frozenset({Hazard.PROMPT_INJECTION})

    def __init__(
        self,
        seats: Sequence[Seat],
        *,
        name: str = "injected_data",
        threshold: float = 0.5,
        max_chars: int = MAX_CHARS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not seats:
            raise ValueError("guards must name at least one guard")
        for seat in seats:
            if not seat.guard.hazards & ATTACKS:
                raise ValueError(f"guard {seat.guard.name!r} does not look for injections")
        subjects = frozenset.intersection(_SUBJECTS, *(seat.subjects for seat in seats))
        if not subjects:
            raise ValueError("the guards judge neither tool results nor documents")
        if not 0.0 < threshold < 1.0:
            raise ValueError("threshold must lie between 0 and 1")
        self.name = name
        self.subjects = subjects
        self._asked = Asked(seats)
        self._rechecked_by = tuple(seat.guard.name for seat in seats)
        self._threshold = threshold
        self._max_chars = max_chars
        self._clock = clock
        guards = "; ".join(seat.guard.revision for seat in seats)
        self.revision = f"injected-data-{VERSION}-{threshold:g}({guards})"

    async def judge(self, exchange: Exchange) -> Judgement:
        """See :class:`~guards.guard.Guard`.

        Raises:
            ValueError: for a subject that is not in ``subjects``.
        """
        start = self._clock()
        if exchange.subject not in self.subjects:
            raise ValueError(f"{self.name} does not judge {exchange.subject}")
        try:
            attacks = await self._attacks(exchange)
        except UnjudgedError as error:
            return self._unscanned(error.unscanned.reason, error.unscanned.detail, start)
        except TooMuchHiddenError:
            detail = "more is hidden in the text than is looked into"
            return self._unscanned(Failure.TOO_LONG, detail, start)
        if attacks is None:
            detail = f"text is longer than {self._max_chars} characters"
            return self._unscanned(Failure.TOO_LONG, detail, start)
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=_findings(attacks),
            elapsed=self._clock() - start,
            score=max((attack.probability for attack in attacks), default=0.0),
            rechecked_by=self._rechecked_by,
        )

    async def _attacks(self, exchange: Exchange) -> list[Attack] | None:
        """What was found in every passage; ``None`` when there is too much to read."""
        text = exchange.text
        if len(text) > self._max_chars:
            return None
        most = 2 * len(text) + _HIDDEN_MORE
        if len(text) <= INLINE_CHARS:
            passages = reveal(text, most)
        else:
            passages = await asyncio.to_thread(reveal, text, most)
        searches = [
            Search(passage, self._asked, exchange.subject, self._threshold) for passage in passages
        ]
        # All first segments at once; most texts hold nothing and end here.
        pieces = [piece for search in searches for piece in search.pieces()]
        await self._asked.about(pieces, exchange.subject)
        found = [attack for search in searches for attack in await search.attacks()]
        hot = [attack for attack in found if attack.probability >= self._threshold]
        return hot or sorted(found, key=lambda attack: -attack.probability)[:1]

    def _unscanned(self, reason: Failure, detail: str, start: float) -> Unscanned:
        return Unscanned(
            guard=self.name,
            revision=self.revision,
            reason=reason,
            detail=detail,
            elapsed=self._clock() - start,
        )


def _findings(attacks: Sequence[Attack]) -> tuple[Finding, ...]:
    """One finding for each span, the likeliest."""
    best: dict[tuple[int, int], Attack] = {}
    for attack in attacks:
        known = best.get((attack.start, attack.end))
        if known is None or attack.probability > known.probability:
            best[attack.start, attack.end] = attack
    return tuple(
        Finding(
            hazard=Hazard.PROMPT_INJECTION,
            probability=attack.probability,
            span=Span(start=start, end=end),
            label=attack.disguise.value,
        )
        for (start, end), attack in sorted(best.items())
    )
