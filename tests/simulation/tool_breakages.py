"""Ways to break how Corral runs tools, for `mutations.py`."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import plugins.calling
import plugins.judging
import plugins.running
from assistant.admission import Admission
from assistant.approval.asked import Approval, Asked
from assistant.audit.record import Record
from assistant.context import Context, assemble_context
from assistant.memory.protocol import Commit, Lease
from assistant.outcome import Outcome, blocked_outcome
from assistant.questions import Questions, Taken
from assistant.suspended import Suspended, decode_suspended
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import Turn
from guards.conversation import Message, Role
from plugins.access import Access
from plugins.approval import Grant, canonical
from plugins.caller import Caller
from plugins.calling import Calling
from plugins.effects import Effects
from plugins.journal import CallStep, Stage
from plugins.judging import Fit
from plugins.notes import Notes
from plugins.registry import Bound
from plugins.result import Result
from plugins.running import Trouble
from policies.admitted import Admitted, Denied
from policies.clause import GUARD_UNAVAILABLE
from policies.decision import Allow, Ask, Blocking, Decision, Refuse, Rewrite
from policies.placeholders import Placeholders
from tests.simulation.breakages import admit_unjudged

_real_admission = Admission.judge


async def admit_commands(
    self: Admission, turn: Turn, history: tuple[Message, ...], placeholders: Any, report: Any
) -> Admitted | Denied:
    judge = admit_unjudged if turn.message.text[:1] in ("/", "@") else _real_admission
    return await judge(self, turn, history, placeholders, report)


_real_decided = Calling._decided


async def unscanned_call_allowed(self: Calling, wanted: Any) -> Decision:
    decision = await _real_decided(self, wanted)
    if decision.basis.clause == GUARD_UNAVAILABLE:
        return Allow(basis=decision.basis)
    return decision


async def ask_is_allow(self: Calling, wanted: Any) -> Decision:
    decision = await _real_decided(self, wanted)
    return Allow(basis=decision.basis) if isinstance(decision, Ask) else decision


async def refusal_is_allow(self: Calling, wanted: Any) -> Decision:
    decision = await _real_decided(self, wanted)
    return Allow(basis=decision.basis) if isinstance(decision, Refuse) else decision


_real_run = plugins.running.run_limited


async def run_altered(
    bound: Bound, arguments: Mapping[str, Any], access: Access
) -> Result | Trouble:
    altered = {name: f"{value} and more" for name, value in arguments.items()}
    return await _real_run(bound, altered, access)


async def covers_anything(_self: Calling, _grant: Grant, _wanted: Any) -> bool:
    return True


def suspended_altered(data: bytes) -> Suspended:
    """What waits names other arguments than the person was shown."""
    suspended = decode_suspended(data)
    first, *rest = suspended.waiting.calls
    calls = (replace(first, arguments='{"what": "everything"}'), *rest)
    return replace(suspended, waiting=replace(suspended.waiting, calls=calls))


def never_expired(_self: Approval, _now: float) -> bool:
    return False


_real_ask = InMemoryApprovals.ask


_real_answer = InMemoryApprovals.answer


async def answer_without_the_word(
    self: InMemoryApprovals, *args: Any, word: object = None
) -> Approval:
    del word
    return await _real_answer(self, *args)


async def ask_for_one_message(
    self: InMemoryApprovals, asked: Asked, suspended: bytes, lease: Lease | None
) -> None:
    before = dict(self._of_turn)
    await _real_ask(self, asked, suspended, lease)
    self._of_turn = before | {(asked.key, asked.turn): asked.id}


_real_take = Questions.take


async def no_is_yes(self: Questions, approval: Approval) -> Taken | None:
    taken = await _real_take(self, approval)
    if taken is None:
        return None
    asked = approval.asked
    expires = self.clock.now() + 3600.0
    return replace(taken, grant=Grant(approval=asked.id, digest=asked.digest, expires=expires))


_real_fit = plugins.judging._fit


def unscanned_result_fits(
    message: Message, result: Result, decision: Decision, placeholders: Placeholders
) -> Fit | Blocking:
    if decision.basis.clause == GUARD_UNAVAILABLE:
        return Fit(message=message, result=result)
    return _real_fit(message, result, decision, placeholders)


def refused_result_fits(
    message: Message, result: Result, decision: Decision, placeholders: Placeholders
) -> Fit | Blocking:
    if isinstance(decision, Refuse):
        return Fit(message=message, result=result)
    return _real_fit(message, result, decision, placeholders)


def uncut_result_fits(
    message: Message, result: Result, decision: Decision, placeholders: Placeholders
) -> Fit | Blocking:
    if isinstance(decision, Rewrite):
        return Fit(message=message, result=result)
    return _real_fit(message, result, decision, placeholders)


async def note_unjudged(self: Notes, text: str) -> None:
    self.hear(text)


async def system_takes_trail(*args: Any, instructions: str, **kwargs: Any) -> Context:
    for message in kwargs["trail"]:
        if message.role is Role.TOOL:
            instructions += f"\n\nA tool said: {message.text}"
    return await assemble_context(*args, instructions=instructions, **kwargs)


def trail_remembered(*args: Any) -> Outcome:
    outcome = blocked_outcome(*args)
    return replace(outcome, blocked=False) if outcome.trail else outcome


_real_done = Effects.done
_real_end = Effects.end


async def nothing_done(_self: Effects, _key: str) -> None:
    return None


async def noted_anyway(self: Effects, ledger: Any, key: str) -> bool:
    await ledger.again(self.caller, key)
    await ledger.begin(self.caller, key)
    return True


async def always_certain(_self: Effects) -> bool:
    return False


async def not_noted(_self: Effects, _key: str, *, approval: str | None) -> bool:
    del approval
    return True


async def noted_at_the_end(
    self: Effects, key: str, result: Result | Trouble, *, approval: str | None
) -> None:
    if self.ledger is not None:
        await self.ledger.begin(self.caller, key)
    await _real_end(self, key, result, approval=approval)


async def never_spent(_self: Effects, _approval: str) -> bool:
    return False


_real_noted = Effects._noted


async def word_not_noted(self: Effects, ledger: Any, key: str) -> bool:
    return key.startswith("approval ") or await _real_noted(self, ledger, key)


def commit_without_also(**fields: Any) -> Commit:
    return Commit(**fields | {"also": None})


async def tool_not_ended(task: Any, _name: str) -> None:
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


_real_suspend = InMemorySessionStore.suspend


def suspend_locked(self: InMemorySessionStore, lease: Lease, question: str) -> None:
    _real_suspend(self, lease, question)
    self._session(lease.key)[0].holder = lease.token


class QuotingLogger:
    """Logs what went wrong in the words of the error."""

    def warning(self, form: str, *values: object) -> None:
        text = f"{form % values}: {sys.exc_info()[1]}"
        logging.getLogger("corral.plugins").warning(text)

    error = warning


_real_step = Calling._step


def step_with_arguments(self: Calling, wanted: Any, stage: Stage, **more: Any) -> None:
    _real_step(self, wanted, stage, **{"reason": canonical(wanted.arguments)} | more)


_real_stepped = Record.stepped


def start_unlogged(self: Record, step: CallStep) -> None:
    if step.stage is not Stage.STARTED:
        _real_stepped(self, step)


def end_unlogged(self: Record, step: CallStep) -> None:
    if step.stage is not Stage.FINISHED:
        _real_stepped(self, step)


async def effect_not_durable(_self: Record) -> None:
    return None


def caller_of_any_tenant(**fields: Any) -> Caller:
    return Caller(**fields | {"tenant": "", "session": ""})


_real_access = Calling._access


def access_of_any_tenant(self: Calling, wanted: Any, progress: Any) -> Access:
    access = _real_access(self, wanted, progress)
    store = self.desk.stores(wanted.bound.manifest.name, replace(self.caller, tenant=""))
    return replace(access, store=store)


def one_person(self: Calling, wanted: Any, progress: Any) -> Access:
    access = _real_access(self, wanted, progress)
    return replace(access, person=replace(access.person, pseudonym="somebody"))
