"""A policy as a gate in a chain."""

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.runnables import RunnableLambda

from assistant.testing.scripted_guard import ScriptedGuard, flag
from guards.conversation import Exchange
from guards.hazards import Hazard
from guards.langchain.messages import UnjudgeableError
from guards.verdict import Finding, Span
from policies.admitted import Admitted
from policies.decision import Refuse
from policies.langchain.gate import PolicyGate
from policies.langchain.terms import BlockedError, as_read, spoken
from tests.policies.langchain.scripted import POLICY, panel

BOMB = {"BOMB": Hazard.INDISCRIMINATE_WEAPONS}
MAIL = "ana@example.org"
PICTURE = {"type": "image", "base64": "AA==", "mime_type": "image/png"}


def gate(answer: Any = None, **more: Any) -> PolicyGate:
    return PolicyGate(panel(ScriptedGuard(answer=answer or flag(BOMB))), POLICY, **more)


def finds_mail(exchange: Exchange) -> Any:
    at = exchange.text.find(MAIL)
    if at < 0:
        return ()
    span = Span(start=at, end=at + len(MAIL))
    return (Finding(hazard=Hazard.PERSONAL_DATA, probability=0.99, span=span, label="IBAN"),)


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        HumanMessage("hello"),
        [SystemMessage("BOMB"), HumanMessage("hello")],
        ChatPromptValue(messages=[HumanMessage("hello")]),
        StringPromptValue(text="hello"),
    ],
)
async def test_what_is_allowed_goes_on_as_it_is(value: Any) -> None:
    assert await gate().ainvoke(value) is value


async def test_what_is_not_is_raised_with_its_decision() -> None:
    model = RunnableLambda(lambda _: pytest.fail("the model was asked"))
    with pytest.raises(BlockedError) as error:
        await (gate() | model).ainvoke("a BOMB, SECRET")
    assert isinstance(error.value.decision, Refuse)
    assert error.value.decision.basis.clause
    assert "SECRET" not in str(error.value)


async def test_or_answered() -> None:
    chain = FakeListChatModel(responses=["take a BOMB"]) | gate(blocked="answer")
    answer = await chain.ainvoke("hi")
    assert isinstance(answer, AIMessage)
    assert "BOMB" not in str(answer.content)
    assert answer.response_metadata["corral"]["decision"] == "refuse"


async def test_i2_a_guard_that_fails_stops_the_chain() -> None:
    with pytest.raises(BlockedError) as error:
        await gate(lambda _: RuntimeError("SECRET")).ainvoke("hello")
    assert error.value.decision.basis.clause == "guard-unavailable"


async def test_a_reply_goes_on_rewritten_in_its_own_kind() -> None:
    said = AIMessage(f"Write to {MAIL} now", id="x")
    passed = await gate(finds_mail).ainvoke(said)
    assert isinstance(passed, AIMessage)
    assert passed.id == "x"
    assert MAIL not in str(passed.content)
    assert str(passed.content).endswith(" now")
    prompt = ChatPromptValue(messages=[said, HumanMessage("and?")])
    read = await gate(finds_mail).ainvoke(prompt)
    assert isinstance(read, ChatPromptValue)
    assert MAIL not in read.to_string()
    assert MAIL in prompt.to_string()


async def test_images_stay_where_text_is_rewritten_and_guidance_joins_the_instructions() -> None:
    original = [
        SystemMessage("Be kind."),
        HumanMessage([{"type": "text", "text": "old"}, PICTURE]),
    ]
    (message,) = spoken(original)
    new = spoken([HumanMessage([{"type": "text", "text": "new"}, PICTURE])])[0]
    admitted = Admitted(
        history=(),
        message=new,
        guidance=("Be careful.",),
        decision=None,  # type: ignore[arg-type] # not looked at
        changed=True,
    )
    read = as_read(original, admitted)
    assert [type(m) for m in read] == [SystemMessage, SystemMessage, HumanMessage]
    assert read[1].content == "Be careful."
    assert read[2].content == [{"type": "text", "text": "new"}, PICTURE]
    assert message.text == "old"


async def test_an_input_of_instructions_alone_is_told() -> None:
    with pytest.raises(UnjudgeableError, match="nothing but system"):
        await gate().ainvoke([SystemMessage("rules")])


def test_it_works_without_a_loop() -> None:
    chain = gate() | FakeListChatModel(responses=["fine"])
    assert chain.invoke("hi").content == "fine"
    assert [answer.content for answer in chain.batch(["hi", "yo"])] == ["fine", "fine"]
    assert "".join(str(piece.content) for piece in chain.stream("hi")) == "fine"
