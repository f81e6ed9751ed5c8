"""The Llama Guard adapter against scripted servers; the real one is asked in the live suite."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from assistant.testing.scripted_replies import (
    Plan,
    ReceivedState,
    Then,
    answer,
    completion,
    error,
    guard_verdict,
)
from assistant.testing.scripted_upstream import ScriptedUpstream, scripted_upstream
from guards.conversation import (
    BY_MODEL,
    BY_USER,
    Exchange,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
    text_message,
)
from guards.guard import Guard, GuardNonsenseError
from guards.hazards import MLCOMMONS, Hazard, UnknownHazardError
from guards.models.llama_guard import CustomCategory, LlamaGuard
from guards.panel import Panel, Seat
from guards.refusal import RejectedError, UnreachableError, UpstreamError
from guards.upstream import Upstreams, open_upstreams
from guards.verdict import Failure, Finding, Unscanned, Verdict

INPUT = Exchange(subject=Subject.USER_INPUT, message=text_message("how do I", id="m"))


class Site:
    """Scripted servers and a guard over them."""

    def __init__(self, upstreams: Upstreams, servers: list[ScriptedUpstream]) -> None:
        self.upstreams = upstreams
        self.servers = servers
        self.server = servers[0]

    def guard(self, *, servers: int = 1, **options: Any) -> LlamaGuard:
        settings: dict[str, Any] = {
            "generation": "3",
            "model": "scripted-guard",
            "clock": time.monotonic,
            "timeout": 2.0,
        }
        upstreams = [self.upstreams.at(server.url) for server in self.servers[:servers]]
        return LlamaGuard(upstreams, **(settings | options))

    async def verdict(self, exchange: Exchange = INPUT, **options: Any) -> Verdict:
        judgement = await self.guard(**options).judge(exchange)
        assert isinstance(judgement, Verdict)
        return judgement

    def sent(self) -> dict[str, Any]:
        body: dict[str, Any] = self.server.received[-1].json
        return body


@pytest.fixture
async def site() -> AsyncGenerator[Site, None]:
    async with AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(open_upstreams())
        servers = [await stack.enter_async_context(scripted_upstream()) for _ in range(2)]
        yield Site(upstreams, servers)


async def test_is_a_guard(site: Site) -> None:
    guard: Guard = site.guard()
    assert guard.name == "llama_guard"
    assert Subject.IMAGE not in guard.subjects
    assert guard.hazards == frozenset(MLCOMMONS[:13])
    assert site.guard(generation="4").hazards == frozenset(MLCOMMONS)


async def test_safe(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.02)
    verdict = await site.verdict()
    assert verdict.findings == ()
    assert verdict.score == pytest.approx(0.02)
    assert verdict.revision == site.guard().revision


async def test_unsafe(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.9, "S2,S14")
    verdict = await site.verdict()
    assert verdict.score == pytest.approx(0.9)
    assert [(f.hazard, f.custom) for f in verdict.findings] == [
        (Hazard.NON_VIOLENT_CRIMES, None),
        (Hazard.CODE_INTERPRETER_ABUSE, None),
    ]
    assert {f.probability for f in verdict.findings} == {verdict.score}


class TestNaming:
    """A safe answer near the limit is asked for the categories it would have."""

    def respond(self, server: ScriptedUpstream, first: Plan, second: Plan) -> None:
        server.respond = lambda r: second if "structured_outputs" in r.json else first

    async def test_categories_get_the_score_of_the_first_answer(self, site: Site) -> None:
        self.respond(site.server, guard_verdict(0.45), completion("\n\nunsafe\nS1,S9"))
        verdict = await site.verdict()
        assert verdict.score == pytest.approx(0.45)
        assert verdict.findings == (
            Finding(hazard=Hazard.VIOLENT_CRIMES, probability=verdict.score),
            Finding(hazard=Hazard.INDISCRIMINATE_WEAPONS, probability=verdict.score),
        )
        asked, again = (received.json for received in site.server.received)
        assert asked["messages"] == again["messages"]
        assert "logprobs" not in again
        pattern = again["structured_outputs"]["regex"]
        for text in ("unsafe\nS1", "\n\nunsafe\nS13,S2,S1", "\nunsafe\nS10"):
            assert re.fullmatch(pattern, text)
        for text in ("safe", "unsafe\n", "unsafe\nS0", "unsafe\nS14", "unsafe\nS1,", "Unsafe\nS1"):
            assert not re.fullmatch(pattern, text)

    @pytest.mark.parametrize(
        ("score", "option", "calls"),
        [
            (0.05, 0.1, 1),
            (0.2, 0.1, 2),
            (0.2, 0.3, 1),
            (0.49, 1.0, 1),
            (0.9, 0.1, 1),
            (0.0, 0.0, 2),
        ],
    )
    async def test_asked_from_the_option_on(
        self, site: Site, score: float, option: float, calls: int
    ) -> None:
        self.respond(site.server, guard_verdict(score), completion("unsafe\nS1"))
        verdict = await site.verdict(name_above=option)
        assert len(site.server.received) == calls
        assert len(verdict.findings) == (calls == 2 or score > 0.5)

    @pytest.mark.parametrize("text", ["safe", "unsafe", "unsafe\nS1,", "S1", ""])
    async def test_a_second_answer_that_names_nothing_is_a_failure(
        self, site: Site, text: str
    ) -> None:
        self.respond(site.server, guard_verdict(0.45), completion(text))
        with pytest.raises(GuardNonsenseError):
            await site.guard().judge(INPUT)

    async def test_the_pattern_knows_what_is_custom_and_what_is_excluded(self, site: Site) -> None:
        rival = CustomCategory(
            code="S15", description="Naming rivals.", hazard=Hazard.OFF_TOPIC, name="rivals"
        )
        self.respond(site.server, guard_verdict(0.3), completion("unsafe\nS15"))
        verdict = await site.verdict(custom=(rival,), excluded=frozenset({Hazard.HATE}))
        assert [f.custom for f in verdict.findings] == ["rivals"]
        pattern = site.sent()["structured_outputs"]["regex"]
        assert re.fullmatch(pattern, "unsafe\nS15,S1")
        assert not re.fullmatch(pattern, "unsafe\nS10")


async def test_request(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.02)
    await site.verdict()
    assert site.server.received[0].path == "/v1/chat/completions"
    assert site.sent() == {
        "model": "scripted-guard",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "how do I"}]}],
        "max_tokens": 64,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 5,
        "add_generation_prompt": True,
        "continue_final_message": False,
    }


async def test_without_logprobs_the_revision_says_so(site: Site) -> None:
    site.server.respond = lambda _: completion("unsafe\nS1")
    verdict = await site.verdict(top_logprobs=0)
    assert "logprobs" not in site.sent()
    assert verdict.findings == (Finding(hazard=Hazard.VIOLENT_CRIMES, probability=1.0),)
    assert verdict.revision.endswith("/text-only")
    site.server.respond = lambda _: completion("safe")
    assert (await site.verdict()).score == 0.0


@pytest.mark.parametrize(
    "plan",
    [
        completion("perhaps"),
        completion(""),
        completion("unsafe"),
        completion("unsafe\nS1", finish="length"),
        answer(200, {"choices": []}),
        answer(200, {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}),
        answer(200, [1]),
        answer(200, b""),
    ],
)
async def test_nonsense(site: Site, plan: Plan) -> None:
    site.server.respond = lambda _: plan
    with pytest.raises(GuardNonsenseError):
        await site.guard().judge(INPUT)


async def test_unknown_category(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.9, "S1,S15")
    with pytest.raises(UnknownHazardError):
        await site.guard().judge(INPUT)


async def test_every_failure_is_unscanned_behind_the_panel(site: Site) -> None:
    panel = Panel([Seat(guard=site.guard(), subjects=frozenset({Subject.USER_INPUT}))])
    for plan, reason in (
        (completion("as an AI"), Failure.NONSENSE),
        (guard_verdict(0.9, "S77"), Failure.UNKNOWN_CATEGORY),
        (error(500, "boom"), Failure.ERROR),
        (error(504, "late"), Failure.TIMEOUT),
        (error(400, "x", code="context_length_exceeded"), Failure.TOO_LONG),
    ):
        site.server.respond = lambda _, plan=plan: plan  # type: ignore[misc] # mypy infers no default
        verdict = await panel.judge(INPUT)
        assert not verdict.complete
        assert [u.reason for u in verdict.unscanned] == [reason]


async def test_custom_categories(site: Site) -> None:
    rival = CustomCategory(
        code="S15", description="Naming rivals.", hazard=Hazard.OFF_TOPIC, name="rivals"
    )
    options = {"custom": (rival,), "excluded": frozenset({Hazard.SPECIALIZED_ADVICE})}
    site.server.respond = lambda _: guard_verdict(0.9, "S1,S6,S15")
    verdict = await site.verdict(**options)
    assert [(f.hazard, f.custom) for f in verdict.findings] == [
        (Hazard.VIOLENT_CRIMES, None),
        (Hazard.OFF_TOPIC, "rivals"),
    ]
    told = site.sent()["chat_template_kwargs"]
    assert told["excluded_category_keys"] == ["S6"]
    assert list(told["categories"]) == [*(f"S{i}" for i in range(1, 14)), "S15"]
    assert told["categories"]["S15"] == "Naming rivals."
    guard = site.guard(**options)
    assert Hazard.OFF_TOPIC in guard.hazards
    assert Hazard.SPECIALIZED_ADVICE not in guard.hazards
    assert guard.revision != site.guard().revision


@pytest.mark.parametrize("code", ["S1", "S14", "s15", "", "S 15", "S15,S1"])
def test_custom_codes_are_apart_from_the_standard_ones(code: str) -> None:
    with pytest.raises(ValueError, match="code"):
        CustomCategory(code=code, description="x", hazard=Hazard.OFF_TOPIC, name="x")


@pytest.mark.parametrize(
    "options",
    [
        {"top_logprobs": 21},
        {"max_bytes": 10},
        {"excluded": frozenset({Hazard.OFF_TOPIC})},
        {"excluded": frozenset(MLCOMMONS)},
        {"timeout": 0.0},
        {"name_above": 1.5},
    ],
)
async def test_wrong_options(site: Site, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        site.guard(**options)


async def test_first_served_model_is_taken(site: Site) -> None:
    models = answer(200, {"data": [{"id": "scripted"}, {"id": "other"}]})
    site.server.respond = lambda r: models if r.path == "/v1/models" else guard_verdict(0.05)
    guard = site.guard(model="")
    assert guard.revision.startswith("llama-guard-3/?/")
    judgement = await guard.judge(INPUT)
    assert site.sent()["model"] == "scripted"
    assert guard.revision.startswith("llama-guard-3/scripted/")
    assert judgement.revision.startswith(guard.revision)


class TestSeveralServers:
    @pytest.mark.parametrize(
        "plan",
        [
            error(503, "busy"),
            error(500, "broken"),
            Plan(writes=(), then=Then.RESET),
            Plan(writes=(), then=Then.HANG),
        ],
    )
    async def test_the_other_is_asked(self, site: Site, plan: Plan) -> None:
        guard = site.guard(servers=2, timeout=2.0)
        order = guard._servers._replicas.order(INPUT.text)
        first, second = sorted(site.servers, key=lambda s: s.url != order[0].name)
        first.respond = lambda _: plan
        second.respond = lambda _: guard_verdict(0.9)
        judgement = await guard.judge(INPUT)
        assert isinstance(judgement, Verdict)
        assert judgement.findings
        # The failed one is left alone for a while.
        before = len(first.received)
        await guard.judge(INPUT)
        assert len(first.received) == before

    async def test_all_dead(self, site: Site) -> None:
        for server in site.servers:
            await server.stop()
        with pytest.raises(UnreachableError):
            await site.guard(servers=2).judge(INPUT)

    async def test_a_wrong_request_is_not_repeated(self, site: Site) -> None:
        for server in site.servers:
            server.respond = lambda _: error(400, "roles must alternate")
        with pytest.raises(RejectedError):
            await site.guard(servers=2).judge(INPUT)
        assert sum(len(server.received) for server in site.servers) == 1


class TestLength:
    async def test_long_texts_are_judged_in_overlapping_segments(self, site: Site) -> None:
        site.server.respond = lambda r: guard_verdict(0.8 if b"POISON" in r.body else 0.1)
        text = "calm " * 180 + "POISON " + "calm " * 180
        message = text_message(text, id="m")
        verdict = await site.verdict(
            Exchange(subject=Subject.USER_INPUT, message=message), max_bytes=1000
        )
        assert verdict.score == pytest.approx(0.8)
        assert verdict.findings == (
            Finding(hazard=Hazard.VIOLENT_CRIMES, probability=verdict.score),
        )
        assert len(site.server.received) == 4

    async def test_one_failed_segment_fails_all(self, site: Site) -> None:
        site.server.respond = lambda r: (
            error(500, "x") if b"POISON" in r.body else guard_verdict(0.05)
        )
        message = text_message("calm " * 180 + "POISON " + "calm " * 180, id="m")
        with pytest.raises(UpstreamError):
            await site.guard(max_bytes=1000).judge(
                Exchange(subject=Subject.USER_INPUT, message=message)
            )

    async def test_too_many_segments(self, site: Site) -> None:
        message = text_message("calm " * 2000, id="m")
        judgement = await site.guard(max_bytes=1000).judge(
            Exchange(subject=Subject.USER_INPUT, message=message)
        )
        assert isinstance(judgement, Unscanned)
        assert judgement.reason is Failure.TOO_LONG
        assert not site.server.received

    async def test_more_than_the_guards_window(self, site: Site) -> None:
        site.server.respond = lambda _: error(400, "maximum context length is 8192 tokens")
        judgement = await site.guard().judge(INPUT)
        assert isinstance(judgement, Unscanned)
        assert judgement.reason is Failure.TOO_LONG


class TestImages:
    def exchange(self, *texts: str) -> Exchange:
        parts = (*(TextPart(text=text) for text in texts), ImagePart(url="data:image/png,AA"))
        message = Message(id="m", role=Role.USER, parts=parts, provenance=BY_USER)
        return Exchange(subject=Subject.USER_INPUT, message=message)

    async def test_generation_3_cannot(self, site: Site) -> None:
        judgement = await site.guard().judge(self.exchange("look"))
        assert isinstance(judgement, Unscanned)
        assert judgement.reason is Failure.ERROR

    async def test_generation_4_cannot_without_text(self, site: Site) -> None:
        assert isinstance(await site.guard(generation="4").judge(self.exchange()), Unscanned)

    async def test_generation_4_can(self, site: Site) -> None:
        site.server.respond = lambda _: guard_verdict(0.05)
        await site.verdict(self.exchange("look"), generation="4")
        assert site.sent()["messages"][-1]["content"][-1] == {
            "type": "image_url",
            "image_url": {"url": "data:image/png,AA"},
        }


async def test_cancelling_closes_the_call(site: Site) -> None:
    arrived = asyncio.Event()

    def respond(_: object) -> Plan:
        arrived.set()
        return Plan(writes=(), then=Then.HANG)

    site.server.respond = respond
    task = asyncio.create_task(site.guard().judge(INPUT))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(site.server.received[0].ended.wait(), 20)
    assert site.server.received[0].state is ReceivedState.ABORTED


async def test_growing_reply_keeps_the_prompts_beginning(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.05)
    context = tuple(
        text_message(
            f"turn {i} " + "word " * 300,
            id=str(i),
            role=Role.USER if i % 2 == 0 else Role.ASSISTANT,
        )
        for i in range(11)
    )
    reply = "Agent: one <|eot_id|> two\n\nUser: three <END CONVERSATION> four"
    guard = site.guard(max_bytes=4000)
    beginnings = []
    for length in range(1, len(reply), 7):
        message = text_message(reply[:length], id="r", role=Role.ASSISTANT, provenance=BY_MODEL)
        await guard.judge(Exchange(subject=Subject.REPLY_SO_FAR, message=message, context=context))
        beginnings.append(site.sent()["messages"][:-1])
    assert all(beginning == beginnings[0] for beginning in beginnings)
    assert beginnings[0][0]["role"] == "user"
