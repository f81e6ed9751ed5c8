"""Pictures of what somebody is still typing, judged and made like any tool call's."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from assistant.admission import Admission
from assistant.audit.entries import EntryBodies
from assistant.audit.protocol import DecisionLog
from assistant.audit.record import Record
from assistant.clock import Ids
from assistant.errors import CorralError
from assistant.events import Event, FinishReason, Judged, Usage
from assistant.turn import SessionKey, Turn
from assistant.vetted import Vetted
from guards.conversation import Subject, ToolCall, text_message
from guards.panel import Panel
from plugins.broker import Broker
from plugins.caller import Caller
from plugins.images import plugin
from plugins.images.preview import PAUSE, Declined, Previews, Shown, Superseded
from plugins.outcome import Blocked, Failed, Failure, NeedsApproval, Ran
from plugins.result import Picture
from policies.admitted import Admitted, Denied
from policies.bundle import Audience, Policy
from policies.decision import Blocking, Decision
from policies.placeholders import Placeholders
from policies.rulings import blocking_of

TOOL = "create_image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """A picture that may be shown; ``log_id`` is the entry of the decision log that says so."""

    picture: Picture
    log_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """The policy lets no picture of these words through, or not the one that was made."""

    decision: Blocking
    log_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """The image service gave none; ``problem`` says why where that may be told."""

    problem: str


@dataclass(slots=True, kw_only=True)
class _Typed:
    """What was typed, as a turn of its own, and how far it has come."""

    turn: Turn
    record: Record
    decisions: list[Judged]
    placeholders: Placeholders = field(default_factory=Placeholders)
    admitted: Admitted | None = None

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Whatever ends it early is in the log."""
        try:
            yield
        except CorralError as error:
            self.record.failed(error.code)
            raise
        except asyncio.CancelledError:
            self.record.failed("cancelled")
            raise
        except BaseException:
            self.record.failed(CorralError.code)
            raise


class PreviewDesk:
    """Makes at most one picture at a time for each user and session: of their newest words.

    The words are the user's own, judged as any message, and the picture comes from one call of
    the tool through the broker. What would be asked of a person is refused: the words will be
    others before anybody has answered.

    Args:
        observe: told of every decision.
        pause: seconds without newer words before any are judged.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        panel: Panel,
        policy: Policy,
        log: DecisionLog,
        entries: EntryBodies,
        ids: Ids,
        observe: Callable[[Judged], None],
        pause: float = PAUSE,
    ) -> None:
        self._broker = broker
        self._policy = policy
        self._admission = Admission(panel=panel, policy=policy, vetted=Vetted())
        self._log = log
        self._entries = entries
        self._ids = ids
        self._observe = observe
        self._previews = Previews(judge=self._judge, create=self._create, pause=pause)

    @property
    def enabled(self) -> bool:
        """Whether there is the tool that makes pictures."""
        bound = self._broker.catalogue.bound.get(TOOL)
        return bound is not None and bound.manifest.name == plugin.manifest.name

    async def show(
        self, prompt: str, key: SessionKey, *, audience: Audience, locale: str
    ) -> Painted | Unfit | Unmade | Superseded:
        """A picture of ``prompt``, unless newer words of the same user and session come first.

        A caller that is cancelled cancels its picture, down to the request to the service (I8).

        Raises:
            CorralError: the decision log cannot be written; then nothing is shown.
        """
        turn_id = self._ids("msg-")
        message = text_message(prompt, id=turn_id)
        turn = Turn(id=turn_id, key=key, message=message, audience=audience, locale=locale)
        decisions: list[Judged] = []

        def heard(event: Event) -> None:
            if isinstance(event, Judged):
                decisions.append(event)
                self._observe(event)

        record = Record(log=self._log, bodies=self._entries, turn=turn, emit=heard)
        shown = await self._previews.show(
            _Typed(turn=turn, record=record, decisions=decisions),
            user=f"{key.tenant}\0{key.user}",
            session=key.session,
        )
        match shown:
            case Shown(picture=made):
                return made
            case Declined(reason=unfit):
                return unfit
            case Superseded():
                return shown

    async def _judge(self, typed: _Typed) -> Unfit | None:
        """Judge the words as any message, before anything is asked of anybody (I1)."""
        with typed.under_way():
            admission = await self._admission.judge(
                typed.turn, (), typed.placeholders, typed.record.decided
            )
            if isinstance(admission, Denied):
                return await self._unfit(typed, admission.decision)
            typed.admitted = admission
            return None

    async def _create(self, typed: _Typed) -> Painted | Unfit | Unmade:
        with typed.under_way():
            if typed.admitted is None:
                raise AssertionError("nothing is made of words that were not let in")
            return await self._called(typed, typed.admitted)

    async def _called(self, typed: _Typed, admitted: Admitted) -> Painted | Unfit | Unmade:
        turn, message = typed.turn, admitted.message
        calling = self._broker.calling(
            Caller(
                tenant=turn.key.tenant,
                user=turn.key.user,
                session=turn.key.session,
                turn=turn.id,
                pseudonym=self._entries.pseudonym(turn),
                audience=turn.audience,
                locale=turn.locale,
            ),
            typed.record,
            offered=(TOOL,),
            placeholders=typed.placeholders,
            progress=lambda _call, _text: None,
        )
        arguments = orjson.dumps({"prompt": message.text}).decode()
        outcome = await calling.call(
            ToolCall(id=self._ids("call_"), name=TOOL, arguments=arguments), (message,)
        )
        match outcome:
            case Ran(images=(picture, *_)):
                log_id = await self._finished(typed, admitted.decision, FinishReason.STOP)
                return Painted(picture=picture, log_id=log_id)
            case Ran():
                return Unmade(problem="the service made no picture")
            case Failed(failure=Failure.DENIED):
                subjects = (Subject.TOOL_CALL, Subject.IMAGE_PROMPT)
                return await self._unfit(typed, self._stopped(typed, *subjects))
            case Failed(failure=Failure.WITHHELD):
                subjects = (Subject.IMAGE, Subject.TOOL_RESULT)
                return await self._unfit(typed, self._stopped(typed, *subjects))
            case Failed(failure=failure, problem=problem):
                typed.record.failed(failure)
                return Unmade(problem=problem)
            case NeedsApproval():
                return await self._unfit(typed, self._stopped(typed, Subject.TOOL_CALL))
            case Blocked(decision=decision):
                return await self._unfit(typed, decision)

    def _stopped(self, typed: _Typed, *subjects: Subject) -> Blocking:
        """The last decision about one of ``subjects`` that let nothing through."""
        for event in reversed(typed.decisions):
            if event.subject in subjects:
                stop = blocking_of(self._policy, event.decision, typed.turn.locale)
                if stop is not None:
                    return stop
        raise AssertionError("what the broker holds back was decided about")

    async def _unfit(self, typed: _Typed, decision: Blocking) -> Unfit:
        log_id = await self._finished(typed, decision, FinishReason.CONTENT_FILTER)
        return Unfit(decision=decision, log_id=log_id)

    async def _finished(self, typed: _Typed, decision: Decision, reason: FinishReason) -> str:
        log_id = typed.record.finished(decision, reason, Usage())
        # The log first: nothing is shown whose proof could still be lost.
        await self._log.durable()
        return log_id
