"""Parts of Corral, each with something left out or done wrong, for `mutations.py`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import assistant.audit.entries
import assistant.orchestrator
import assistant.testing.decision_log
from assistant.admission import Admission
from assistant.audit.chain import START, seal
from assistant.audit.entries import EntryBodies
from assistant.audit.record import Record
from assistant.context import Context, assemble_context
from assistant.draft import Draft
from assistant.errors import EngineResponseError
from assistant.events import Event, FinishReason, Judged, ToolCallReleased
from assistant.memory.protocol import Answer, Commit, Lease, Opened
from assistant.orchestrator import Orchestrator
from assistant.outcome import Outcome, blocked_outcome
from assistant.progress import Progress
from assistant.reply import Course, Said
from assistant.rounds import Rounds
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey, Turn
from assistant.vetted import digests
from guards.conversation import Exchange, Message, Role, Subject, ToolCall
from guards.panel import Panel, PanelVerdict, Seat, judge_within
from guards.stream import Release, Ruling
from guards.verdict import Judgement, Unscanned, Verdict
from policies.admitted import Admitted, Denied
from policies.decision import Allow, Basis, Decision


def _allow(subject: Subject) -> Allow:
    verdict = PanelVerdict(subject=subject, judgements=(), elapsed=0.0)
    return Allow(basis=Basis(clause=None, policy="", digest="", verdict=verdict))


async def admit_unjudged(
    _self: Admission, turn: Turn, history: tuple[Message, ...], _placeholders: Any, _report: Any
) -> Admitted:
    return Admitted(
        history=history,
        message=turn.message,
        guidance=(),
        decision=_allow(Subject.USER_INPUT),
        changed=False,
    )


_real_judge = Admission.judge


async def trust_the_past(
    self: Admission, turn: Turn, history: tuple[Message, ...], placeholders: Any, report: Any
) -> Admitted | Denied:
    return await _real_judge(self, replace(turn, remembered=True), history, placeholders, report)


async def answer_unguided(
    self: Admission, turn: Turn, history: tuple[Message, ...], placeholders: Any, report: Any
) -> Admitted | Denied:
    admission = await _real_judge(self, turn, history, placeholders, report)
    return replace(admission, changed=False) if isinstance(admission, Admitted) else admission


async def vet_what_was_changed(
    self: Admission, turn: Turn, history: tuple[Message, ...], placeholders: Any, report: Any
) -> Admitted | Denied:
    admission = await _real_judge(self, turn, history, placeholders, report)
    if isinstance(admission, Admitted) and not turn.remembered:
        for digest in digests(turn, (*turn.history, turn.message)):
            self._vetted.add(digest)
    return admission


async def failure_is_no_finding(seat: Seat, exchange: Exchange) -> Judgement:
    judgement = await judge_within(seat, exchange)
    if isinstance(judgement, Unscanned):
        name, revision = judgement.guard, judgement.revision
        return Verdict(guard=name, revision=revision, findings=(), elapsed=judgement.elapsed)
    return judgement


async def last_unjudged(
    judge: Callable[[str, bool], Awaitable[Ruling[Any]]], text: str, whole: bool
) -> Ruling[Any]:
    return Release() if whole else await judge(text, whole)


def uncut(text: str, _cuts: Any, *, start: int = 0) -> str:
    return text[start:]


def without_context(**fields: Any) -> Exchange:
    return Exchange(**fields | {"context": ()})


_real_panel = Panel.judge


async def first_seat_only(self: Panel, exchange: Exchange) -> PanelVerdict:
    if exchange.subject is Subject.USER_INPUT:
        return await _real_panel(self, exchange)
    with patch.dict(self._seats, {exchange.subject: self._seats[exchange.subject][:1]}):
        return await _real_panel(self, exchange)


_Released = ToolCallReleased


def call_altered(*, call: ToolCall) -> ToolCallReleased:
    return _Released(call=replace(call, arguments=call.arguments.replace("za", "zb")))


async def calls_undecided(
    self: Rounds,
    course: Course,
    progress: Progress,
    _context: Context,
    said: Said,
    calls: tuple[ToolCall, ...],
) -> Outcome:
    for call in calls:
        course.emit(ToolCallReleased(call=call))
    handed = Said(message=replace(said.message, tool_calls=calls))
    return self._finished(course, progress, handed, FinishReason.TOOL_CALLS)


async def system_takes_results(*args: Any, instructions: str, **kwargs: Any) -> Context:
    message: Message = kwargs["message"]
    if message.role is Role.TOOL:
        instructions += f"\n\nThe tool said: {message.text}"
    return await assemble_context(*args, instructions=instructions, **kwargs)


def nothing_blocked(*args: Any) -> Outcome:
    return replace(blocked_outcome(*args), blocked=False)


_real_open = InMemorySessionStore.open
_real_session = InMemorySessionStore._session


async def open_at_once(self: InMemorySessionStore, key: SessionKey, turn: str) -> Any:
    self._session(key)[0].holder = None
    return await _real_open(self, key, turn)


async def open_with_quarantine(self: InMemorySessionStore, key: SessionKey, turn: str) -> Any:
    opened = await _real_open(self, key, turn)
    if isinstance(opened, Opened):
        return replace(opened, history=(*await self.quarantined(key), *opened.history))
    return opened


async def release_nothing(_self: InMemorySessionStore, _lease: Lease) -> None:
    return None


async def open_forgetful(self: InMemorySessionStore, key: SessionKey, turn: str) -> Any:
    self._session(key)[0].answers.pop(turn, None)
    return await _real_open(self, key, turn)


def held_by_anyone(self: InMemorySessionStore, lease: Lease) -> Any:
    return self._session(lease.key)


_real_replay = assistant.orchestrator._replay


def replay_without_calls(emit: Any, answer: Answer) -> None:
    _real_replay(emit, replace(answer, calls=()))


async def commit_nothing(_self: InMemorySessionStore, _lease: Lease, _commit: Commit) -> None:
    return None


async def finish_unheard(
    self: Orchestrator, course: Course, outcome: Outcome, lease: Lease | None
) -> None:
    """Say that the turn is over before it is remembered."""
    with patch.object(self, "_store", _Late(self._store)):
        await _real_finish(self, course, outcome, lease)


_real_finish = Orchestrator._finish


class _Late:
    """Commits when nobody waits for it any more."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def commit(self, lease: Lease, commit: Commit) -> None:
        async def later() -> None:
            await asyncio.sleep(0.3)
            await self._store.commit(lease, commit)

        asyncio.create_task(later())  # noqa: RUF006 - that nobody keeps it is the mutation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def no_abort(self: Draft) -> None:
    self.buffer.close(EngineResponseError("the draft was aborted"))


