"""Arguments that are made from schemas meet them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.conformance.arguments import HOSTILE, hostile, meets, plain
from plugins.tool import ToolSpec


def spec(**properties: Any) -> ToolSpec:
    return ToolSpec(
        name="act",
        description="Act.",
        parameters={
            "type": "object",
            "properties": properties,
            "required": sorted(properties),
            "additionalProperties": False,
            "$defs": {"Unit": {"enum": ["C", "F"]}},
        },
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "minLength": 12, "maxLength": 12},
        {"type": "string", "pattern": "^[A-Z]{3}$"},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 5, "maximum": 5},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "integer", "exclusiveMaximum": -3},
        {"type": "boolean"},
        {"type": ["null", "string"]},
        {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"$ref": "#/$defs/Unit"},
        {"const": 3},
        {"default": "x", "type": "string"},
    ],
    ids=str,
)
def test_made_arguments_meet_their_schema(schema: dict[str, Any]) -> None:
    (arguments,) = plain(spec(value=schema))
    assert set(arguments) == {"value"}


@given(low=st.integers(-1000, 1000), width=st.integers(0, 50), whole=st.booleans())
def test_numbers_lie_within_their_bounds(low: int, width: int, whole: bool) -> None:
    kind = "integer" if whole else "number"
    made = plain(spec(value={"type": kind, "minimum": low, "maximum": low + width}))
    assert len(made) == 1


def test_optional_arguments_are_tried_with_and_without() -> None:
    tool = spec(value={"type": "string"})
    tool.parameters["required"] = []
    assert plain(tool) == ({}, {"value": "example"})


def test_every_parameter_is_tried_with_every_hostile_value() -> None:
    tool = spec(one={"type": "string"}, two={"type": "integer"})
    (base,) = plain(tool)
    tried = dict(hostile(tool, base))
    assert len(tried) == 2 + 2 * (1 + len(HOSTILE))
    assert not meets(tool, tried["two is an empty text"])
    assert meets(tool, tried["one is a NUL"])
    assert tried["one is null"]["two"] == base["two"]
