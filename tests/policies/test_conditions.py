from typing import Any

import pytest

from guards.conversation import BY_MODEL, Exchange, Message, Role, Subject, TextPart, ToolCall
from guards.hazards import Hazard
from policies.audience import Audience
from policies.conditions import (
    Compiler,
    Condition,
    ConditionError,
    ConditionFailedError,
    Facts,
)
from policies.phrases import PhraseList
from tests.policies.bundles import exchange, found, verdict

LISTS = {"topic": PhraseList.of(["abortion*"]), "human": PhraseList.of(["are you human"])}


def compiled(expression: str) -> Condition:
    return Compiler(LISTS).compile(expression)


def facts(judged: Exchange) -> Facts:
    said = verdict(found(Hazard.HATE, 0.7), subject=judged.subject)
    return Facts(judged, said, Audience.MINOR, "zh-CN", LISTS)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("mentions.topic", True),
        ("mentions.human", False),
        ("mentions.topic && !mentions.human", True),
        ("asked.topic", True),
        ("text == 'About Abortion'", True),
        ("user_text == text", True),
        ("subject == 'user_input'", True),
        ("audience == 'minor' && locale.startsWith('zh')", True),
        ("tool == ''", True),
        ("p.hate > 0.6 && p.elections == 0.0", True),
        ("text.matches('(?i)abortion$')", True),
        ("size(text) > 100", False),
    ],
)
def test_variables(expression: str, expected: bool) -> None:
    assert compiled(expression).holds(facts(exchange("About Abortion"))) is expected


def test_what_the_person_asked_is_told_from_what_is_judged() -> None:
    judged = exchange("Yes.", Subject.REPLY, user_text="Are you human?")
    assert compiled("asked.human && !mentions.human").holds(facts(judged))
    assert compiled("user_text == 'Are you human?'").holds(facts(judged))
    assert compiled("user_text == ''").holds(facts(exchange("Yes.", Subject.REPLY)))


def test_the_called_tool() -> None:
    message = Message(
        id="m",
        role=Role.ASSISTANT,
        parts=(TextPart(text="{}"),),
        provenance=BY_MODEL,
        tool_calls=(ToolCall(id="c", name="search", arguments="{}"),),
    )
    judged = Exchange(subject=Subject.TOOL_CALL, message=message)
    assert compiled("tool == 'search'").holds(facts(judged))


@pytest.mark.parametrize(
    ("expression", "line", "column", "message"),
    [
        ("mentions.topik", 1, 9, "undeclared reference to 'mentions.topik'"),
        ("foo == 1", 1, 1, "undeclared reference to 'foo'"),
        ("text ==", 1, 8, "Syntax error"),
        ("true &&\n  text.foo()", 2, 11, "undeclared reference to 'foo'"),
        ("size(text)", 1, 1, "must be true or false, not int"),
        ("p.hatred > 0.5", 1, 1, "Key not found in map"),
        ("mentions.topic && text.matches('(')", 1, 1, "invalid regular expression"),
        ("!mentions.topic && text.matches('(')", 1, 1, "invalid regular expression"),
    ],
)
def test_what_cannot_be_evaluated_is_found_at_load(
    expression: str, line: int, column: int, message: str
) -> None:
    with pytest.raises(ConditionError) as raised:
        compiled(expression)
    problem = raised.value.problems[0]
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_every_problem_of_an_expression_is_named() -> None:
    with pytest.raises(ConditionError) as raised:
        compiled("foo && bar")
    assert [problem.column for problem in raised.value.problems] == [1, 8]


@pytest.mark.parametrize("text", ["x", "\ud800"])
def test_an_evaluation_error_is_not_an_answer(text: str) -> None:
    condition = compiled("text == 'sample' || int(text) > 0 || text == 'y'")
    with pytest.raises(ConditionFailedError) as raised:
        condition.holds(facts(exchange(text)))
    assert text not in str(raised.value)


def test_a_variable_of_the_wrong_type_is_an_error() -> None:
    def wrong(name: str, /) -> Any:
        return object()

    with pytest.raises(ConditionFailedError):
        compiled("mentions.topic").holds(wrong)


def test_only_what_is_named_is_worked_out() -> None:
    assert compiled("mentions.topic").needs == ("mentions.topic",)
    assert compiled("text == ''").needs == ("text",)
    assert compiled("user_text == ''").needs == ("user_text",)
