"""Schemas of an OpenAPI document as JSON Schema that stands alone."""

import re
from collections.abc import Mapping
from typing import Any

from plugins.adapters.openapi.document import Document, DocumentError

_SHOWN = frozenset(
    {
        "type", "format", "title", "description", "default", "enum", "const", "examples",
        "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
        "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxProperties",
        "minProperties", "required", "deprecated", "contentMediaType", "contentEncoding",
    }
)  # fmt: skip
_MOST_STEPS = 10_000
_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_OF_SCHEMA = ("not", "items", "additionalProperties", "contains", "propertyNames", "if", "then",
              "else", "unevaluatedProperties")  # fmt: skip
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas")


class Schemas:
    """Converts schemas for a request, and gathers those they refer to below ``$defs``."""

    def __init__(self, document: Document) -> None:
        self.definitions: dict[str, Any] = {}
        self._document = document
        self._names: dict[str, str] = {}
        self._steps = 0

    def converted(self, node: Any) -> Any:
        """The schema as JSON Schema of draft 2020-12.

        Raises:
            DocumentError: it refers to what is not in the document.
        """
        self._steps += 1
        if self._steps > _MOST_STEPS:
            # A few lines of YAML that name each other make millions.
            raise DocumentError("has a schema that is too large")
        if not isinstance(node, Mapping):
            return node if isinstance(node, bool) else {}
        if isinstance(node.get("$ref"), str):
            named: dict[str, Any] = {"$ref": f"#/$defs/{self._named(node['$ref'])}"}
            if not self._document.old and isinstance(node.get("description"), str):
                named["description"] = node["description"]
            return named
        schema = self._own(node)
        self._drop_read_only(node, schema)
        if self._document.old:
            schema = _newer(node, schema)
        return schema

    def _own(self, node: Mapping[str, Any]) -> dict[str, Any]:
        schema: dict[str, Any] = {}
        for key, value in node.items():
            if key in _SHOWN:
                schema[key] = value
            elif key in _OF_SCHEMAS and isinstance(value, list):
                schema[key] = [self.converted(each) for each in value]
            elif key in _OF_SCHEMA and isinstance(value, Mapping | bool):
                schema[key] = self.converted(value)
            elif key in _NAMED and isinstance(value, Mapping):
                schema[key] = {str(name): self.converted(each) for name, each in value.items()}
        return schema

    def _drop_read_only(self, node: Mapping[str, Any], schema: dict[str, Any]) -> None:
        """A request does not hold what only answers do."""
        properties = node.get("properties")
        if not isinstance(properties, Mapping):
            return
        hidden = {
            str(name)
            for name, each in properties.items()
            if isinstance(each, Mapping) and each.get("readOnly") is True
        }
        for name in hidden:
            del schema["properties"][name]
        if isinstance(schema.get("required"), list):
            schema["required"] = [name for name in schema["required"] if name not in hidden]

    def _named(self, reference: str) -> str:
        if reference not in self._names:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", reference.rpartition("/")[2]) or "schema"
            name, number = plain, 2
            while name in self._names.values():
                name, number = f"{plain}_{number}", number + 1
            # Known before it is converted: it may refer to itself.
            self._names[reference] = name
            self.definitions[name] = self.converted(self._document.at(reference))
        return self._names[reference]


def _newer(node: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What 3.0 says in its own way, in the words of JSON Schema."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(bound), bool):
            exclusive = schema.pop(bound)
            if exclusive and limit in schema:
                schema[bound] = schema.pop(limit)
    if node.get("nullable") is not True:
        return schema
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
