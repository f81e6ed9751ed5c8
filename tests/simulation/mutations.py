"""Ways to break Corral on purpose, one and more for each invariant, that the simulator must see.

Each takes one real part and leaves out, or does wrong, what keeps an invariant.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import assistant.audit.entries
import assistant.orchestrator
import assistant.questions
import assistant.reply
import assistant.rounds
import assistant.testing.decision_log
import guards.panel
import guards.stream
import plugins.calling
import plugins.judging
import plugins.running
from assistant.admission import Admission
from assistant.approval.asked import Approval
from assistant.audit.entries import EntryBodies
from assistant.audit.record import Record
from assistant.draft import Draft
from assistant.orchestrator import Orchestrator
from assistant.questions import Questions
from assistant.rounds import Rounds
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_store import InMemorySessionStore
from guards.panel import Panel
from plugins.calling import Calling
from plugins.effects import Effects
from plugins.notes import Notes
from tests.simulation import breakages, tool_breakages

Patches = Callable[[], list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One way to break one invariant."""

    invariant: str
    what: str
    patches: Patches
    start: int = 0
    """The first seed to simulate, where it takes many turns to be seen."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Corral is broken inside the block."""
        with ExitStack() as stack:
            for change in self.patches():
                stack.enter_context(change)
            yield


def _swap(target: object, name: str, new: object) -> Any:
    return patch.object(target, name, new)


