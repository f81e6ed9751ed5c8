"""Policy cases: what a policy is expected to decide, in YAML beside it, and running them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    BY_USER,
    Exchange,
    Message,
    Role,
    Subject,
    TextPart,
    ToolCall,
    text_message,
)
from guards.panel import PanelVerdict
from guards.verdict import Finding, Judgement, Span, Unscanned, Verdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.call import CallFacts
from policies.decision import (
    Approver,
    Ask,
    Decision,
    Escalate,
    Refuse,
    Rewrite,
    Steer,
    Support,
    decision_name,
)
from policies.placeholders import Placeholders
from policies.schema import FailureName, HazardName, Label, Slug, Strict, SubjectName, Words

Probability = Annotated[float, Field(ge=0, le=1)]


class FindingModel(Strict):
    """One thing a scripted guard reports."""

    hazard: HazardName = Field(description="What was found.")
    probability: Probability = Field(description="How likely it is, 0 to 1.")
    guard: Words | None = Field(default=None, description="Who found it; the first of `guards`.")
    at: Words | None = Field(
        default=None, description="The piece of the text it stands at, where guards mark places."
    )
    custom: Words | None = Field(default=None, description="A category of your own.")
    label: Label | None = Field(default=None, description="What exactly was found.")


class CallModel(Strict):
    """What is known of a tool call beside what guards find, as :class:`policies.call.CallFacts`."""

    plugin: Words | None = Field(default=None, description="None for a caller's own tool.")
    effect: Literal["none", "reversible", "irreversible", "unknown"] = Field(
        default="unknown", description="What the tool leaves behind."
    )
    egress: Literal["none", "named", "open", "unknown"] = Field(
        default="unknown", description="Where the arguments may end up."
    )
    influenced: bool = Field(default=False, description="Whether data may have shaped the call.")
    untrusted: list[Words] = Field(
        default=[], description="Arguments that neither user nor operator wrote."
    )
    targets: list[Words] = Field(default=[], description="Those that say where or to whom.")
    sends: Literal["public", "user", "tenant", "secret"] = Field(
        default="public", description="The highest class of data in the arguments."
    )
    arguments: dict[str, Any] = Field(default={}, description="The parsed arguments.")
    retried: bool = Field(default=False, description="Whether it may have been done before.")
    tenant: Words | None = Field(default=None, description="On whose behalf.")
    user: Words | None = Field(default=None, description="The tenant's user.")


class ExpectModel(Strict):
    """What must come out."""

    decision: Literal["allow", "ask", "rewrite", "steer", "support", "refuse", "escalate"] = Field(
        description="The decision."
    )
    clause: Slug | None = Field(
        default=None, description="The clause that decides; left out for plain allow."
    )
    says: list[Words] = Field(
        default=[], description="Pieces the text, guidance or replacement must hold."
    )
    becomes: str | None = Field(default=None, description="The text after a rewrite.")
    approver: Annotated[Approver, Field(strict=False)] | None = Field(
        default=None, description="Whose word an `ask` waits for."
    )
    degraded: bool = Field(default=False, description="Whether a guard was stood in for.")


class CaseModel(Strict):
    """One case."""

    id: Slug = Field(description="Names the case; clauses list it under `tests`.")
    text: Words = Field(description="What is judged.")
    subject: SubjectName = Field(default=Subject.USER_INPUT, description="What it is.")
    audience: Annotated[Audience, Field(strict=False)] = Field(
        default=Audience.GENERAL, description="Who it is for."
    )
    locale: Words = Field(default="en", description="The person's locale.")
    user_text: Words | None = Field(default=None, description="What the person had said before it.")
    tool: Words | None = Field(default=None, description="The tool called, on `tool_call`.")
    call: CallModel | None = Field(
        default=None, description="What else is known of the call; a caller's own when left out."
    )
    guards: list[Words] = Field(
        default=["guard"], description="Scripted guards that give a verdict."
    )
    findings: list[FindingModel] = Field(default=[], description="What they find.")
    rechecked: dict[Words, list[Words]] = Field(
        default={}, description="For a guard, those it asked about the text without its findings."
    )
    failures: dict[Words, FailureName] = Field(
        default={}, description="Guards that give no verdict, and why."
    )
    expect: ExpectModel = Field(description="What must come out.")


class CasesModel(Strict):
    """The file of cases."""

    cases: list[CaseModel] = Field(min_length=1, description="The cases.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """How one case went. ``problem`` is ``None`` when it passed."""

    id: str
    decision: str
    clause: str | None
    problem: str | None


def run_cases(policy: Policy, cases: Sequence[CaseModel]) -> tuple[CaseResult, ...]:
    """Decide every case with ``policy`` and compare."""
    return tuple(_run(policy, case) for case in cases)


def _run(policy: Policy, case: CaseModel) -> CaseResult:
    exchange = exchange_of(case)
    verdict, call = verdict_of(case), facts_of(case)
    decision = policy.decide(exchange, verdict, case.audience, case.locale, call)
    problems = list(_differences(case.expect, decision, exchange.text))
    return CaseResult(
        id=case.id,
        decision=decision_name(decision),
        clause=decision.basis.clause,
        problem="; ".join(problems) or None,
    )


def _differences(expect: ExpectModel, decision: Decision, text: str) -> Iterator[str]:
    name, clause = decision_name(decision), decision.basis.clause
    if (name, clause) != (expect.decision, expect.clause):
        wanted = f"{expect.decision} by {expect.clause}" if expect.clause else expect.decision
        yield f"expected {wanted}, got {f'{name} by {clause}' if clause else name}"
        return
    if decision.basis.degraded != expect.degraded:
        yield f"expected degraded to be {str(expect.degraded).lower()}"
    asked = decision.approver if isinstance(decision, Ask) else None
    if expect.approver not in (None, asked):
        yield f"expected the {expect.approver} to be asked, not {asked or 'nobody'}"
    match decision:
        case Ask(text=said) | Support(text=said) | Refuse(text=said) | Escalate(text=said):
            pass
        case Steer(guidance=said):
            pass
        case Rewrite():
            cuts = Placeholders().cuts(text, decision)
            said = "\n".join(cut.replacement for cut in cuts)
        case _:
            said = ""
    for piece in expect.says:
        if piece not in said:
            yield f'"{piece}" is not said'
    if expect.becomes is not None:
        became = rewritten(text, decision) if isinstance(decision, Rewrite) else None
        if became != expect.becomes:
            yield f"expected it to become {expect.becomes!r}, got {became!r}"


def rewritten(text: str, decision: Rewrite) -> str:
    """``text`` as ``decision`` would have it at the start of a session."""
    return Placeholders().rewritten(text, decision)


def exchange_of(case: CaseModel) -> Exchange:
    """What the case puts before the guards."""
    context: tuple[Message, ...] = ()
    if case.user_text is not None:
        context = (text_message(case.user_text, id="user"),)
    match case.subject:
        case Subject.USER_INPUT | Subject.IMAGE_PROMPT:
            role, provenance = Role.USER, BY_USER
        case Subject.TOOL_RESULT | Subject.DOCUMENT:
            role, provenance = Role.TOOL, BY_TOOL
        case Subject.REPLY | Subject.REPLY_SO_FAR | Subject.TOOL_CALL | Subject.IMAGE:
            role, provenance = Role.ASSISTANT, BY_MODEL
        case unreachable:
            assert_never(unreachable)
    calls = (ToolCall(id="call", name=case.tool, arguments=case.text),) if case.tool else ()
    message = Message(
        id="judged",
        role=role,
        parts=(TextPart(text=case.text),),
        provenance=provenance,
        tool_calls=calls,
    )
    return Exchange(subject=case.subject, message=message, context=context)


def facts_of(case: CaseModel) -> CallFacts | None:
    """What the case says is known of its call."""
    if case.call is None:
        return None
    known = case.call
    return CallFacts(
        tool=case.tool or "",
        plugin=known.plugin or "",
        effect=known.effect,
        egress=known.egress,
        influenced=known.influenced,
        untrusted=tuple(known.untrusted),
        targets=tuple(known.targets),
        sends=known.sends,
        arguments=known.arguments,
        retried=known.retried,
        tenant=known.tenant or "",
        user=known.user or "",
    )


def verdict_of(case: CaseModel) -> PanelVerdict:
    """What the case's scripted guards say."""
    judged: list[Judgement] = [
        Verdict(
            guard=guard,
            revision="scripted",
            findings=tuple(
                _finding(case, finding)
                for finding in case.findings
                if (finding.guard or case.guards[0]) == guard
            ),
            elapsed=0.0,
            rechecked_by=tuple(case.rechecked.get(guard, ())),
        )
        for guard in case.guards
    ]
    judged += [
        Unscanned(guard=guard, revision="scripted", reason=reason, detail="scripted", elapsed=0.0)
        for guard, reason in case.failures.items()
    ]
    return PanelVerdict(subject=case.subject, judgements=tuple(judged), elapsed=0.0)


def _finding(case: CaseModel, model: FindingModel) -> Finding:
    span = None
    if model.at is not None:
        start = case.text.index(model.at)
        span = Span(start=start, end=start + len(model.at))
    return Finding(
        hazard=model.hazard,
        probability=model.probability,
        span=span,
        custom=model.custom,
        label=model.label,
    )
