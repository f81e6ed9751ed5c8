"""Decides once more what a log entry says was decided (I10)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from assistant.audit.chain import Entry
from assistant.audit.entries import verdict_of
from guards.conversation import BY_USER, Exchange, Message, Role, Subject, TextPart, ToolCall
from policies.audience import Audience
from policies.bundle import Policy
from policies.clause import Clause, Rules
from policies.conditions import ASKED, CALL, MENTIONS, Condition
from policies.decide import CONDITION_FAILED, decide
from policies.decision import decision_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """The policy decides the same today.

    ``as_logged`` says that conditions on what the log does not keep were taken to have said what
    the entry says they did.
    """

    as_logged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Different:
    """The policy decides otherwise than the entry says, so one of them is not what it was."""

    decision: str
    clause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReplayable:
    """The entry does not hold what deciding it again would need."""

    reason: str


Replay = Same | Different | NotReplayable


def replay(entry: Entry, policy: Policy) -> Replay:
    """Decide ``entry`` again under ``policy``, from the verdict it holds."""
    body = entry.body
    if entry.kind != "decision":
        return NotReplayable(reason=f"an entry of kind {entry.kind} decides nothing")
    if body.get("digest") != policy.digest:
        return NotReplayable(
            reason=f"it was decided by {body.get('policy')} of digest {body.get('digest')}, "
            f"and this is {policy.label} of digest {policy.digest}"
        )
    try:
        return _decided_again(body, policy.rules)
    except (KeyError, TypeError, ValueError):
        return NotReplayable(reason="it was written by a Corral that says other things")


def _decided_again(body: Mapping[str, Any], rules: Rules) -> Replay:
    subject, audience = Subject(body["subject"]), Audience(body["audience"])
    table = rules.tables.get((subject, audience))
    unknown = {
        clause.id
        for clause in (table.clauses if table is not None else ())
        if _asks_for_missing_words(clause, subject, kept="retained" in body)
    }
    if unknown and CONDITION_FAILED in (body["reason"] or ""):
        return NotReplayable(reason="a condition failed, on what the log does not keep")
    if table is not None and unknown:
        known = replace(
            table,
            clauses=_answered(table.clauses, unknown, body["applied"]),
            conditional=_answered(table.conditional, unknown, body["applied"]),
        )
        rules = replace(rules, tables={**rules.tables, (subject, audience): known})
    decision = decide(rules, _exchange(body, subject), verdict_of(body), audience, body["locale"])
    name, clause = decision_name(decision), decision.basis.clause
    if (name, clause) != (body["decision"], body["clause"]):
        return Different(decision=name, clause=clause)
    return Same(as_logged=bool(unknown))


def _exchange(body: Mapping[str, Any], subject: Subject) -> Exchange:
    calls = (ToolCall(id="", name=body["tool"], arguments=""),) if "tool" in body else ()
    return Exchange(
        subject=subject,
        message=Message(
            id="",
            # No clause can ask for the role or the origin of what is judged.
            role=Role.USER,
            provenance=BY_USER,
            parts=(TextPart(text=body.get("retained", "")),),
            tool_calls=calls,
        ),
    )


def _asks_for_missing_words(clause: Clause, subject: Subject, *, kept: bool) -> bool:
    for need in clause.condition.needs if clause.condition is not None else ():
        if need == "text" or need.startswith(MENTIONS):
            missing = not kept
        elif need == "user_text" or need.startswith(ASKED):
            # Of what came before the judged text, nothing is ever kept.
            missing = not kept or subject is not Subject.USER_INPUT
        elif need.startswith(CALL):
            # Of a call nothing is kept but the tool's name: arguments are a person's words.
            missing = subject is Subject.TOOL_CALL
        else:
            missing = False
        if missing:
            return True
    return False


def _answered(
    clauses: Collection[Clause], unknown: Collection[str], applied: Collection[str]
) -> tuple[Clause, ...]:
    """``clauses`` with each condition that asks for missing words saying what it said then."""
    return tuple(
        replace(clause, condition=_Said.condition(clause.id in applied))
        if clause.id in unknown
        else clause
        for clause in clauses
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """In place of a compiled expression: the answer it gave when the entry was written."""

    answer: bool

    @classmethod
    def condition(cls, answer: bool) -> Condition:
        return Condition(expression=str(answer).lower(), needs=(), program=cls(answer))

    def eval(self, data: Mapping[str, Any]) -> Self:
        del data  # a compiled expression would read its variables from it
        return self

    def value(self) -> bool:
        return self.answer