MUTATIONS: dict[str, Mutation] = {
    "input-unjudged": Mutation(
        invariant="I1",
        what="release the draft without waiting for the input's verdict",
        patches=lambda: [_swap(Admission, "judge", breakages.admit_unjudged)],
    ),
    "past-trusted": Mutation(
        invariant="I1",
        what="take a caller's own past as judged",
        patches=lambda: [_swap(Admission, "judge", breakages.trust_the_past)],
    ),
    "cut-vetted": Mutation(
        invariant="I1",
        what="take a message as judged for good that was only allowed cut or steered",
        patches=lambda: [_swap(Admission, "judge", breakages.vet_what_was_changed)],
        start=10,
    ),
    "guidance-dropped": Mutation(
        invariant="I1",
        what="release the draft of a steered or cut message as it was begun",
        patches=lambda: [_swap(Admission, "judge", breakages.answer_unguided)],
    ),
    "command-unjudged": Mutation(
        invariant="I1",
        what="call the tool of a command without waiting for the message's verdict",
        patches=lambda: [_swap(Admission, "judge", tool_breakages.admit_commands)],
    ),
    "failure-is-no-finding": Mutation(
        invariant="I2",
        what="take a guard's failure for a verdict without findings",
        patches=lambda: [_swap(guards.panel, "judge_within", breakages.failure_is_no_finding)],
    ),
    "unscanned-call-allowed": Mutation(
        invariant="I2",
        what="run a tool though no guard could judge its call",
        patches=lambda: [_swap(Calling, "_decided", tool_breakages.unscanned_call_allowed)],
    ),
    "unscanned-result-read": Mutation(
        invariant="I2",
        what="let the model read a result that no guard could judge",
        patches=lambda: [_swap(plugins.judging, "_fit", tool_breakages.unscanned_result_fits)],
    ),
    "last-segment-unjudged": Mutation(
        invariant="I3",
        what="release the end of a reply without judging it",
        patches=lambda: [_swap(guards.stream, "_ruling", breakages.last_unjudged)],
    ),
    "reply-uncut": Mutation(
        invariant="I3",
        what="show what the policy wants cut out of a reply",
        patches=lambda: [_swap(guards.stream, "redact", breakages.uncut)],
        start=70,
    ),
    "context-dropped": Mutation(
        invariant="I3",
        what="judge a reply without the conversation it answers",
        patches=lambda: [_swap(assistant.reply, "Exchange", breakages.without_context)],
    ),
    "one-guard-asked": Mutation(
        invariant="I3",
        what="ask only the first of the guards that are required for a reply",
        patches=lambda: [_swap(Panel, "judge", breakages.first_seat_only)],
    ),
    "progress-unjudged": Mutation(
        invariant="I3",
        what="tell what a tool says that it is doing without judging it",
        patches=lambda: [_swap(Notes, "_judged", tool_breakages.note_unjudged)],
    ),
    "call-altered": Mutation(
        invariant="I4",
        what="hand out other arguments than were decided",
        patches=lambda: [_swap(assistant.rounds, "ToolCallReleased", breakages.call_altered)],
    ),
    "calls-undecided": Mutation(
        invariant="I4",
        what="hand tool calls out as the model wrote them",
        patches=lambda: [_swap(Rounds, "_handed_over", breakages.calls_undecided)],
    ),
    "ask-is-allow": Mutation(
        invariant="I4",
        what="take a question to a person for a yes",
        patches=lambda: [_swap(Calling, "_decided", tool_breakages.ask_is_allow)],
    ),
    "refusal-is-allow": Mutation(
        invariant="I4",
        what="run a tool whose call the policy refused",
        patches=lambda: [_swap(Calling, "_decided", tool_breakages.refusal_is_allow)],
    ),
    "arguments-altered": Mutation(
        invariant="I4",
        what="run a tool with other arguments than were decided",
        patches=lambda: [_swap(plugins.calling, "run_limited", tool_breakages.run_altered)],
    ),
    "any-arguments-granted": Mutation(
        invariant="I4",
        what="take a yes to one call for a yes to another",
        patches=lambda: [
            _swap(Calling, "_covers", tool_breakages.covers_anything),
            _swap(assistant.questions, "decode_suspended", tool_breakages.suspended_altered),
        ],
    ),
    "late-word-counts": Mutation(
        invariant="I4",
        what="take a yes that comes too late",
        patches=lambda: [_swap(Approval, "expired", tool_breakages.never_expired)],
        start=275,
    ),
    "no-is-yes": Mutation(
        invariant="I4",
        what="run a tool though the person said no",
        patches=lambda: [_swap(Questions, "take", tool_breakages.no_is_yes)],
    ),
    "yes-repeated": Mutation(
        invariant="I4",
        what="take a yes that comes again for the answer to the next question",
        patches=lambda: [
            _swap(InMemoryApprovals, "ask", tool_breakages.ask_for_one_message),
            _swap(InMemoryApprovals, "answer", tool_breakages.answer_without_the_word),
        ],
        start=560,
    ),
    "result-in-system": Mutation(
        invariant="I5",
        what="put a tool's result into the system message",
        patches=lambda: [
            _swap(assistant.rounds, "assemble_context", breakages.system_takes_results)
        ],
    ),
    "poison-read": Mutation(
        invariant="I5",
        what="let the model read a result that the policy refused",
        patches=lambda: [_swap(plugins.judging, "_fit", tool_breakages.refused_result_fits)],
        start=20,
    ),
    "result-uncut": Mutation(
        invariant="I5",
        what="let the model read a result that was to be cut as it came",
        patches=lambda: [_swap(plugins.judging, "_fit", tool_breakages.uncut_result_fits)],
        start=30,
    ),
    "trail-in-system": Mutation(
        invariant="I5",
        what="put what Corral's own tools gave into the system message",
        patches=lambda: [
            _swap(assistant.rounds, "assemble_context", tool_breakages.system_takes_trail)
        ],
    ),
    "blocked-remembered": Mutation(
        invariant="I6",
        what="remember a blocked turn like any other",
        patches=lambda: [
            _swap(assistant.orchestrator, "blocked_outcome", breakages.nothing_blocked),
            _swap(assistant.rounds, "blocked_outcome", breakages.nothing_blocked),
        ],
    ),
    "quarantine-read": Mutation(
        invariant="I6",
        what="hand the quarantine to the next turn as part of the past",
        patches=lambda: [_swap(InMemorySessionStore, "open", breakages.open_with_quarantine)],
    ),
    "trail-remembered": Mutation(
        invariant="I6",
        what="remember a blocked turn if tools were called in it",
        patches=lambda: [
            _swap(assistant.rounds, "blocked_outcome", tool_breakages.trail_remembered)
        ],
        start=40,
    ),
    "no-lock": Mutation(
        invariant="I7",
        what="open a session while another turn of it runs",
        patches=lambda: [_swap(InMemorySessionStore, "open", breakages.open_at_once)],
    ),
    "no-fence": Mutation(
        invariant="I7",
        what="let a turn commit that lost its lease",
        patches=lambda: [_swap(InMemorySessionStore, "_held", breakages.held_by_anyone)],
        start=235,
    ),
    "answers-forgotten": Mutation(
        invariant="I7",
        what="answer a repeated delivery anew",
        patches=lambda: [_swap(InMemorySessionStore, "open", breakages.open_forgetful)],
    ),
    "calls-not-repeated": Mutation(
        invariant="I7",
        what="repeat an answer without its tool calls",
        patches=lambda: [_swap(assistant.orchestrator, "_replay", breakages.replay_without_calls)],
    ),
    "commit-forgotten": Mutation(
        invariant="I7",
        what="acknowledge a commit and keep nothing",
        patches=lambda: [_swap(InMemorySessionStore, "commit", breakages.commit_nothing)],
    ),
    "finished-too-soon": Mutation(
        invariant="I7",
        what="tell the client of the end before the turn is remembered",
        patches=lambda: [_swap(Orchestrator, "_finish", breakages.finish_unheard)],
    ),
    "done-again": Mutation(
        invariant="I7",
        what="do a side effect again when its turn is taken up",
        patches=lambda: [
            _swap(Effects, "done", tool_breakages.nothing_done),
            _swap(Effects, "_noted", tool_breakages.noted_anyway),
        ],
    ),
    "repeated-unasked": Mutation(
        invariant="I7",
        what="do again what may have happened without asking anybody",
        patches=lambda: [
            _swap(Effects, "uncertain", tool_breakages.always_certain),
            _swap(Effects, "_noted", tool_breakages.noted_anyway),
        ],
        start=40,
    ),
    "noted-afterwards": Mutation(
        invariant="I7",
        what="note a side effect when it is over",
        patches=lambda: [
            _swap(Effects, "begin", tool_breakages.not_noted),
            _swap(Effects, "end", tool_breakages.noted_at_the_end),
        ],
    ),
    "word-good-twice": Mutation(
        invariant="I7",
        what="act on one yes more than once",
        patches=lambda: [
            _swap(Effects, "spent", tool_breakages.never_spent),
            _swap(Effects, "_noted", tool_breakages.word_not_noted),
        ],
    ),
    "word-answers-one": Mutation(
        invariant="I7",
        what="remember the answer for the message that said yes and not for the one that asked",
        patches=lambda: [
            _swap(assistant.orchestrator, "Commit", tool_breakages.commit_without_also)
        ],
        start=45,
    ),
    "draft-not-aborted": Mutation(
        invariant="I8",
        what="let the engine go on with what nobody will read",
        patches=lambda: [_swap(Draft, "abort", breakages.no_abort)],
    ),
    "lease-kept": Mutation(
        invariant="I8",
        what="keep a session locked after its turn was broken off",
        patches=lambda: [_swap(InMemorySessionStore, "release", breakages.release_nothing)],
    ),
    "tool-left-running": Mutation(
        invariant="I8",
        what="leave a tool running when its turn is broken off",
        patches=lambda: [_swap(plugins.running, "_end", tool_breakages.tool_not_ended)],
    ),
    "question-keeps-lock": Mutation(
        invariant="I8",
        what="keep a session locked while its turn waits for a person",
        patches=lambda: [_swap(InMemorySessionStore, "suspend", tool_breakages.suspend_locked)],
    ),
    "text-logged": Mutation(
        invariant="I9",
        what="log the first words of what was judged",
        patches=lambda: [_swap(EntryBodies, "decision", breakages.body_with_text)],
    ),
    "error-quotes": Mutation(
        invariant="I9",
        what="quote the message in an error",
        patches=lambda: [_swap(Orchestrator, "_checked", breakages.error_quotes)],
    ),
    "arguments-logged": Mutation(
        invariant="I9",
        what="log the arguments of a tool call",
        patches=lambda: [_swap(Calling, "_step", tool_breakages.step_with_arguments)],
    ),
    "tool-error-quoted": Mutation(
        invariant="I9",
        what="log a tool's error in its own words",
        patches=lambda: [_swap(plugins.running, "logger", tool_breakages.QuotingLogger())],
        start=105,
    ),
    "released-unlogged": Mutation(
        invariant="I10",
        what="let a decision take effect that was not logged",
        patches=lambda: [_swap(Record, "decided", breakages.unlogged)],
    ),
    "scores-rounded": Mutation(
        invariant="I10",
        what="log rounded scores",
        patches=lambda: [_swap(assistant.audit.entries, "judgement_body", breakages.rounded_body)],
    ),
    "chain-unlinked": Mutation(
        invariant="I10",
        what="seal entries that do not name the one before",
        patches=lambda: [_swap(assistant.testing.decision_log, "seal", breakages.seal_unlinked)],
    ),
    "end-unlogged": Mutation(
        invariant="I10",
        what="leave no entry of a turn that failed",
        patches=lambda: [_swap(Record, "failed", breakages.failed_silently)],
    ),
    "log-not-durable": Mutation(
        invariant="I10",
        what="remember an answer before its log entry is safe from a loss of power",
        patches=lambda: [_swap(Orchestrator, "_finish", breakages.not_durable)],
    ),
    "start-unlogged": Mutation(
        invariant="I10",
        what="run a tool whose start is not logged",
        patches=lambda: [_swap(Record, "stepped", tool_breakages.start_unlogged)],
    ),
    "tool-end-unlogged": Mutation(
        invariant="I10",
        what="leave no entry of how a tool ended",
        patches=lambda: [_swap(Record, "stepped", tool_breakages.end_unlogged)],
    ),
    "effect-not-durable": Mutation(
        invariant="I10",
        what="start a side effect before its log entry is safe from a loss of power",
        patches=lambda: [_swap(Record, "durable", tool_breakages.effect_not_durable)],
    ),
    "tenants-share": Mutation(
        invariant="I11",
        what="leave the tenant out of a session's key",
        patches=lambda: [_swap(InMemorySessionStore, "_session", breakages.shared_session)],
        start=20,
    ),
    "ledger-shared": Mutation(
        invariant="I11",
        what="leave tenant and session out of whose side effects are noted",
        patches=lambda: [
            _swap(assistant.orchestrator, "Caller", tool_breakages.caller_of_any_tenant)
        ],
    ),
    "plugin-values-shared": Mutation(
        invariant="I11",
        what="leave the tenant out of what a plugin keeps for a user",
        patches=lambda: [_swap(Calling, "_access", tool_breakages.access_of_any_tenant)],
        start=40,
    ),
    "one-person": Mutation(
        invariant="I11",
        what="be the same person for tools whoever it is",
        patches=lambda: [_swap(Calling, "_access", tool_breakages.one_person)],
        start=10,
    ),
}
