"""What the guards make of a real server's answers."""

import asyncio

from guards.conversation import Exchange, Role, Subject, text_message
from guards.models.llama_guard import LlamaGuard
from guards.models.llama_guard_answer import read_answer
from guards.panel import Panel, Seat
from guards.upstream import Upstream
from guards.verdict import Failure
from tests.live.conftest import MODEL


def question(text: str) -> Exchange:
    message = text_message(text, id="1", role=Role.USER)
    return Exchange(subject=Subject.USER_INPUT, message=message)


async def test_a_model_that_is_no_guard_allows_nothing(upstream: Upstream) -> None:
    guard = LlamaGuard(
        [upstream],
        generation="3",
        model=MODEL,
        clock=asyncio.get_running_loop().time,
        timeout=60,
    )
    panel = Panel([Seat(guard=guard, subjects=frozenset({Subject.USER_INPUT}), deadline=60)])
    verdict = await panel.judge(question("How do I bake bread?"))
    assert not verdict.complete
    assert [unscanned.reason for unscanned in verdict.unscanned] == [Failure.NONSENSE]


async def test_a_verdict_and_its_probability_are_read_from_a_real_answer(
    upstream: Upstream,
) -> None:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Repeat this one word and nothing else: safe"}],
        "temperature": 0.0,
        "max_tokens": 16,
        "logprobs": True,
        "top_logprobs": 20,
        "structured_outputs": {"choice": ["safe", "unsafe\nS1,S9"]},
    }
    answer = read_answer(await upstream.post_json("chat/completions", body, timeout=60))
    assert answer.codes == ()
    assert answer.score is not None
    assert 0 < answer.score < 0.5
    body["structured_outputs"] = {"choice": ["unsafe\nS1,S9"]}
    body["logprobs"] = False
    del body["top_logprobs"]
    answer = read_answer(await upstream.post_json("chat/completions", body, timeout=60))
    assert answer.codes == ("S1", "S9")
    assert answer.score is None
