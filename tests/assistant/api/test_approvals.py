"""``/v1/approvals``: who sees questions, who may answer them, and what an answer gives."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from assistant.api.answers import Approval as ApprovalShape
from assistant.api.answers import ApprovalList, ChatCompletion, ChatCompletionChunk
from assistant.api.app import build_app
from assistant.approval.asked import Answer, Asked
from assistant.events import FinishReason, Refused
from assistant.memory.limits import MemoryLimits
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey
from policies.decision import Approver
from tests.assistant.api.scripted import (
    REFUSE,
    Hang,
    ScriptedOrchestrator,
    Step,
    assistant,
    finished,
    say,
)
from tests.assistant.api.serving import RawRequest, events, local_client
from tests.assistant.approval.conftest import NOON, HandClock, question

CLIENT_KEY, APPROVER_KEY = "key-of-acme", "approver-of-acme"
KEYS = {SecretStr(CLIENT_KEY): "acme", SecretStr("key-of-umbra"): "umbra"}
APPROVERS = {SecretStr(APPROVER_KEY): "acme", SecretStr("approver-of-umbra"): "umbra"}
ANN = SessionKey(tenant="acme", user="ann", session="s1")
NOWHERE = "203.0.113.9"


@dataclass(slots=True)
class Office:
    """The application, and what stands behind it."""

    clock: HandClock = field(default_factory=HandClock)
    approvals: InMemoryApprovals = field(init=False)
    orchestrator: ScriptedOrchestrator = field(init=False)

    def __post_init__(self) -> None:
        store = InMemorySessionStore(limits=MemoryLimits())
        self.approvals = InMemoryApprovals(store, clock=self.clock)
        self.orchestrator = ScriptedOrchestrator((), resumed=say("Sent."))

    def app(self, *, keys: bool = True) -> Any:
        more = {"api_keys": KEYS, "approver_keys": APPROVERS} if keys else {}
        made = assistant(self.orchestrator, approvals=self.approvals, **more)
        return build_app(made, clock=self.clock)

    def client(self, key: str | None = CLIENT_KEY) -> httpx.AsyncClient:
        """Somebody with ``key`` from far away; without one, somebody on this machine."""
        if key is None:
            return local_client(self.app(keys=False))
        headers = {"authorization": f"Bearer {key}"}
        return local_client(self.app(), client=NOWHERE, headers=headers)

    async def ask(self, number: int = 1, key: SessionKey = ANN, **other: object) -> Asked:
        asked = question(key, number, **other)
        await self.approvals.ask(asked, b"turn", None)
        return asked

    async def answer(
        self, body: dict[str, Any], *, key: str | None = CLIENT_KEY, number: int = 1
    ) -> httpx.Response:
        async with self.client(key) as client:
            return await client.post(f"/v1/approvals/apr_{number}", json=body)


@pytest.fixture
def office() -> Office:
    return Office()


APPROVE = {"decision": "approve", "user": "ann"}
DENY = {"decision": "deny", "user": "ann"}


def code_of(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


UNKNOWN = (404, "not_found", None)


async def test_waiting_questions_are_listed_with_their_arguments(office: Office) -> None:
    await office.ask(1)
    await office.ask(2, approver=Approver.OPERATOR, clause=None)
    await office.ask(3, replace(ANN, user="bob"))
    await office.ask(4, replace(ANN, tenant="umbra"))
    async with office.client() as client:
        response = await client.get("/v1/approvals")
        assert response.status_code == 200
        listed = ApprovalList.model_validate_json(response.content)
        assert [each.id for each in listed.data] == ["apr_3", "apr_2", "apr_1"]
        assert response.json()["data"][2] == {
            "object": "approval",
            "id": "apr_1",
            "status": "waiting",
            "tool": "send_mail",
            "plugin": "mail",
            "arguments": {"to": "bob@example.com"},
            "text": "May I send a mail to bob@example.com?",
            "approver": "user",
            "user": "ann",
            "session": "s1",
            "turn": "turn 1",
            "clause": "mail.ask",
            "created_at": int(NOON) + 1,
            "expires_at": int(NOON) + 600,
            "answered_at": None,
            "answered_by": None,
        }
        narrowed = (await client.get("/v1/approvals?user=ann&limit=1")).json()["data"]
        assert [each["id"] for each in narrowed] == ["apr_2"]
    async with office.client(APPROVER_KEY) as client:
        assert len((await client.get("/v1/approvals")).json()["data"]) == 3
    office.clock.time += 600
    async with office.client() as client:
        assert (await client.get("/v1/approvals")).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "invalid_request"),
        ("limit=1001", "limit", "invalid_request"),
        ("limit=ten", "limit", "invalid_request"),
        ("limit=-1", "limit", "invalid_request"),
        ("limit=%D9%A1", "limit", "invalid_request"),
        ("user=", "user", "invalid_request"),
        ("user=a%20b", "user", "invalid_request"),
        ("page=2", None, "unknown_field"),
    ],
)
async def test_a_wrong_query_is_named(office: Office, query: str, param: str, code: str) -> None:
    async with office.client() as client:
        assert code_of(await client.get(f"/v1/approvals?{query}")) == (400, code, param)


async def test_one_is_shown_whatever_became_of_it(office: Office) -> None:
    asked = await office.ask()
    async with office.client() as client:
        shown = (await client.get("/v1/approvals/apr_1")).json()
        assert shown["status"] == "waiting"
        office.clock.time += 600
        assert (await client.get("/v1/approvals/apr_1")).json()["status"] == "expired"
        office.clock.time -= 600
        given = await office.approvals.answer("acme", asked.id, True, "word")
        await office.approvals.close(given)
        closed = (await client.get("/v1/approvals/apr_1")).json()
        ApprovalShape.model_validate(closed)
        assert (closed["status"], closed["answered_by"]) == ("approved", "word")
        assert (closed["arguments"], closed["text"]) == (None, "")


@pytest.mark.parametrize(("body", "answer"), [(APPROVE, "approved"), (DENY, "denied")])
async def test_an_answer_takes_the_turn_up(
    office: Office, body: dict[str, Any], answer: str
) -> None:
    await office.ask()
    response = await office.answer(body)
    assert response.status_code == 200
    ChatCompletion.model_validate_json(response.content)
    assert response.json()["choices"][0]["message"]["content"] == "Sent."
    (taken_up,) = office.orchestrator.taken_up
    assert taken_up.answer is Answer(answer)
    assert taken_up.answered_by == "user"
    assert taken_up.asked.digest == question(ANN).digest


async def test_the_reply_can_be_streamed(office: Office) -> None:
    await office.ask()
    response = await office.answer(APPROVE | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, end = events(response.text)
    assert end == "[DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    assert chunks[0]["choices"][0]["delta"]["content"] == "Sent."
    assert chunks[-1]["corral"]["decision"] == "allow"


async def test_the_same_answer_again_takes_the_turn_up_again(office: Office) -> None:
    """So that whoever lost the first reply can have it; that it runs once, the turn sees to."""
    await office.ask()
    for _ in range(2):
        assert (await office.answer(APPROVE)).status_code == 200
    assert len(office.orchestrator.taken_up) == 2
    assert code_of(await office.answer(DENY)) == (409, "approval_answered", None)
    assert len(office.orchestrator.taken_up) == 2


async def test_of_answers_at_once_one_wins(office: Office) -> None:
    await office.ask()
    bodies = [APPROVE, DENY] * 4
    answers = await asyncio.gather(*(office.answer(body) for body in bodies))
    assert sorted(a.status_code for a in answers) == [200] * 4 + [409] * 4
    assert len({approval.answer for approval in office.orchestrator.taken_up}) == 1


async def test_an_answer_that_comes_too_late_changes_nothing(office: Office) -> None:
    await office.ask()
    office.clock.time += 600
    assert code_of(await office.answer(APPROVE)) == (410, "approval_expired", None)
    assert office.orchestrator.taken_up == []


@pytest.mark.parametrize("body", [APPROVE, DENY, {"decision": "approve"}])
async def test_i11_no_other_tenant_learns_of_it(office: Office, body: dict[str, Any]) -> None:
    await office.ask()
    for key in ("key-of-umbra", "approver-of-umbra"):
        assert code_of(await office.answer(body, key=key)) == UNKNOWN
        async with office.client(key) as client:
            assert (await client.get("/v1/approvals")).json()["data"] == []
            assert code_of(await client.get("/v1/approvals/apr_1")) == UNKNOWN
    assert office.orchestrator.taken_up == []


@pytest.mark.parametrize("user", ["bob", "anonymous", None, "Ann"])
async def test_i11_no_other_user_answers(office: Office, user: str | None) -> None:
    await office.ask()
    body = {"decision": "approve", "user": user}
    answers = [await office.answer(body), await office.answer(body, number=2)]
    # It looks as if there were none.
    assert [code_of(each) for each in answers] == [UNKNOWN, UNKNOWN]
    assert answers[0].json()["error"]["message"] == answers[1].json()["error"]["message"]
    assert office.orchestrator.taken_up == []


async def test_who_named_nobody_answers_as_nobody(office: Office) -> None:
    await office.ask(1, replace(ANN, user="anonymous"))
    assert (await office.answer({"decision": "approve"})).status_code == 200


async def test_an_operators_word_needs_an_approver_key(office: Office) -> None:
    await office.ask(approver=Approver.OPERATOR)
    for body in (APPROVE, DENY, {"decision": "approve", "user": "bob"}):
        assert code_of(await office.answer(body)) == (403, "operator_needed", None)
    response = await office.answer({"decision": "approve"}, key=APPROVER_KEY)
    assert response.status_code == 200
    assert office.orchestrator.taken_up[0].answered_by == "operator"


async def test_an_approver_answers_for_users_too(office: Office) -> None:
    await office.ask()
    answer = {"decision": "deny", "user": "bob"}
    assert code_of(await office.answer(answer, key=APPROVER_KEY)) == UNKNOWN
    assert (await office.answer({"decision": "deny"}, key=APPROVER_KEY)).status_code == 200
    assert office.orchestrator.taken_up[0].answered_by == "operator"


async def test_an_approver_key_opens_nothing_else(office: Office) -> None:
    async with office.client(APPROVER_KEY) as client:
        for path in ("/v1/models", "/metrics", "/v1/approvalsx", "/v1/chat/completions"):
            assert code_of(await client.get(path)) == (403, "approver_key", None)
        body = {"messages": [{"role": "user", "content": "hi"}]}
        for path in ("/v1/chat/completions", "/v1/judge", "/v1/moderations"):
            assert code_of(await client.post(path, json=body)) == (403, "approver_key", None)
        assert (await client.get("/healthz")).status_code == 200
        # Reasons are for those who run it.
        assert "healthy" not in (await client.get("/readyz")).text
    assert office.orchestrator.turns == []


async def test_without_keys_the_person_at_the_machine_answers_all(office: Office) -> None:
    local = replace(ANN, tenant="local")
    await office.ask(1, local)
    await office.ask(2, local, approver=Approver.OPERATOR)
    for number in (1, 2):
        response = await office.answer({"decision": "approve"}, key=None, number=number)
        assert response.status_code == 200
    assert [each.answered_by for each in office.orchestrator.taken_up] == ["user", "operator"]
    await office.ask(3, local)
    wrong = {"decision": "approve", "user": "bob"}
    assert code_of(await office.answer(wrong, key=None, number=3)) == UNKNOWN


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "invalid_request", "decision"),
        ({"decision": "yes"}, "invalid_request", "decision"),
        ({"decision": True}, "invalid_request", "decision"),
        ({"decision": "approve", "user": "a b"}, "invalid_request", "user"),
        ({"decision": "approve", "stream": "yes"}, "invalid_request", "stream"),
        ({"decision": "approve", "arguments": {}}, "unknown_field", "arguments"),
    ],
)
async def test_a_wrong_body_is_named_and_answers_nothing(
    office: Office, body: dict[str, Any], code: str, param: str
) -> None:
    await office.ask()
    assert code_of(await office.answer(body)) == (400, code, param)
    found = await office.approvals.get("acme", "apr_1")
    assert found is not None
    assert found.answer is Answer.WAITING


async def test_i8_a_client_that_goes_ends_the_turn_but_not_the_answer(office: Office) -> None:
    await office.ask()
    steps: tuple[Step, ...] = (Hang(),)
    office.orchestrator.resumed = steps
    request = RawRequest(
        office.app(),
        b'{"decision":"approve","user":"ann"}',
        path="/v1/approvals/apr_1",
        headers=((b"authorization", f"Bearer {CLIENT_KEY}".encode()),),
    )
    await office.orchestrator.hanging.wait()
    request.vanish()
    await request.task
    assert office.orchestrator.closed == 1
    office.orchestrator.resumed = say("Sent.")
    assert (await office.answer(APPROVE)).status_code == 200


async def test_what_follows_may_be_refused_as_ever(office: Office) -> None:
    await office.ask()
    office.orchestrator.resumed = (
        Refused(decision=REFUSE, text=REFUSE.text),
        finished(FinishReason.CONTENT_FILTER, decision="refuse", clause="weapons"),
    )
    choice = (await office.answer(APPROVE)).json()["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"] == REFUSE.text
