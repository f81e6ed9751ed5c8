"""Ways to break Corral on purpose, one and more for each invariant, that the simulator must see.

Each takes one real part and leaves out, or does wrong, what keeps an invariant.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import assistant.audit.entries
import assistant.orchestrator
import assistant.reply
import assistant.testing.decision_log
import guards.panel
import guards.stream
from assistant.admission import Admission, Admitted, Denied
from assistant.audit.chain import START, seal
from assistant.audit.entries import EntryBodies
from assistant.audit.record import Record
from assistant.context import Context, assemble_context
from assistant.draft import Draft
from assistant.errors import EngineResponseError
from assistant.events import Event, Judged
from assistant.memory.protocol import Answer, Commit, Lease, Opened
from assistant.orchestrator import Orchestrator
from assistant.reply import Course, Outcome, ReplyGate, blocked_outcome
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey, Turn
from assistant.vetted import digests
from guards.conversation import Exchange, Message, Role, Subject, ToolCall
from guards.panel import Panel, PanelVerdict, Seat, judge_within
from guards.stream import Release, Ruling
from guards.verdict import Judgement, Unscanned, Verdict
from policies.decision import Allow, Basis, Blocking, Decision

Patches = Callable[[], list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One way to break one invariant."""

    invariant: str
    what: str
    patches: Patches

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Corral is broken inside the block."""
        with ExitStack() as stack:
            for change in self.patches():
                stack.enter_context(change)
            yield


def _allow(subject: Subject) -> Allow:
    verdict = PanelVerdict(subject=subject, judgements=(), elapsed=0.0)
    return Allow(basis=Basis(clause=None, policy="", digest="", verdict=verdict))


async def _admit_unjudged(
    _self: Admission, turn: Turn, history: tuple[Message, ...], _report: Any
) -> Admitted:
    return Admitted(
        history=history,
        message=turn.message,
        guidance=(),
        decision=_allow(Subject.USER_INPUT),
        changed=False,
    )


_judge_input = Admission.judge


async def _trust_the_past(
    self: Admission, turn: Turn, history: tuple[Message, ...], report: Any
) -> Admitted | Denied:
    return await _judge_input(self, replace(turn, remembered=True), history, report)


async def _answer_unguided(
    self: Admission, turn: Turn, history: tuple[Message, ...], report: Any
) -> Admitted | Denied:
    admission = await _judge_input(self, turn, history, report)
    return replace(admission, changed=False) if isinstance(admission, Admitted) else admission


async def _vet_what_was_changed(
    self: Admission, turn: Turn, history: tuple[Message, ...], report: Any
) -> Admitted | Denied:
    admission = await _judge_input(self, turn, history, report)
    if isinstance(admission, Admitted) and not turn.remembered:
        for digest in digests(turn, (*turn.history, turn.message)):
            self._vetted.add(digest)
    return admission


async def _failure_is_no_finding(seat: Seat, exchange: Exchange) -> Judgement:
    judgement = await judge_within(seat, exchange)
    if isinstance(judgement, Unscanned):
        name, revision = judgement.guard, judgement.revision
        return Verdict(guard=name, revision=revision, findings=(), elapsed=judgement.elapsed)
    return judgement


async def _last_unjudged(
    judge: Callable[[str, bool], Awaitable[Ruling[Any]]], text: str, whole: bool
) -> Ruling[Any]:
    return Release() if whole else await judge(text, whole)


def _uncut(text: str, _spans: Any, _replacement: str, *, start: int = 0) -> str:
    return text[start:]


def _without_context(**fields: Any) -> Exchange:
    return Exchange(**fields | {"context": ()})


_all_seats = Panel.judge


async def _first_seat_only(self: Panel, exchange: Exchange) -> PanelVerdict:
    if exchange.subject is Subject.USER_INPUT:
        return await _all_seats(self, exchange)
    with patch.dict(self._seats, {exchange.subject: self._seats[exchange.subject][:1]}):
        return await _all_seats(self, exchange)


_decided_calls = ReplyGate._calls


async def _calls_altered(
    self: ReplyGate, course: Course, past: tuple[Message, ...], draft: Draft
) -> tuple[ToolCall, ...] | Blocking:
    calls = await _decided_calls(self, course, past, draft)
    if not isinstance(calls, tuple):
        return calls
    return tuple(replace(call, arguments=call.arguments.replace("za", "zb")) for call in calls)


async def _calls_undecided(
    _self: ReplyGate, _course: Course, _past: tuple[Message, ...], draft: Draft
) -> tuple[ToolCall, ...]:
    return draft.calls


async def _system_takes_results(*args: Any, instructions: str, **kwargs: Any) -> Context:
    message: Message = kwargs["message"]
    if message.role is Role.TOOL:
        instructions += f"\n\nThe tool said: {message.text}"
    return await assemble_context(*args, instructions=instructions, **kwargs)


def _nothing_blocked(*args: Any) -> Outcome:
    return replace(blocked_outcome(*args), blocked=False)


_open = InMemorySessionStore.open
_held = InMemorySessionStore._held
_session = InMemorySessionStore._session


async def _open_at_once(self: InMemorySessionStore, key: SessionKey, turn: str) -> Any:
    self._session(key)[0].holder = None
    return await _open(self, key, turn)


async def _open_with_quarantine(self: InMemorySessionStore, key: SessionKey, turn: str) -> Any:
    opened = await _open(self, key, turn)
    if isinstance(opened, Opened):
        return replace(opened, history=(*await self.quarantined(key), *opened.history))
    return opened


async def _release_nothing(_self: InMemorySessionStore, _lease: Lease) -> None:
    return None


async def _open_forgetful(self: InMemorySessionStore, key: SessionKey, turn: str) -> Any:
    self._session(key)[0].answers.pop(turn, None)
    return await _open(self, key, turn)


def _held_by_anyone(self: InMemorySessionStore, lease: Lease) -> Any:
    return self._session(lease.key)


_replay = assistant.orchestrator._replay


def _replay_without_calls(course: Course, answer: Answer) -> None:
    _replay(course, replace(answer, calls=()))


async def _commit_nothing(_self: InMemorySessionStore, _lease: Lease, _commit: Commit) -> None:
    return None


async def _finish_unheard(
    self: Orchestrator, course: Course, outcome: Outcome, lease: Lease | None
) -> None:
    """Say that the turn is over before it is remembered."""
    with patch.object(self, "_store", _Late(self._store)):
        await _finish(self, course, outcome, lease)


_finish = Orchestrator._finish


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


async def _no_abort(self: Draft) -> None:
    self.buffer.close(EngineResponseError("the draft was aborted"))


_body = EntryBodies.decision


def _body_with_text(
    self: EntryBodies, turn: Turn, exchange: Exchange, decision: Decision, at: float
) -> dict[str, Any]:
    return _body(self, turn, exchange, decision, at) | {"excerpt": exchange.text[:20]}


_judgement_body = assistant.audit.entries.judgement_body


def _rounded_body(judgement: Judgement) -> dict[str, Any]:
    body = _judgement_body(judgement)
    if "scores" in body:
        body["scores"] = {hazard: round(p) for hazard, p in body["scores"].items()}
        body["located"] = [[h, float(round(p)), *rest] for h, p, *rest in body.get("located", ())]
    return body


def _unlogged(self: Record, exchange: Exchange, decision: Decision) -> None:
    event: Event = Judged(subject=exchange.subject, decision=decision, at=0.0)
    self._emit(event)


async def _not_durable(
    self: Orchestrator, course: Course, outcome: Outcome, lease: Lease | None
) -> None:
    with patch.object(self, "_log", _Hasty(self._log)):
        await _finish(self, course, outcome, lease)


class _Hasty:
    """Calls durable what is not."""

    def __init__(self, log: Any) -> None:
        self._log = log

    async def durable(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def _seal_unlinked(**fields: Any) -> tuple[bytes, str]:
    return seal(**fields | {"prev": START})


def _shared_session(self: InMemorySessionStore, key: SessionKey) -> Any:
    return _session(self, replace(key, tenant=""))


def _error_quotes(self: Orchestrator, turn: Turn) -> Any:
    if not turn.message.text.strip() or turn.tools:
        raise EngineResponseError(f"cannot answer {turn.message.text!r}")
    return _checked(self, turn)


_checked = Orchestrator._checked


def _swap(target: object, name: str, new: object) -> Any:
    return patch.object(target, name, new)


MUTATIONS: dict[str, Mutation] = {
    "input-unjudged": Mutation(
        invariant="I1",
        what="release the draft without waiting for the input's verdict",
        patches=lambda: [_swap(Admission, "judge", _admit_unjudged)],
    ),
    "past-trusted": Mutation(
        invariant="I1",
        what="take a caller's own past as judged",
        patches=lambda: [_swap(Admission, "judge", _trust_the_past)],
    ),
    "cut-vetted": Mutation(
        invariant="I1",
        what="take a message as judged for good that was only allowed cut or steered",
        patches=lambda: [_swap(Admission, "judge", _vet_what_was_changed)],
    ),
    "guidance-dropped": Mutation(
        invariant="I1",
        what="release the draft of a steered or cut message as it was begun",
        patches=lambda: [_swap(Admission, "judge", _answer_unguided)],
    ),
    "failure-is-no-finding": Mutation(
        invariant="I2",
        what="take a guard's failure for a verdict without findings",
        patches=lambda: [_swap(guards.panel, "judge_within", _failure_is_no_finding)],
    ),
    "last-segment-unjudged": Mutation(
        invariant="I3",
        what="release the end of a reply without judging it",
        patches=lambda: [_swap(guards.stream, "_ruling", _last_unjudged)],
    ),
    "reply-uncut": Mutation(
        invariant="I3",
        what="show what the policy wants cut out of a reply",
        patches=lambda: [_swap(guards.stream, "redact", _uncut)],
    ),
    "context-dropped": Mutation(
        invariant="I3",
        what="judge a reply without the conversation it answers",
        patches=lambda: [_swap(assistant.reply, "Exchange", _without_context)],
    ),
    "one-guard-asked": Mutation(
        invariant="I3",
        what="ask only the first of the guards that are required for a reply",
        patches=lambda: [_swap(Panel, "judge", _first_seat_only)],
    ),
    "call-altered": Mutation(
        invariant="I4",
        what="hand out other arguments than were decided",
        patches=lambda: [_swap(ReplyGate, "_calls", _calls_altered)],
    ),
    "calls-undecided": Mutation(
        invariant="I4",
        what="hand tool calls out as the model wrote them",
        patches=lambda: [_swap(ReplyGate, "_calls", _calls_undecided)],
    ),
    "result-in-system": Mutation(
        invariant="I5",
        what="put a tool's result into the system message",
        patches=lambda: [_swap(assistant.orchestrator, "assemble_context", _system_takes_results)],
    ),
    "blocked-remembered": Mutation(
        invariant="I6",
        what="remember a blocked turn like any other",
        patches=lambda: [
            _swap(assistant.orchestrator, "blocked_outcome", _nothing_blocked),
            _swap(assistant.reply, "blocked_outcome", _nothing_blocked),
        ],
    ),
    "quarantine-read": Mutation(
        invariant="I6",
        what="hand the quarantine to the next turn as part of the past",
        patches=lambda: [_swap(InMemorySessionStore, "open", _open_with_quarantine)],
    ),
    "no-lock": Mutation(
        invariant="I7",
        what="open a session while another turn of it runs",
        patches=lambda: [_swap(InMemorySessionStore, "open", _open_at_once)],
    ),
    "no-fence": Mutation(
        invariant="I7",
        what="let a turn commit that lost its lease",
        patches=lambda: [_swap(InMemorySessionStore, "_held", _held_by_anyone)],
    ),
    "answers-forgotten": Mutation(
        invariant="I7",
        what="answer a repeated delivery anew",
        patches=lambda: [_swap(InMemorySessionStore, "open", _open_forgetful)],
    ),
    "calls-not-repeated": Mutation(
        invariant="I7",
        what="repeat an answer without its tool calls",
        patches=lambda: [_swap(assistant.orchestrator, "_replay", _replay_without_calls)],
    ),
    "commit-forgotten": Mutation(
        invariant="I7",
        what="acknowledge a commit and keep nothing",
        patches=lambda: [_swap(InMemorySessionStore, "commit", _commit_nothing)],
    ),
    "finished-too-soon": Mutation(
        invariant="I7",
        what="tell the client of the end before the turn is remembered",
        patches=lambda: [_swap(Orchestrator, "_finish", _finish_unheard)],
    ),
    "draft-not-aborted": Mutation(
        invariant="I8",
        what="let the engine go on with what nobody will read",
        patches=lambda: [_swap(Draft, "abort", _no_abort)],
    ),
    "lease-kept": Mutation(
        invariant="I8",
        what="keep a session locked after its turn was broken off",
        patches=lambda: [_swap(InMemorySessionStore, "release", _release_nothing)],
    ),
    "text-logged": Mutation(
        invariant="I9",
        what="log the first words of what was judged",
        patches=lambda: [_swap(EntryBodies, "decision", _body_with_text)],
    ),
    "error-quotes": Mutation(
        invariant="I9",
        what="quote the message in an error",
        patches=lambda: [_swap(Orchestrator, "_checked", _error_quotes)],
    ),
    "released-unlogged": Mutation(
        invariant="I10",
        what="let a decision take effect that was not logged",
        patches=lambda: [_swap(Record, "decided", _unlogged)],
    ),
    "scores-rounded": Mutation(
        invariant="I10",
        what="log rounded scores",
        patches=lambda: [_swap(assistant.audit.entries, "judgement_body", _rounded_body)],
    ),
    "chain-unlinked": Mutation(
        invariant="I10",
        what="seal entries that do not name the one before",
        patches=lambda: [_swap(assistant.testing.decision_log, "seal", _seal_unlinked)],
    ),
    "log-not-durable": Mutation(
        invariant="I10",
        what="remember an answer before its log entry is safe from a loss of power",
        patches=lambda: [_swap(Orchestrator, "_finish", _not_durable)],
    ),
    "tenants-share": Mutation(
        invariant="I11",
        what="leave the tenant out of a session's key",
        patches=lambda: [_swap(InMemorySessionStore, "_session", _shared_session)],
    ),
}
