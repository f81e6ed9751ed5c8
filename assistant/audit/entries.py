"""What the decision log says about a turn: bodies made of domain objects, and read back."""

from collections.abc import Mapping
from typing import Any

from assistant.audit.pseudonyms import Pseudonyms
from assistant.events import Usage
from assistant.turn import Turn
from guards.conversation import Exchange, ImagePart, Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict
from plugins.journal import CallStep
from policies.decision import Decision, Escalate, Refuse, Support, decision_name
from policies.schema import Retention


class EntryBodies:
    """Builds bodies for :meth:`DecisionLog.append`.

    Ids and judged texts appear as keyed digests. The judged text itself is in a body only when
    the policy's ``retention`` says so (I9).
    """

    def __init__(self, *, pseudonyms: Pseudonyms, retention: Retention) -> None:
        self._pseudonyms = pseudonyms
        self._retention = retention

    def decision(
        self, turn: Turn, exchange: Exchange, decision: Decision, at: float
    ) -> dict[str, Any]:
        """One decision and all it rests on; ``at`` is seconds since the turn began.

        Probabilities stand unrounded: a rounded one could cross a threshold in a replay.
        """
        basis = decision.basis
        message = exchange.message
        body = self._ids(turn) | {
            "at": round(at, 6),
            "subject": exchange.subject,
            "audience": turn.audience,
            "locale": turn.locale,
            "decision": decision_name(decision),
            "clause": basis.clause,
            "policy": basis.policy,
            "digest": basis.digest,
            "degraded": basis.degraded,
            "reason": basis.reason,
            "applied": basis.applied,
            "judged_subject": basis.verdict.subject,
            "elapsed_ms": _milliseconds(basis.verdict.elapsed),
            "judgements": [judgement_body(judgement) for judgement in basis.verdict.judgements],
            "text": {
                "digest": self._pseudonyms.of("text", exchange.text),
                "length": len(exchange.text),
            },
        }
        images = [part.url for part in message.parts if isinstance(part, ImagePart)]
        if images:
            body["images"] = [self._pseudonyms.of("image", url) for url in images]
        if message.tool_calls:
            body["tool"] = message.tool_calls[0].name
        if self._keeps(decision):
            body["retained"] = exchange.text
        return body

    def turn(
        self, turn: Turn, decision: Decision, reason: str, usage: Usage, at: float
    ) -> dict[str, Any]:
        """How a turn ended."""
        return self._ids(turn) | {
            "at": round(at, 6),
            "decision": decision_name(decision),
            "clause": decision.basis.clause,
            "policy": decision.basis.policy,
            "digest": decision.basis.digest,
            "reason": reason,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }

    def call(self, turn: Turn, step: CallStep, at: float) -> dict[str, Any]:
        """One step of a tool call; its arguments appear as their digest alone."""
        return self._ids(turn) | {
            "at": round(at, 6),
            "stage": step.stage,
            "tool": step.tool,
            "plugin": step.plugin,
            "version": step.version,
            "call": self._pseudonyms.of("call", turn.id, step.call),
            "arguments": self._pseudonyms.of("arguments", step.digest) if step.digest else None,
            "approval": step.approval,
            "reason": step.reason,
            "elapsed_ms": None if step.elapsed is None else _milliseconds(step.elapsed),
        }

    def pseudonym(self, turn: Turn) -> str:
        """What stands for the turn's user, here and towards tools."""
        user: str = self._ids(turn)["user"]
        return user

    def failure(self, turn: Turn, code: str, at: float) -> dict[str, Any]:
        """That a turn failed; ``code`` is an error's."""
        return self._ids(turn) | {"at": round(at, 6), "code": code}

    def _ids(self, turn: Turn) -> dict[str, Any]:
        key, of = turn.key, self._pseudonyms.of
        # A user is another person under another tenant, and so on down.
        return {
            "turn": of("turn", key.tenant, key.user, key.session, turn.id),
            "tenant": of("tenant", key.tenant),
            "user": of("user", key.tenant, key.user),
            "session": of("session", key.tenant, key.user, key.session),
        }

    def _keeps(self, decision: Decision) -> bool:
        match self._retention:
            case Retention.NONE:
                return False
            case Retention.BLOCKED:
                return isinstance(decision, Support | Refuse | Escalate)
            case Retention.ALL:
                return True


def judgement_body(judgement: Judgement) -> dict[str, Any]:
    """One guard's answer as it is logged.

    Plain findings are ``scores`` by hazard; ``located`` are those with a span, a label or a
    category of the operator's own: ``[hazard, probability, start, end, custom, label]``.
    """
    body: dict[str, Any] = {
        "guard": judgement.guard,
        "revision": judgement.revision,
        "elapsed_ms": _milliseconds(judgement.elapsed),
    }
    match judgement:
        case Unscanned(reason=reason, detail=detail):
            return body | {"failure": reason, "detail": detail}
        case Verdict(findings=findings):
            scores: dict[str, float] = {}
            located: list[list[Any]] = []
            for finding in findings:
                probability = float(finding.probability)
                if _plain(finding) and finding.hazard not in scores:
                    scores[finding.hazard.value] = probability
                else:
                    span = finding.span
                    ends = (span.start, span.end) if span else (None, None)
                    located.append(
                        [finding.hazard, probability, *ends, finding.custom, finding.label]
                    )
            body["scores"] = scores
            if judgement.score is not None:
                body["score"] = float(judgement.score)
            if located:
                body["located"] = located
            if judgement.rechecked_by:
                body["rechecked_by"] = list(judgement.rechecked_by)
            return body


def _plain(finding: Finding) -> bool:
    return finding.span is None and finding.custom is None and finding.label is None


def verdict_of(body: Mapping[str, Any]) -> PanelVerdict:
    """The panel's verdict that a logged decision rests on.

    Raises:
        KeyError, TypeError, ValueError: the body is not one of a decision, or was written by a
            Corral that knows other hazards or failures.
    """
    return PanelVerdict(
        subject=Subject(body["judged_subject"]),
        judgements=tuple(_judgement(judgement) for judgement in body["judgements"]),
        elapsed=body["elapsed_ms"] / 1000,
    )


def _judgement(body: Mapping[str, Any]) -> Judgement:
    elapsed = body["elapsed_ms"] / 1000
    if "failure" in body:
        return Unscanned(
            guard=body["guard"],
            revision=body["revision"],
            reason=Failure(body["failure"]),
            detail=body["detail"],
            elapsed=elapsed,
        )
    plain = [
        Finding(hazard=Hazard(hazard), probability=probability)
        for hazard, probability in body["scores"].items()
    ]
    located = [
        Finding(
            hazard=Hazard(hazard),
            probability=probability,
            span=None if start is None else Span(start=start, end=end),
            custom=custom,
            label=label,
        )
        for hazard, probability, start, end, custom, label in body.get("located", ())
    ]
    return Verdict(
        guard=body["guard"],
        revision=body["revision"],
        findings=(*plain, *located),
        elapsed=elapsed,
        score=body.get("score"),
        rechecked_by=tuple(body.get("rechecked_by", ())),
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
