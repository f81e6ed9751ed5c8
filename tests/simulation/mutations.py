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
import assistant.reply
import assistant.rounds
import assistant.testing.decision_log
import guards.panel
import guards.stream
from assistant.admission import Admission
from assistant.audit.entries import EntryBodies
from assistant.audit.record import Record
from assistant.draft import Draft
from assistant.orchestrator import Orchestrator
from assistant.rounds import Rounds
from assistant.testing.memory_store import InMemorySessionStore
from guards.panel import Panel
from tests.simulation import breakages

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
    ),
    "guidance-dropped": Mutation(
        invariant="I1",
        what="release the draft of a steered or cut message as it was begun",
        patches=lambda: [_swap(Admission, "judge", breakages.answer_unguided)],
    ),
    "failure-is-no-finding": Mutation(
        invariant="I2",
        what="take a guard's failure for a verdict without findings",
        patches=lambda: [_swap(guards.panel, "judge_within", breakages.failure_is_no_finding)],
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
    "result-in-system": Mutation(
        invariant="I5",
        what="put a tool's result into the system message",
        patches=lambda: [
            _swap(assistant.rounds, "assemble_context", breakages.system_takes_results)
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
    "no-lock": Mutation(
        invariant="I7",
        what="open a session while another turn of it runs",
        patches=lambda: [_swap(InMemorySessionStore, "open", breakages.open_at_once)],
    ),
    "no-fence": Mutation(
        invariant="I7",
        what="let a turn commit that lost its lease",
        patches=lambda: [_swap(InMemorySessionStore, "_held", breakages.held_by_anyone)],
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
    "tenants-share": Mutation(
        invariant="I11",
        what="leave the tenant out of a session's key",
        patches=lambda: [_swap(InMemorySessionStore, "_session", breakages.shared_session)],
    ),
}
