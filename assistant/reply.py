"""How text gets out: every piece judged (I3)."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from assistant.audit.record import Record
from assistant.clock import Ids
from assistant.events import Event, TextReleased
from assistant.restoring import Restorer
from assistant.turn import Turn
from guards.conversation import (
    BY_MODEL,
    Exchange,
    Integrity,
    Message,
    Role,
    Subject,
    TextPart,
)
from guards.panel import Panel
from guards.stream import Buffer, Halt, Pace, Ruling, released
from plugins.broker import Toolbox
from plugins.calling import Calling
from policies.bundle import Policy
from policies.decision import Blocking
from policies.placeholders import Placeholders
from policies.rulings import ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One turn under way: what it is, and where its events and decisions go.

    Attributes:
        placeholders: of its session, or of the conversation it brings along.
        toolbox: the caller's own tools.
        calling: calls Corral's tools.
        shown: what this run of the turn showed the user.
        resumed: whether the turn was taken up again, without the past that its caller sent.
    """

    turn: Turn
    placeholders: Placeholders
    toolbox: Toolbox
    calling: Calling
    record: Record
    emit: Callable[[Event], None]
    shown: list[str] = field(default_factory=list)
    resumed: bool = False

    def show(self, text: str) -> None:
        """Release ``text``, which was judged."""
        if text:
            self.shown.append(text)
            self.emit(TextReleased(text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A reply that came out whole: as the model wrote it, with its placeholders."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """A reply that a clause ended; ``message`` is all that was drafted."""

    decision: Blocking
    message: Message


class ReplyGate:
    """Lets text out piece by piece."""

    def __init__(self, *, panel: Panel, policy: Policy, ids: Ids, pace: Pace) -> None:
        self._panel = panel
        self._policy = policy
        self._ids = ids
        self._pace = pace

    async def release(
        self, course: Course, past: tuple[Message, ...], buffer: Buffer
    ) -> Said | Halted:
        """Show the text in ``buffer``, the reply to the last message of ``past``.

        Raises:
            EngineError: the draft failed; what was released until then stands.
        """
        reply_id = self._ids("msg_")
        written: list[str] = []
        restorer = Restorer(course.placeholders.values)

        async def judge(text: str, whole: bool) -> Ruling[Blocking]:
            exchange = Exchange(
                subject=Subject.REPLY if whole else Subject.REPLY_SO_FAR,
                message=reply_message(reply_id, text, past),
                context=past,
            )
            verdict = await self._panel.judge(exchange)
            turn = course.turn
            decision = self._policy.decide(exchange, verdict, turn.audience, turn.locale)
            course.record.decided(exchange, decision)
            hold = None if whole else verdict.hold
            return ruling(self._policy, decision, text, turn.locale, hold, course.placeholders)

        async with aclosing(released(buffer, judge, self._pace)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Halt):
                    drafted = reply_message(reply_id, buffer.text, past)
                    return Halted(decision=piece.value, message=drafted)
                written.append(piece)
                course.show(restorer.feed(piece))
        course.show(restorer.end())
        return Said(message=reply_message(reply_id, "".join(written), past))


def reply_message(reply_id: str, text: str, past: tuple[Message, ...]) -> Message:
    """A reply of the model's to ``past``.

    What the model writes where it has read data is influenced by it, and stays so when the data
    itself is long forgotten.
    """
    influenced = any(m.provenance.integrity is Integrity.UNTRUSTED for m in past)
    integrity = Integrity.UNTRUSTED if influenced else Integrity.TRUSTED
    return Message(
        id=reply_id,
        role=Role.ASSISTANT,
        parts=(TextPart(text=text),),
        provenance=replace(BY_MODEL, integrity=integrity),
    )
