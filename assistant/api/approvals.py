"""The endpoints where people are asked about tool calls, and answer."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from assistant.api.approval_request import ApprovalRequest
from assistant.api.body import read_json
from assistant.api.chat_request import Name
from assistant.api.endpoints import answering, parts_of
from assistant.api.failures import ApiError, invalid
from assistant.api.fields import read
from assistant.api.keys import Role
from assistant.approval.asked import Approval
from assistant.approval.wire import approval_body
from assistant.errors import UnknownApprovalError
from assistant.turn import ANONYMOUS
from policies.decision import Approver

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000

LIST_PARAMETERS: dict[str, Any] = {
    "parameters": [
        {
            "name": "user",
            "in": "query",
            "description": "Only those of this user's turns.",
            "schema": {"type": "string"},
        },
        {
            "name": "limit",
            "in": "query",
            "schema": {
                "type": "integer",
                "minimum": 1,
                "maximum": LARGEST_LIMIT,
                "default": DEFAULT_LIMIT,
            },
        },
    ]
}

_NAME: TypeAdapter[str] = TypeAdapter(Name)


async def approvals(request: Request) -> Response:
    """List the questions of the key's tenant that wait for an answer."""
    user, limit = _filters(request.query_params)
    parts = parts_of(request)
    found = await parts.assistant.approvals.waiting(request.state.tenant, user=user, limit=limit)
    now = parts.tools.clock.now()
    return _json({"object": "list", "data": [approval_body(each, now) for each in found]})


async def approval(request: Request) -> Response:
    """Show a question and what became of it."""
    parts = parts_of(request)
    return _json(approval_body(await _found(request), parts.tools.clock.now()))


async def answer_approval(request: Request) -> Response:
    """Approve or deny exactly the call that was asked about, and finish its turn.

    The answer is the turn's reply, streamed or whole, as of `/v1/chat/completions`; after a
    denial the model is told of it and replies. An answer counts once; the same one again is fine.
    """
    parts = parts_of(request)
    assistant = parts.assistant
    given = read(ApprovalRequest, await read_json(request, assistant.settings.max_body_bytes))
    asked = (await _found(request)).asked
    by = _who(request.state.role, given.user, asked.key.user, asked.approver)
    answered = await assistant.approvals.answer(
        asked.key.tenant, asked.id, given.decision == "approve", by
    )
    return answering(parts, assistant.orchestrator.resume(answered), stream=bool(given.stream))


def _who(role: Role, said: str | None, user: str, approver: Approver) -> Approver:
    """As whom a request answers.

    Raises:
        UnknownApprovalError: it speaks for another user than the turn's.
        ApiError: 403, an operator's word is wanted.
    """
    if role is Role.CLIENT:
        if approver is Approver.OPERATOR:
            raise ApiError(
                403,
                "operator_needed",
                "an operator answers this approval, with a key of CORRAL_APPROVER_KEYS",
            )
        said = said or ANONYMOUS
    if said not in (None, user):
        raise UnknownApprovalError
    match role:
        case Role.APPROVER:
            return Approver.OPERATOR
        case Role.LOCAL:
            return approver
        case _:
            return Approver.USER


async def _found(request: Request) -> Approval:
    known = parts_of(request).assistant.approvals
    found = await known.get(request.state.tenant, request.path_params["approval"])
    if found is None:
        raise UnknownApprovalError
    return found


def _filters(query: Mapping[str, str]) -> tuple[str | None, int]:
    for name in query:
        if name not in ("user", "limit"):
            raise ApiError(400, "unknown_field", "the query may hold user and limit only")
    user = query.get("user")
    if user is not None:
        try:
            _NAME.validate_python(user)
        except ValidationError:
            raise invalid("user", "must be 1 to 128 letters, digits and ._:@+=|~/-") from None
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6):
        raise invalid("limit", f"must be a number from 1 to {LARGEST_LIMIT}")
    if not 1 <= int(limit) <= LARGEST_LIMIT:
        raise invalid("limit", f"must be a number from 1 to {LARGEST_LIMIT}")
    return user, int(limit)


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
