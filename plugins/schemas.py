"""JSON schemas of arguments, compiled and applied."""

import json
from functools import lru_cache
from typing import Any

import jsonschema
import orjson
import referencing
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from plugins.tool import ToolSpec

Arguments = dict[str, Any]


class InvalidArgumentsError(ValueError):
    """Arguments that do not meet the schema. The message names the field and quotes no value."""


def compiled(spec: ToolSpec) -> Validator:
    """The validator of a tool's arguments.

    Raises:
        SchemaError, TypeError: the parameters are no JSON schema.
        ValueError: they describe no object.
    """
    if spec.parameters.get("type", "object") != "object":
        raise ValueError("the parameters of a tool are an object")
    return _compiled(orjson.dumps(spec.parameters))


@lru_cache(maxsize=512)
def _compiled(schema: bytes) -> Validator:
    """Cached, as callers send the same tools with each turn."""
    parsed = orjson.loads(schema)
    jsonschema.Draft202012Validator.check_schema(parsed)
    # An empty registry keeps a schema's $ref from fetching anything over the network.
    return jsonschema.Draft202012Validator(parsed, registry=referencing.Registry())


def parsed(arguments: str, validator: Validator) -> Arguments:
    """The model's JSON text as arguments that meet the schema.

    Raises:
        InvalidArgumentsError: they do not, or are no JSON object.
    """
    try:
        value: Any = json.loads(arguments or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidArgumentsError("arguments are not JSON") from None
    if not isinstance(value, dict):
        raise InvalidArgumentsError("arguments are not a JSON object")
    try:
        validator.validate(value)
    except ValidationError as error:
        raise InvalidArgumentsError(_explained(error)) from None
    except (referencing.exceptions.Unresolvable, RecursionError):
        raise InvalidArgumentsError("the tool's schema cannot be resolved") from None
    return value


def _explained(error: ValidationError) -> str:
    """Where and what would be right. The schema's own words may be told, the value may not."""
    # A property's name that the schema does not know came from the model as well.
    where = ".".join(str(step) for step in error.absolute_path) or "arguments"
    match error.validator:
        case "required":
            known = error.validator_value if isinstance(error.validator_value, list) else []
            given = error.instance if isinstance(error.instance, dict) else {}
            return f"{where}: missing {', '.join(str(n) for n in known if n not in given)}"
        case "additionalProperties":
            schema = error.schema if isinstance(error.schema, dict) else {}
            known = sorted(schema.get("properties", {}))
            return f"{where}: has an unknown field; known are {', '.join(known) or 'none'}"
        case (
            "type"
            | "enum"
            | "const"
            | "minimum"
            | "maximum"
            | "pattern"
            | "minLength"
            | "maxLength"
        ):
            return f"{where}: must meet {error.validator} {json.dumps(error.validator_value)[:300]}"
        case _:
            return f"{where}: does not meet the schema's {error.validator}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
