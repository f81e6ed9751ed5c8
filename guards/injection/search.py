"""The search for what carries an attack in one passage, so that the rest can be kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from guards.conversation import Subject
from guards.injection.asked import Asked, Opinion
from guards.injection.passages import Disguise, Passage
from guards.injection.segments import segments, units
from guards.injection.suspicion import raised

ROUNDS = 6
"""Rounds of cutting and judging again; what is then still suspicious is cut segment by segment."""

MOST_LEFT_OUT = 10
"""Units of a segment that are left out one by one; of more, the segment is cut as a whole."""

WHOLE_HIDDEN = 600
"""Characters of a hidden passage that is not worth keeping any part of."""

CLOSER = 0.2
"""How much of the threshold a segment needs for its sentences to be judged by themselves: what
stands around an instruction dilutes it."""

ALONE = 0.6
"""How far above the threshold, on the way to one, such a sentence must be by itself."""

MANY = 12
"""Segments from which on a passage is first judged in blocks."""

BLOCKS = (200, 12)
"""Segments of a block: what is not suspicious as a block is not looked into further."""

BESIDE = 0.5
"""How much of the threshold a sentence beside an attack needs to count as part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What was found at ``start`` to ``end`` of the original, or is most likely to be there."""

    start: int
    end: int
    probability: float
    disguise: Disguise


class Search:
    """One search; the passage's segments are judged by ``asked``."""

    def __init__(self, passage: Passage, asked: Asked, subject: Subject, threshold: float) -> None:
        self._passage = passage
        self._asked = asked
        self._subject = subject
        self._threshold = threshold
        self._units = units(passage)
        self._cut: dict[int, float] = {}
        self._cold: set[int] = set()

    def pieces(self) -> list[str]:
        """What is judged first."""
        parts = self._parts(list(range(len(self._units))))
        if len(parts) > MANY:
            parts = _blocks(parts, BLOCKS[0])
        return [self._text(part) for part in parts]

    async def attacks(self) -> list[Attack]:
        """What is to be cut; where nothing is, the likeliest segment.

        Raises:
            UnjudgedError: a piece was not judged.
        """
        highest, likeliest = await self._look_closer()
        beside = False
        for turn in range(ROUNDS + len(self._units) + 1):
            kept = [number for number in range(len(self._units)) if number not in self._cut]
            parts = self._parts(kept)
            opinions = await self._opinions(self._text(part) for part in parts)
            hot = [
                (part, opinion)
                for part in parts
                if self._probability(opinion := opinions[self._text(part)]) >= self._threshold
            ]
            if hot:
                await self._cut_some(hot, whole=turn >= ROUNDS)
            elif self._cut and not beside:
                beside = True
                await self._cut_beside()
            else:
                break
        return self._found(self._cut or dict.fromkeys(likeliest, highest))

    async def _look_closer(self) -> tuple[float, list[int]]:
        """The highest probability and its segment; cuts sentences that are attacks by themselves
        where their segment as a whole is not."""
        parts = self._parts(list(range(len(self._units))))
        if len(parts) > MANY:
            coldest = await self._leave_out_cold(parts)
            parts = [part for part in parts if not self._cold.issuperset(part)]
            if not parts:
                return coldest
        opinions = await self._opinions(self._text(part) for part in parts)
        scored = [(self._probability(opinions[self._text(part)]), part) for part in parts]
        doubtful = {
            number: self._text([number])
            for probability, part in scored
            if CLOSER * self._threshold <= probability < self._threshold
            for number in part
        }
        alone = await self._opinions(doubtful.values())
        for number, text in doubtful.items():
            probability = self._probability(alone[text])
            if probability >= self._threshold + ALONE * (1.0 - self._threshold):
                self._cut[number] = probability
        return max(scored, default=(0.0, []))

    async def _leave_out_cold(self, parts: list[list[int]]) -> tuple[float, list[int]]:
        """Judge ``parts`` in blocks, and smaller ones of those, and leave out what is harmless.

        The likeliest of what was left out is the answer.
        """
        alive = parts
        highest: tuple[float, list[int]] = (0.0, [])
        for size in BLOCKS:
            blocks = _blocks(alive, size)
            opinions = await self._opinions(self._text(block) for block in blocks)
            warm: set[int] = set()
            for block in blocks:
                probability = self._probability(opinions[self._text(block)])
                if probability >= self._threshold:
                    warm.update(block)
                else:
                    highest = max(highest, (probability, block))
            alive = [part for part in alive if not warm.isdisjoint(part)]
        self._cold = set(range(len(self._units))) - {n for part in alive for n in part}
        return highest

    def _parts(self, kept: list[int]) -> list[list[int]]:
        """The segments over the units that are kept, as numbers of units."""
        ranges = [self._units[number] for number in kept]
        cut = segments(self._passage.text, ranges)
        parts = [kept[segment.first : segment.last] for segment in cut]
        return [part for part in parts if not self._cold.issuperset(part)] if self._cold else parts

    async def _cut_some(self, hot: list[tuple[list[int], Opinion]], *, whole: bool) -> None:
        """Cut units of every segment that is still suspicious, at least one of each."""
        hidden = self._passage.disguise is not Disguise.NONE
        if hidden and len(self._passage.text) <= WHOLE_HIDDEN:
            highest = max(self._probability(opinion) for _, opinion in hot)
            self._cut = dict.fromkeys(range(len(self._units)), highest)
            return
        alone = await self._opinions(
            self._text([number]) for part, opinion in hot for number in part if not opinion.marked
        )
        for part, opinion in hot:
            probability = self._probability(opinion)
            guilty = self._marked(part, opinion)
            if not guilty and not opinion.marked:
                guilty = [
                    number
                    for number in part
                    if self._probability(alone[self._text([number])]) >= self._threshold
                ]
            if whole or (not guilty and len(part) > MOST_LEFT_OUT):
                guilty = part
            elif not guilty:
                guilty = [await self._weightiest(part)]
            for number in guilty:
                self._cut[number] = max(probability, self._cut.get(number, 0.0))

    def _marked(self, part: list[int], opinion: Opinion) -> list[int]:
        """The units in which a guard says that it found something."""
        found = []
        at = 0
        for number, piece in zip(part, self._pieces(part), strict=True):
            end = at + len(piece)
            if any(start < end and at < last for start, last in opinion.marked):
                found.append(number)
            at = end
        # To mark everything says no more than to mark nothing.
        return found if len(found) < len(part) else []

    async def _weightiest(self, part: list[int]) -> int:
        """The unit without which the rest of the segment is least suspicious."""
        if len(part) == 1:
            return part[0]
        rests = {number: self._text([n for n in part if n != number]) for number in part}
        opinions = await self._opinions(rests.values())
        return min(part, key=lambda number: opinions[rests[number]].probability)

    async def _cut_beside(self) -> None:
        """Cut what stands beside a cut and is nearly as suspicious: attacks take some sentences."""
        beside = {
            number + step
            for number in self._cut
            for step in (-1, 1)
            if 0 <= number + step < len(self._units) and number + step not in self._cut
        }
        opinions = await self._opinions(self._text([number]) for number in beside)
        for number in beside:
            probability = self._probability(opinions[self._text([number])])
            if probability >= BESIDE * self._threshold:
                self._cut[number] = self._threshold

    def _found(self, guilty: dict[int, float]) -> list[Attack]:
        """Units that follow each other are one attack."""
        found: list[Attack] = []
        last = -2
        for number in sorted(guilty):
            start, end = self._passage.traced.origin(*self._units[number])
            probability = guilty[number]
            if number == last + 1 and found[-1].start <= start:
                before = found.pop()
                start, end = before.start, max(before.end, end)
                probability = max(before.probability, probability)
            if end > start:
                attack = Attack(
                    start=start,
                    end=end,
                    probability=probability,
                    disguise=self._passage.disguise,
                )
                found.append(attack)
                last = number
        return found

    def _pieces(self, part: list[int]) -> list[str]:
        """The text of units with the blanks between neighbours."""
        text = self._passage.text
        found = []
        for place, number in enumerate(part):
            start, end = self._units[number]
            if place + 1 < len(part):
                after = part[place + 1]
                gap = text[end : self._units[after][0]] if after == number + 1 else " "
                found.append(text[start:end] + gap)
            else:
                found.append(text[start:end])
        return found

    def _text(self, part: list[int]) -> str:
        return "".join(self._pieces(part))

    def _probability(self, opinion: Opinion) -> float:
        return raised(opinion.probability, self._passage)

    async def _opinions(self, texts: Iterable[str]) -> dict[str, Opinion]:
        return await self._asked.about(texts, self._subject)


def _blocks(parts: list[list[int]], size: int) -> list[list[int]]:
    """The units of up to ``size`` parts that follow each other, as one."""
    found: list[list[int]] = []
    count = 0
    for part in parts:
        if found and count < size and part[0] <= found[-1][-1]:
            found[-1] += [number for number in part if number > found[-1][-1]]
            count += 1
        else:
            found.append(list(part))
            count = 1
    return found
