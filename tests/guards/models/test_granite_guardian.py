"""Granite Guardian: each generation asked in its own way, each answer read exactly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.scripted_replies import Plan, completion
from assistant.testing.scripted_upstream import ScriptedUpstream
from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    Exchange,
    Message,
    Role,
    Subject,
    TextPart,
    ToolCall,
    text_message,
)
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.models.granite_guardian import GraniteGuardian, read_score, read_word
from guards.models.granite_risks import RISKS, Risk, guardian_block
from guards.upstream import Upstream
from guards.verdict import Finding, Unscanned, Verdict
from tests.guards.models.adapters import ADAPTERS, INPUT, logs, score

MAKE = next(adapter for adapter in ADAPTERS if adapter.make is GraniteGuardian)
TOOLS = [{"name": "search", "parameters": {"q": {"type": "string"}}}]

REPLY = text_message("It was 1922.", id="r", role=Role.ASSISTANT, provenance=BY_MODEL)
FOUND = text_message("It was 1964.", id="t", role=Role.TOOL, provenance=BY_TOOL)
GROUNDED = Exchange(subject=Subject.REPLY, message=REPLY, context=(INPUT.message, FOUND))


def call(arguments: str = '{"q": "x"}') -> Exchange:
    asked = ToolCall(id="c", name="search", arguments=arguments)
    message = Message(
        id="c",
        role=Role.ASSISTANT,
        parts=(TextPart(text=arguments),),
        provenance=BY_MODEL,
        tool_calls=(asked,),
    )
    return Exchange(subject=Subject.TOOL_CALL, message=message, context=(INPUT.message,))


def word(yes: float, *, confidence: str = "") -> Plan:
    """What generations 3.0 to 3.2 say."""
    said = "Yes" if yes > 0.5 else "No"
    tokens = ((said, logs(Yes=yes, No=1 - yes)),)
    return completion(said + confidence, tokens=tokens)


async def sent(
    server: ScriptedUpstream, upstream: Upstream, exchange: Exchange, **options: Any
) -> dict[str, Any]:
    server.respond = lambda _: word(0.1) if options["generation"] == "3.0" else score(0.1)
    assert isinstance(await MAKE(upstream, **options).judge(exchange), Verdict)
    (received,) = server.received
    body: dict[str, Any] = received.json
    assert body["temperature"] == 0
    return body


class TestRequests:
    async def test_harm(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        body = await sent(server, upstream, INPUT, generation="3.0")
        assert body["messages"] == [{"role": "user", "content": "how do I"}]
        assert body["chat_template_kwargs"] == {"guardian_config": {"risk_name": "harm"}}

    async def test_harm_3_3(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        body = await sent(server, upstream, INPUT, generation="3.3", think=True)
        assert body["chat_template_kwargs"] == {
            "guardian_config": {"criteria_id": "harm"},
            "think": True,
        }
        assert body["max_tokens"] > 1000

    async def test_harm_4_1(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        body = await sent(server, upstream, INPUT, generation="4.1")
        assert body["messages"] == [
            {"role": "user", "content": "how do I"},
            {"role": "user", "content": guardian_block(RISKS["harm"], think=False)},
        ]
        assert body["chat_template_kwargs"] == {}

    async def test_groundedness(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        risks = [RISKS["groundedness"]]
        body = await sent(server, upstream, GROUNDED, generation="3.0", risks=risks)
        assert body["messages"] == [
            {"role": "context", "content": "It was 1964."},
            {"role": "assistant", "content": "It was 1922."},
        ]
        assert "documents" not in body

    async def test_groundedness_4_1(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        risks = [RISKS["groundedness"]]
        body = await sent(server, upstream, GROUNDED, generation="4.1", risks=risks)
        assert body["documents"] == [{"doc_id": "0", "text": "It was 1964."}]
        assert body["messages"][0] == {"role": "assistant", "content": "It was 1922."}
        assert len(body["messages"]) == 2

    async def test_calls(self, server: ScriptedUpstream, upstream: Upstream) -> None:
        risks = [RISKS["function_call"]]
        body = await sent(server, upstream, call(), generation="3.0", risks=risks, tools=TOOLS)
        assert body["messages"] == [
            {
                "role": "tools",
                "content": '[{"name":"search","parameters":{"q":{"type":"string"}}}]',
            },
            {"role": "user", "content": "how do I"},
            {"role": "assistant", "content": '[{"name": "search", "arguments": {"q": "x"}}]'},
        ]

    @pytest.mark.parametrize(
        ("arguments", "shown"),
        [
            ('{"q": 1, "q": 2}', '{"q": 1, "q": 2}'),
            ("{broken", '"{broken"'),
            ('{"q": "</think>"}', '{"q": "< /think>"}'),
        ],
    )
    async def test_calls_3_3(
        self, arguments: str, shown: str, server: ScriptedUpstream, upstream: Upstream
    ) -> None:
        body = await sent(
            server,
            upstream,
            call(arguments),
            generation="3.3",
            risks=[RISKS["function_call"]],
            tools=TOOLS,
        )
        assert body["chat_template_kwargs"]["available_tools"] == TOOLS
        said = body["messages"][-1]["content"]
        assert said == f'[{{"name": "search", "arguments": {shown}}}]'


async def test_risks_are_asked_where_they_apply(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    guard = MAKE(
        upstream,
        risks=[RISKS["jailbreak"], RISKS["groundedness"], RISKS["function_call"]],
        tools=TOOLS,
    )
    assert guard.subjects == RISKS["jailbreak"].subjects | {
        Subject.REPLY,
        Subject.REPLY_SO_FAR,
        Subject.TOOL_CALL,
    }
    server.respond = lambda _: score(0.9)
    for exchange, hazard in (
        (INPUT, Hazard.JAILBREAK),
        (GROUNDED, Hazard.UNGROUNDED_CLAIM),
        (call(), Hazard.UNGROUNDED_CLAIM),
    ):
        verdict = await guard.judge(exchange)
        assert isinstance(verdict, Verdict)
        assert [finding.hazard for finding in verdict.findings] == [hazard]
    assert len(server.received) == 3


async def test_a_reply_without_documents_is_not_asked_about(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    guard = MAKE(upstream, risks=[RISKS["groundedness"]])
    alone = Exchange(subject=Subject.REPLY, message=REPLY, context=(INPUT.message,))
    verdict = await guard.judge(alone)
    assert isinstance(verdict, Verdict)
    assert (verdict.findings, verdict.score) == ((), 0.0)
    assert not server.received
    assert isinstance(await guard.judge(INPUT), Unscanned)


async def test_every_risk_has_a_probability(server: ScriptedUpstream, upstream: Upstream) -> None:
    scores = {"harm": 0.2, "violence": 0.7, "profanity": 0.4}
    server.respond = lambda r: next(
        score(p)
        for name, p in scores.items()
        if RISKS[name].criterion in r.json["messages"][-1]["content"]
    )
    verdict = await MAKE(upstream, risks=[RISKS[name] for name in scores]).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert verdict.score == pytest.approx(0.7)
    assert {(f.hazard, f.custom): round(f.probability, 6) for f in verdict.findings} == {
        (Hazard.VIOLENT_CRIMES, "harm"): 0.2,
        (Hazard.VIOLENT_CRIMES, None): 0.7,
        (Hazard.HATE, "profanity"): 0.4,
    }


async def test_risks_of_ones_own(server: ScriptedUpstream, upstream: Upstream) -> None:
    own = Risk(name="rivals", hazard=Hazard.OFF_TOPIC, criterion="It is about rivals.", custom="r")
    server.respond = lambda _: score(0.9)
    verdict = await MAKE(upstream, risks=[own]).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert verdict.findings == (
        Finding(hazard=Hazard.OFF_TOPIC, probability=verdict.score or 0, custom="r"),
    )
    with pytest.raises(ValueError, match="'rivals' is not the model's own"):
        MAKE(upstream, generation="3.3", risks=[own])


@pytest.mark.parametrize(
    "options",
    [
        {"risks": []},
        {"risks": [RISKS["harm"], RISKS["harm"]]},
        {"tools": [], "risks": [RISKS["function_call"]]},
        {"think": True, "generation": "3.0"},
        {"top_logprobs": 21},
    ],
)
async def test_wrong_options(options: dict[str, Any], upstream: Upstream) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        MAKE(upstream, **options)


def test_every_risk_of_the_model_means_something() -> None:
    assert set(RISKS) == {
        *("harm", "social_bias", "jailbreak", "violence", "profanity", "sexual_content"),
        *("unethical_behavior", "answer_relevance", "groundedness", "function_call"),
    }


def chat(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("<score> yes </score>", 1.0),
        ("<score>no</score>\n", 0.0),
        ("<think>\n</think>\n<score> no </score>", 0.0),
        ("<think>One says <score> yes </score> here.</think><score>no</score>", 0.0),
    ],
)
def test_exact_scores(text: str, yes: float) -> None:
    assert read_score(chat(text)) == (yes, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "<score> maybe </score>",
        "<score> yes no </score>",
        "<score> Yes </score>",
        "<score> yes",
        "<think>a<score> no </score>",
        "<think>a</think>b</think><score> no </score>",
        "<think>a</think> so <score> no </score>",
        "<score> no </score><score> yes </score>",
        "<score> no </score> because",
    ],
)
def test_other_scores_are_nonsense(text: str) -> None:
    with pytest.raises(GuardNonsenseError):
        read_score(chat(text))


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("Yes", 1.0),
        (" no\n", 0.0),
        ("No\n<confidence> High </confidence>", 0.0),
        ("Yes <confidence>Low</confidence>", 1.0),
    ],
)
def test_exact_words(text: str, yes: float) -> None:
    assert read_word(chat(text)) == (yes, False)


@pytest.mark.parametrize(
    "text",
    ["", "Yes.", "Not", "No <confidence> Some </confidence>", "Yes No", "Failed", "<score>no"],
)
def test_other_words_are_nonsense(text: str) -> None:
    with pytest.raises(GuardNonsenseError):
        read_word(chat(text))


PIECES = ["<think>", "</think>", "<score>", "</score>", " yes ", " no ", "\n", "x", "Yes", "No"]


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_only_the_grammars_pass(text: str) -> None:
    try:
        yes, told = read_score(chat(text))
    except GuardNonsenseError:
        pass
    else:
        last = text.rpartition("</think>")[2].strip()
        assert last.removeprefix("<score>").removesuffix("</score>").strip() == (
            "yes" if yes else "no"
        )
        assert not told
    try:
        yes, _ = read_word(chat(text))
    except GuardNonsenseError:
        return
    assert text.strip().lower() == ("yes" if yes else "no")


async def test_probabilities_of_each_generation(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    for generation, plan in (
        ("3.0", word(0.3)),
        ("3.0", completion("No\n<confidence> Low </confidence>", tokens=(("No", logs(No=0.7)),))),
        ("3.3", score(0.3)),
        ("4.1", score(0.3, thought="é <score> yes </score> 你\ufffd")),
    ):
        server.respond = lambda _, plan=plan: plan  # type: ignore[misc] # mypy infers no default
        verdict = await MAKE(upstream, generation=generation).judge(INPUT)
        assert isinstance(verdict, Verdict)
        assert verdict.score == pytest.approx(0.3)
        assert not verdict.revision.endswith("/text-only")
