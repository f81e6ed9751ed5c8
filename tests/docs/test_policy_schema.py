"""The policy reference says what the code says."""

import re

import pytest
from pydantic import BaseModel

from guards.conversation import Subject
from guards.hazards import Hazard
from policies.audience import Audience
from policies.cases import CallModel, CaseModel, ExpectModel, FindingModel
from policies.clause import DEFAULT_DENY, GUARD_UNAVAILABLE, PAYLOAD_FIELD, PRIORITIES
from policies.conditions import VARIABLES
from policies.consistency import SUBJECTS_OF
from policies.document import parse_document
from policies.schema import (
    ClauseModel,
    DegradedModel,
    LineModel,
    PolicyModel,
    RegionModel,
    ResourcesModel,
    Thresholds,
    TopicModel,
)
from policies.texts import ANYWHERE, APPROVAL, LINE_KEYS, REQUIRED_KEYS
from policies.validation import nearest
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/policy-schema.md").read_text(encoding="utf-8")

MODELS: dict[str, type[BaseModel]] = {
    "The policy file": PolicyModel,
    "A clause": ClauseModel,
    "Thresholds": Thresholds,
    "A topic": TopicModel,
    "Stand-ins for missing guards": DegradedModel,
    "The file of crisis lines": ResourcesModel,
    "A country": RegionModel,
    "A line": LineModel,
    "A case": CaseModel,
    "A call": CallModel,
    "A finding": FindingModel,
    "What is expected": ExpectModel,
}


def rows(heading: str) -> list[str]:
    """The rows of the first table below a heading."""
    _, found, rest = PAGE.partition(f"# {heading}\n")
    assert found, f"no heading {heading!r}"
    table = rest.partition("\n|---")[2].partition("\n\n")[0]
    return table.splitlines()[1:]


def default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, list) and len(value) > 1:
        return "all"
    if value in ([], {}, None):
        return ""
    if isinstance(value, list):
        return f"`[{value[0]}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize("heading", MODELS)
def test_every_field_is_listed_with_its_default_and_meaning(heading: str) -> None:
    model = MODELS[heading]
    expected = [
        f"| `{name}` | {default(model, name)} | {field.description} |"
        for name, field in model.model_fields.items()
    ]
    assert rows(heading) == expected, "the table should be:\n" + "\n".join(expected)


def test_every_variable_of_a_condition_is_listed() -> None:
    expected = [f"| `{name}` | {kind} | {what} |" for name, (kind, what) in VARIABLES.items()]
    listed = rows("Conditions")
    assert listed[: len(expected)] == expected, "\n".join(expected)
    assert [row.split("`")[1] for row in listed[len(expected) :]] == [
        "mentions.NAME",
        "asked.NAME",
    ]


def test_every_decision_is_listed() -> None:
    expected = [
        (kind.value, str(PRIORITIES[kind]), PAYLOAD_FIELD[kind])
        for kind in sorted(PRIORITIES, key=PRIORITIES.__getitem__, reverse=True)
    ]
    listed = [re.findall(r"`(\w+)` \| (\d+) \| `(\w+)`", row)[0] for row in rows("Decisions")]
    assert listed == expected
    for kind, subjects in SUBJECTS_OF.items():
        [row] = [row for row in rows("Decisions") if f"| `{kind}`" in row]
        assert set(re.findall(r"`(\w+)`", row.split("|")[-2])) == {*subjects}


def test_the_closed_lists_are_complete() -> None:
    for heading, members in (
        ("Hazards", [h.value for h in Hazard]),
        ("Subjects", [s.value for s in Subject]),
        ("Audiences", [a.value for a in Audience]),
        ("Texts", [*REQUIRED_KEYS, APPROVAL, *LINE_KEYS, ANYWHERE]),
        ("Reserved clauses", [DEFAULT_DENY, GUARD_UNAVAILABLE]),
    ):
        listed = [row.split("`")[1] for row in rows(heading)]
        assert listed == members, heading


def test_the_example_is_a_clause() -> None:
    [example] = re.findall(r"```yaml\n(clauses:.*?)```", PAGE, re.DOTALL)
    [clause] = parse_document(example, "example").data["clauses"]
    assert ClauseModel.model_validate(clause).id == "fraud"


def test_a_misspelling_is_recognised_as_the_page_says() -> None:
    assert nearest("hazard", ClauseModel.model_fields) == '; did you mean "hazards"?'
