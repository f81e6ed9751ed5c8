"""Where moderation is asked for over HTTP; the assistant's server and the service share it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from assistant.api.body import read_json
from assistant.api.capacity import Capacity
from assistant.api.fields import read
from assistant.api.judge_request import JudgeRequest
from assistant.api.moderation import Asking, message_cases, text_cases
from assistant.api.moderation_request import ModerationRequest
from assistant.clock import Ids
from assistant.events import Judged
from guards.conversation import Subject
from guards.verdict import Verdict
from policies.decision import Ask, Escalate, Refuse, Rewrite, Steer, Support, decision_name
from policies.moderation import Case, Decided, Moderator, blocks
from policies.placeholders import Placeholders

MODEL = "corral-moderation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Answers moderation requests.

    Attributes:
        observe: told of every decision.
        locale: of the policy's words where a request and its text tell none.
        most_bytes: of a body.
        most_chars: of a text or message.
    """

    moderator: Moderator
    capacity: Capacity
    observe: Callable[[Judged], None]
    ids: Ids
    locale: str
    most_bytes: int
    most_chars: int

    async def moderations(self, request: Request) -> Response:
        """Judge each text as if a user had said it, and answer in OpenAI's shape."""
        asked = read(ModerationRequest, await read_json(request, self.most_bytes))
        asking = self._asking(request, "modr-")
        decided = await self._decide(text_cases(asked, asking))
        results = [self.moderator.result(one) for one in decided]
        return _json({"id": asking.id, "model": MODEL, "results": results})

    async def judge(self, request: Request) -> Response:
        """Judge a conversation's last message in its context."""
        asked = read(JudgeRequest, await read_json(request, self.most_bytes))
        asking = self._asking(request, "judg-")
        decided = await self._decide(message_cases(asked, asking))
        return _json(
            {
                "id": asking.id,
                "model": MODEL,
                "blocked": any(blocks(one.decision) for one in decided),
                "results": [judgement(one) for one in decided],
            }
        )

    def _asking(self, request: Request, prefix: str) -> Asking:
        return Asking(
            id=self.ids(prefix),
            tenant=request.state.tenant,
            locale=self.locale,
            most_chars=self.most_chars,
        )

    async def _decide(self, cases: list[Case]) -> list[Decided]:
        with self.capacity.admit():
            decided = await self.moderator.decide(cases)
        for one in decided:
            self.observe(
                Judged(
                    subject=one.case.exchange.subject,
                    decision=one.decision,
                    at=one.decision.basis.verdict.elapsed,
                )
            )
        return decided


def judgement(decided: Decided) -> dict[str, Any]:
    """All that was found and decided about one exchange. Offsets count its text's characters."""
    exchange, decision = decided.case.exchange, decided.decision
    basis = decision.basis
    verdict = basis.verdict
    is_call = exchange.subject is Subject.TOOL_CALL
    return {
        "subject": exchange.subject,
        "tool_call_id": exchange.message.tool_calls[0].id if is_call else None,
        "decision": decision_name(decision),
        "blocked": blocks(decision),
        "clause": basis.clause,
        "degraded": basis.degraded,
        "reason": basis.reason,
        **_consequence(decided),
        "findings": [
            {
                "guard": said.guard,
                "hazard": finding.hazard,
                "probability": float(finding.probability),
                "start": finding.span.start if finding.span else None,
                "end": finding.span.end if finding.span else None,
                "label": finding.label,
                "custom": finding.custom,
            }
            for said in verdict.judgements
            if isinstance(said, Verdict)
            for finding in said.findings
            if finding.probability > 0
        ],
        "unscanned": [
            {"guard": failure.guard, "reason": failure.reason} for failure in verdict.unscanned
        ],
        "guards": [{"name": j.guard, "revision": j.revision} for j in verdict.judgements],
        "elapsed_ms": round(verdict.elapsed * 1000, 3),
        "policy": basis.policy,
        "digest": basis.digest,
        "log_id": decided.log_id,
    }


def _consequence(decided: Decided) -> dict[str, Any]:
    """What to show, to tell the model, or to put in the text's place."""
    text = guidance = rewritten = None
    redactions: list[dict[str, Any]] = []
    match decided.decision:
        case Ask() | Support() | Refuse() | Escalate() as blocking:
            text = blocking.text
        case Steer() as steer:
            guidance = steer.guidance
        case Rewrite() as rewrite:
            judged, placeholders = decided.case.exchange.text, Placeholders()
            rewritten = placeholders.rewritten(judged, rewrite)
            redactions = [
                {"start": cut.span.start, "end": cut.span.end, "replacement": cut.replacement}
                for cut in placeholders.cuts(judged, rewrite)
            ]
        case _:
            pass
    return {
        "text": text,
        "guidance": guidance,
        "rewritten": rewritten,
        "redactions": redactions,
    }


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
