"""Reading a request's fields: strict models, and errors that name the field."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.api.failures import ApiError, invalid

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")


class Wire(BaseModel):
    """What comes over the wire: nothing is converted, fields we don't know are kept apart."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, hide_input_in_errors=True)


W = TypeVar("W", bound=Wire)


def read(model: type[W], body: dict[str, Any]) -> W:
    """``body`` as ``model``.

    Raises:
        ApiError: 400 naming the first wrong field and what would be right.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _explain(first["type"], first["loc"], first["msg"], first.get("ctx", {})) from None


def path(location: Sequence[int | str]) -> str:
    """``messages[3].content[0].text`` of a location; tags of unions are not part of it."""
    text = ""
    for step in location:
        if isinstance(step, int) or not step.startswith("<"):
            text = join(text, step)
    return text


def join(parent: str, step: int | str) -> str:
    """``parent.step`` or ``parent[step]``.

    A key that is no plain field name is content, and content is not quoted.
    """
    if isinstance(step, int):
        return f"{parent}[{step}]"
    name = step if _FIELD.fullmatch(step) else "*"
    return f"{parent}.{name}" if parent else name


def _explain(
    kind: str, location: Sequence[int | str], message: str, ctx: dict[str, Any]
) -> ApiError:
    param = path(location) or "body"
    match kind:
        case "missing":
            return invalid(param, "is missing")
        case "extra_forbidden":
            return invalid(param, "is not known", code="unknown_field")
        case "union_tag_invalid":
            # Pydantic's own words quote the value.
            tags = str(ctx.get("expected_tags", "")).replace("<", "").replace(">", "")
            return invalid(f"{param}.type", f"must be one of {tags}")
        case "union_tag_not_found":
            return invalid(f"{param}.type", "is missing")
        case "string_pattern_mismatch":
            return invalid(param, f"must match {ctx.get('pattern')}")
        case "value_error":
            return invalid(param, str(ctx.get("error", "is not valid")))
        case "too_short" | "string_too_short":
            return invalid(param, f"must have at least {ctx.get('min_length')} {_unit(kind)}")
        case "too_long" | "string_too_long":
            return invalid(param, f"must have at most {ctx.get('max_length')} {_unit(kind)}")
        case "none_required":
            return invalid(param, "is not supported; leave it out", code="unsupported_field")
        case _:
            return invalid(param, message.replace("Input should be", "must be", 1))


def _unit(kind: str) -> str:
    return "characters" if kind.startswith("string") else "items"
