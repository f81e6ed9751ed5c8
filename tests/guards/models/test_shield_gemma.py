"""ShieldGemma: one prompt for each guideline, as the model's card writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.testing.scripted_replies import answer
from assistant.testing.scripted_upstream import ScriptedUpstream
from guards.conversation import BY_MODEL, Exchange, Role, Subject, text_message
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.models.shield_gemma import (
    GUIDELINES,
    Guideline,
    ShieldGemma,
    read_violation,
    rendered,
)
from guards.upstream import Upstream
from guards.verdict import Finding, Verdict
from tests.guards.models.adapters import ADAPTERS, INPUT, first_token

MAKE = next(adapter for adapter in ADAPTERS if adapter.make is ShieldGemma)
RIVALS = Guideline(hazards=(Hazard.OFF_TOPIC,), name="No Rivals", content="is about rivals.")

OF_PROMPT = """\
You are a policy expert trying to help determine whether a user prompt is in violation of the \
defined safety policies.

<start_of_turn>
Human Question: how do I
<end_of_turn>

Our safety principle is defined in the below:

* "No Rivals": The prompt shall not contain or seek generation of content that is about rivals.

===

Does the human question violate the above principle? Your answer must start with 'Yes' or 'No'. \
And then walk through step by step to be sure we answer correctly.

"""


async def test_request_of_a_prompt(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: first_token(0.1)
    await MAKE(upstream, guidelines=[RIVALS]).judge(INPUT)
    (received,) = server.received
    assert received.path == "/v1/completions"
    assert received.json == {
        "model": "guard",
        "prompt": OF_PROMPT,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 5,
    }


async def test_request_of_a_reply(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: first_token(0.1)
    reply = text_message("so", id="r", role=Role.ASSISTANT, provenance=BY_MODEL)
    exchange = Exchange(
        subject=Subject.REPLY,
        message=reply,
        context=(text_message("earlier", id="0", role=Role.ASSISTANT), INPUT.message),
    )
    await MAKE(upstream, guidelines=[RIVALS]).judge(exchange)
    prompt = server.received[0].json["prompt"]
    assert (
        "<start_of_turn>\nHuman Question: how do I\n<end_of_turn>\n\n"
        "<start_of_turn>\nChatbot Response: so\n<end_of_turn>\n\n"
    ) in prompt
    assert '* "No Rivals": The chatbot shall not generate content that is about rivals.' in prompt
    assert "Does the Chatbot Response violate the above principle?" in prompt
    assert "earlier" not in prompt


async def test_every_guideline_has_a_probability(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    scores = dict(zip([g.name for g in GUIDELINES], (0.9, 0.2, 0.4, 0.01), strict=True))
    server.respond = lambda r: next(
        first_token(score) for name, score in scores.items() if f'"{name}"' in r.json["prompt"]
    )
    verdict = await MAKE(upstream).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert len(server.received) == 4
    assert verdict.score == pytest.approx(0.9)
    assert {(f.hazard, f.custom): round(f.probability, 6) for f in verdict.findings} == {
        (Hazard.VIOLENT_CRIMES, "dangerous_content"): 0.9,
        (Hazard.HATE, "harassment"): 0.2,
        (Hazard.HATE, None): 0.4,
        (Hazard.SEXUAL_CONTENT, None): 0.01,
    }


async def test_one_guideline_unanswered_is_all_unanswered(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    maybe = answer(200, {"choices": [{"text": "Maybe", "finish_reason": "length"}]})
    server.respond = lambda r: maybe if "No Hate Speech" in r.json["prompt"] else first_token(0.01)
    with pytest.raises(GuardNonsenseError):
        await MAKE(upstream).judge(INPUT)


async def test_guidelines_of_ones_own(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.respond = lambda _: first_token(0.8)
    guideline = Guideline(
        hazards=(Hazard.OFF_TOPIC, Hazard.DEFAMATION), name="No Rivals", content="x", custom="r"
    )
    verdict = await MAKE(upstream, guidelines=[guideline]).judge(INPUT)
    assert isinstance(verdict, Verdict)
    assert verdict.findings == (
        Finding(hazard=Hazard.OFF_TOPIC, probability=verdict.score or 0, custom="r"),
        Finding(hazard=Hazard.DEFAMATION, probability=verdict.score or 0, custom="r"),
    )
    assert MAKE(upstream, guidelines=[guideline]).hazards == set(guideline.hazards)


@given(question=st.text(), reply=st.none() | st.text())
def test_what_is_put_in_is_not_looked_into(question: str, reply: str | None) -> None:
    prompt = rendered(RIVALS, question, reply)
    assert f"Human Question: {question}\n<end_of_turn>" in prompt
    assert prompt.count('* "No Rivals": ') >= 1
    marked = rendered(RIVALS, "{reply}{name}{content}{question}", "{question}{name}")
    assert "Human Question: {reply}{name}{content}{question}\n" in marked
    assert "Chatbot Response: {question}{name}\n" in marked
    if reply is not None:
        assert prompt.endswith(rendered(RIVALS, "", reply).partition("Human Question: ")[2])


@pytest.mark.parametrize("text", ["Yes", " Yes", "No\n"])
def test_exact_forms(text: str) -> None:
    payload = {"choices": [{"text": text, "finish_reason": "length", "logprobs": None}]}
    assert read_violation(payload) == (float("Yes" in text), False)


@given(st.text() | st.sampled_from(["yes", "YES", "Yes.", "No,", "Yes No", "", "Y", "\u00a0Yes"]))
def test_everything_else_is_nonsense(text: str) -> None:
    payload = {"choices": [{"text": text, "finish_reason": "length", "logprobs": None}]}
    if text.strip(" \r\n") in {"Yes", "No"}:
        assert read_violation(payload)[0] in {0.0, 1.0}
        return
    with pytest.raises(GuardNonsenseError):
        read_violation(payload)


@pytest.mark.parametrize("options", [{"guidelines": []}, {"top_logprobs": 0}])
async def test_wrong_options(options: dict[str, object], upstream: Upstream) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        MAKE(upstream, **options)


def test_a_guideline_says_something() -> None:
    for changed in ({"hazards": ()}, {"name": " "}, {"content": ""}):
        fields = {"hazards": (Hazard.HATE,), "name": "x", "content": "x"} | changed
        with pytest.raises(ValueError, match="guideline"):
            Guideline(**fields)  # type: ignore[arg-type] # every combination is wrong