_real_body = EntryBodies.decision


def body_with_text(
    self: EntryBodies, turn: Turn, exchange: Exchange, decision: Decision, at: float
) -> dict[str, Any]:
    return _real_body(self, turn, exchange, decision, at) | {"excerpt": exchange.text[:20]}


_real_judgement_body = assistant.audit.entries.judgement_body


def rounded_body(judgement: Judgement) -> dict[str, Any]:
    body = _real_judgement_body(judgement)
    if "scores" in body:
        body["scores"] = {hazard: round(p) for hazard, p in body["scores"].items()}
        body["located"] = [[h, float(round(p)), *rest] for h, p, *rest in body.get("located", ())]
    return body


def unlogged(self: Record, exchange: Exchange, decision: Decision) -> None:
    event: Event = Judged(subject=exchange.subject, decision=decision, at=0.0)
    self._emit(event)


def failed_silently(_self: Record, _code: str) -> None:
    return None


async def not_durable(
    self: Orchestrator, course: Course, outcome: Outcome, lease: Lease | None
) -> None:
    with patch.object(self, "_log", _Hasty(self._log)):
        await _real_finish(self, course, outcome, lease)


class _Hasty:
    """Calls durable what is not."""

    def __init__(self, log: Any) -> None:
        self._log = log

    async def durable(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def seal_unlinked(**fields: Any) -> tuple[bytes, str]:
    return seal(**fields | {"prev": START})


def shared_session(self: InMemorySessionStore, key: SessionKey) -> Any:
    return _real_session(self, replace(key, tenant=""))


def error_quotes(self: Orchestrator, turn: Turn) -> Any:
    if not turn.message.text.strip() or turn.tools:
        raise EngineResponseError(f"cannot answer {turn.message.text!r}")
    return _real_checked(self, turn)


_real_checked = Orchestrator._checked
