"""JSON schemas of foreign parties, made safe to validate with and to show to a model."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import orjson
from jsonschema.exceptions import SchemaError

MOST_CHARS = 32_000
"""Of a schema as JSON: all of it would stand in every prompt."""

_MOST_STEPS = 20_000
_MOST_DEPTH = 64
_NAMED = ("properties", "$defs", "definitions", "dependentSchemas")
_DROPPED = frozenset({"$schema", "$id", "$anchor", "$dynamicAnchor", "patternProperties"})
"""Beside patterns, what could make a reference mean something else than its pointer."""
_MUTE = frozenset({"type", "$ref", "format", "required"})


class ForeignSchemaError(ValueError):
    """A schema that Corral does not work with; the message says why and quotes nothing of it."""


def tamed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an arguments object without what could keep a validator busy for ever.

    A regular expression of a foreign party can take exponential time on a few characters, so
    ``pattern`` stays as ``x-pattern``, for the model to read. Where that changes what ``not`` or
    ``oneOf`` mean, more is refused, never less; the foreign party checks its own patterns anyway.

    Raises:
        ForeignSchemaError: it is no schema of an object, too large, or too entangled.
    """
    try:
        if len(orjson.dumps(schema)) > MOST_CHARS:
            raise ForeignSchemaError(f"its input schema has more than {MOST_CHARS} bytes")
        without: Any = _without_patterns(schema, 0)
        jsonschema.Draft202012Validator.check_schema(without)
    except SchemaError:
        raise ForeignSchemaError("its input schema is no JSON schema (draft 2020-12)") from None
    except (TypeError, RecursionError):
        raise ForeignSchemaError("its input schema is no JSON, or nested too deeply") from None
    if without.get("type") != "object" or not isinstance(without.get("properties", {}), dict):
        raise ForeignSchemaError("its input schema does not describe an object")
    _Effort(without).check()
    return {"properties": {}, **without}


def _without_patterns(node: Any, depth: int) -> Any:
    if depth > _MOST_DEPTH:
        raise ForeignSchemaError("its input schema is nested too deeply")
    if isinstance(node, list):
        return [_without_patterns(each, depth + 1) for each in node]
    if not isinstance(node, Mapping):
        return node
    kept = {}
    by_pattern = "patternProperties" in node
    for key, value in node.items():
        if key == "pattern":
            kept["x-pattern"] = value
        elif key in _DROPPED or (by_pattern and key == "additionalProperties"):
            continue
        elif key in _NAMED and isinstance(value, Mapping):
            kept[key] = {name: _without_patterns(each, depth + 1) for name, each in value.items()}
        elif key in ("default", "const", "enum", "examples"):
            kept[key] = value
        else:
            kept[key] = _without_patterns(value, depth + 1)
    return kept


class _Effort:
    """Counts what a validator could come past, every reference taken as what it names.

    References that double at each of thirty levels fit into a few hundred bytes and take an hour.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[str, int] = {}
        self._open: set[str] = set()

    def check(self) -> None:
        """Raises ForeignSchemaError for too much, and for references that lead nowhere."""
        if self._of(self._root) > _MOST_STEPS:
            raise ForeignSchemaError("its input schema is too entangled")

    def _of(self, node: Any) -> int:
        if isinstance(node, list):
            return 1 + sum(self._of(each) for each in node)
        if not isinstance(node, Mapping):
            return 1
        steps = 1 + sum(self._of(each) for each in node.values())
        for key in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(node.get(key), str):
                steps += self._named(node[key])
        return steps

    def _named(self, reference: str) -> int:
        if reference in self._open:
            return 1
        if reference not in self._known:
            self._open.add(reference)
            self._known[reference] = self._of(pointed(self._root, reference))
            self._open.discard(reference)
        return self._known[reference]


def pointed(root: Any, reference: str) -> Any:
    """What ``reference``, as ``#/$defs/name``, names in ``root``.

    Raises:
        ForeignSchemaError: it leads out of the document, or nowhere.
    """
    if reference != "#" and not reference.startswith("#/"):
        raise ForeignSchemaError("a reference leads out of the document")
    node = root
    for raw in reference.split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and step in node:
            node = node[step]
        elif isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        else:
            raise ForeignSchemaError("a reference leads nowhere")
    return node


def words(schema: Any) -> Iterator[str]:
    """All that a model would read in a schema: names, descriptions, defaults, choices."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in _NAMED and isinstance(value, Mapping):
                for name, each in value.items():
                    yield str(name)
                    yield from words(each)
            elif key not in _MUTE:
                if key.startswith(("x-", "$")) or key not in _ORDINARY:
                    yield key
                yield from words(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from words(each)
    elif isinstance(schema, str):
        yield schema


_ORDINARY = frozenset(jsonschema.Draft202012Validator.META_SCHEMA["properties"]) | {
    "additionalProperties", "allOf", "anyOf", "const", "contains", "default", "dependentRequired",
    "description", "deprecated", "else", "enum", "examples", "exclusiveMaximum",
    "exclusiveMinimum", "if", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "nullable", "oneOf",
    "prefixItems", "readOnly", "then", "title", "uniqueItems", "writeOnly", "x-pattern",
}  # fmt: skip
