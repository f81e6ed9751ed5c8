"""People who are asked about a tool call: they say yes or no, too late, or nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from assistant.approval.protocol import Approvals
from assistant.errors import ApprovalAnsweredError, ApprovalExpiredError, UnknownApprovalError
from guards.conversation import text_message
from policies.decision import Approver
from tests.simulation.errand import Reaction, Word
from tests.simulation.plan import AGAIN, Leaving
from tests.simulation.records import Delivery, Seen

MOST = 14
"""Deliveries that one planned delivery may lead to, itself included."""

Play = Callable[[Delivery], Awaitable[None]]

_NO = frozenset({Word.NO, Word.SAID_NO})
_SAID = frozenset({Word.SAID_YES, Word.SAID_NO, Word.SAID_LATE})
_LATE = frozenset({Word.LATE, Word.SAID_LATE})


class People:
    """Answers what deliveries ask, and delivers what follows from it by way of ``play``."""

    def __init__(self, seen: Seen, approvals: Approvals, play: Play) -> None:
        self._seen = seen
        self._approvals = approvals
        self._play = play
        calm = seen.scenario.calm
        away = () if calm else (*(Leaving.STEPPED,) * 4, Leaving.TWICE)
        self._leavings = (*(Leaving.STAYS,) * 4, Leaving.SLOW, *away)

    async def follow(self, delivery: Delivery, reaction: Reaction) -> None:
        """Answer ``delivery``'s question, and those that come after it."""
        for times, word in zip((2, 3, 4, 5), reaction.words, strict=True):
            if delivery.asked is None:
                return
            rng = Random(delivery.plan.seed + AGAIN * times)
            patience = delivery.asked.expires - delivery.asked.created
            # What is said in the session only counts while nothing else is said there.
            waits = (0.0, 0.0, 0.5) if word in _SAID else (0.0, 0.5, 9.0)
            await asyncio.sleep(patience + 1.0 if word in _LATE else rng.choice(waits))
            self._seen.counts[f"person: {word}"] += 1
            self._seen.note(delivery, "person", word)
            if word is Word.NEVER:
                return
            following = await self._answered(delivery, word, rng, times)
            await self._play(following)
            if following.turn is not delivery.root.turn and rng.random() < 0.3:
                await self._play(self._once_more(following, times + 4))
            if following.error is not None or following.outcome:
                # The turn still waits, or was answered for somebody who never heard of it.
                again = self._message(delivery, rng, times + 8)
                await asyncio.sleep(rng.choice((0.0, 8.0)))
                await self._play(again)
                following = again
            delivery = following

    async def _answered(self, delivery: Delivery, word: Word, rng: Random, times: int) -> Delivery:
        asked = delivery.asked
        if asked is None:
            raise AssertionError("nobody was asked")
        following = self._message(delivery, rng, times)
        if word in _SAID and delivery.turn.remembered:
            text = "no" if word in _NO else "yes"
            message = text_message(text, id=f"w{following.plan.number}")
            turn = replace(delivery.turn, id=f"word-{following.plan.number}", message=message)
            following.turn = turn
            following.turn_plan = replace(delivery.turn_plan, errand=None)
            return following
        if word is Word.REPEAT:
            return following
        by = "operator" if asked.approver is Approver.OPERATOR else "user"
        try:
            approval = await self._approvals.answer(asked.key.tenant, asked.id, word not in _NO, by)
        except (ApprovalExpiredError, ApprovalAnsweredError, UnknownApprovalError) as error:
            self._seen.counts[f"answer turned down: {error.code}"] += 1
            return following
        now = asyncio.get_running_loop().time()
        self._seen.questions[asked.id].heard(word not in _NO, now)
        if word is not Word.TOLD_YES:
            following.approval = approval
        return following

    def _once_more(self, delivery: Delivery, times: int) -> Delivery:
        """The very same message, as senders that heard no answer deliver it."""
        plan = replace(delivery.plan, number=delivery.plan.number % AGAIN + AGAIN * times)
        following = self._message(delivery, delivery.rng, times)
        following.turn, following.turn_plan = delivery.turn, delivery.turn_plan
        following.plan = replace(plan, leaving=Leaving.STAYS)
        return following

    def _message(self, delivery: Delivery, rng: Random, times: int) -> Delivery:
        """The turn's message once more."""
        root = delivery.root
        plan = replace(
            root.plan,
            number=root.plan.number % AGAIN + AGAIN * times,
            reply=root.plan.again,
            host=rng.choice([root.plan.host, delivery.host]),
            leaving=rng.choice(self._leavings),
            leave_step=rng.randint(5, 60),
        )
        return Delivery(
            plan=plan,
            turn=root.turn,
            turn_plan=root.turn_plan,
            caller=root.caller,
            rng=rng,
            reply=plan.reply,
            host=plan.host,
            history=root.turn.history,
            astray=bool(plan.reaction and plan.reaction.astray),
        )
