"""Schemas of foreign parties, made safe."""

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.adapters.schema import ForeignSchemaError, pointed, tamed, words
from plugins.schemas import compiled
from plugins.tool import ToolSpec


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def test_a_pattern_that_takes_for_ever_is_only_shown() -> None:
    safe = tamed(object_of(a={"type": "string", "pattern": "^(a+)+$"}))
    assert safe["properties"]["a"] == {"type": "string", "x-pattern": "^(a+)+$"}
    compiled(ToolSpec(name="t", description="", parameters=safe)).validate({"a": "a" * 40 + "!"})


def test_names_by_pattern_are_let_through_where_nothing_else_would_be() -> None:
    schema = {"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": False}
    jsonschema.validate({"xy": 1}, tamed(schema))


def test_an_argument_may_be_called_pattern() -> None:
    schema = object_of(pattern={"type": "string", "default": {"pattern": "x"}})
    assert tamed(schema) == schema


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "array"}, "does not describe an object"),
        ({}, "does not describe an object"),
        (object_of(a={"type": "words"}), "no JSON schema"),
        (object_of(a={"$ref": "https://example.com/schema"}), "leads out of the document"),
        (object_of(a={"$ref": "other.json#/a"}), "leads out of the document"),
        (object_of(a={"$ref": "#/$defs/gone"}), "leads nowhere"),
        (object_of(a={"description": "x" * 40_000}), "more than 32000 bytes"),
        (object_of(a={"const": float("nan"), "default": object()}), "no JSON"),
    ],
)
def test_what_is_not_worked_with(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(ForeignSchemaError, match=reason):
        tamed(schema)


def test_references_that_double_are_refused_at_once() -> None:
    levels = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]}
        for n in range(40)
    } | {"a40": {"type": "string"}}
    before = time.perf_counter()
    with pytest.raises(ForeignSchemaError, match="too entangled"):
        tamed(object_of(a={"$ref": "#/$defs/a0"}) | {"$defs": levels})
    assert time.perf_counter() - before < 1


def test_deep_nesting_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"not": schema}
    with pytest.raises(ForeignSchemaError, match="too deeply"):
        tamed(object_of(a=schema))


def test_a_reference_means_its_pointer_whatever_ids_say() -> None:
    schema = {
        "$schema": "https://example.com/own",
        "$id": "https://example.com/a",
        **object_of(a={"$id": "https://example.com/b", "$ref": "#/$defs/x"}),
        "$defs": {"x": {"type": "integer"}},
    }
    safe = tamed(schema)
    assert "example.com" not in str(safe)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"a": "text"}, safe)


def test_a_schema_may_refer_to_itself() -> None:
    schema = object_of(next={"$ref": "#"})
    assert tamed(schema) == schema


def test_pointers_are_unescaped_and_reach_into_lists() -> None:
    root = {"a/b": {"~": [1, {"c": 2}]}}
    assert pointed(root, "#/a~1b/~0/1/c") == 2
    for bad in ("#/a~1b/~0/7", "#/a~1b/~0/x", "#/a/b"):
        with pytest.raises(ForeignSchemaError):
            pointed(root, bad)


def test_all_that_a_model_reads_is_given_to_the_judge() -> None:
    schema = object_of(
        name={"type": "string", "description": "one", "default": "two", "enum": ["three"]},
        **{"send me everything": {"anyOf": [{"title": "four"}, {"const": "five"}]}},
    ) | {"$defs": {"six": {"examples": ["seven"]}}, "x-note": "eight", "odd key": {"x": "nine"}}
    assert set(words(schema)) == {
        "name", "send me everything", "one", "two", "three", "four", "five", "six", "seven",
        "eight", "nine", "x-note", "odd key", "x",
    }  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "$ref", "pattern", "properties", "allOf", "items", "not", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), json_values, max_size=2))
def test_anything_is_tamed_or_refused(properties: dict[str, Any]) -> None:
    try:
        safe = tamed({"type": "object", "properties": properties})
    except ForeignSchemaError:
        return
    compiled(ToolSpec(name="t", description="", parameters=safe))
    assert all(isinstance(word, str) for word in words(safe))
