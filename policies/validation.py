"""From a read YAML file to checked models, naming every mistake in plain words."""

import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from policies.document import Document, Location
from policies.mistakes import Mistake

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "string_type": "text (put it in quotes)",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "names with values below them",
    "model_type": "names with values below them",
}

_FORMATS = (
    (r"^[0-9]+\.[0-9]+\.", 'three numbers such as "1.0.0"'),
    ("(-[a-z0-9]+)*$", "lower-case words joined by hyphens"),
    ("[a-z0-9_]*$", "lower-case words joined by underscores"),
    ("^[a-z]{2,3}", "a language tag such as en or zh-TW"),
    ("^[A-Z]{2}$", "a country code such as US"),
    ("^[A-Z][A-Z0-9_-]*$", "a label in capitals such as EMAIL"),
    ("^[A-Za-z0-9_]", "a file beside the policy or in a folder below it"),
)
"""A piece of each pattern in :mod:`policies.schema` that tells it from the others, in words."""


def validate(document: Document, model: type[Model]) -> tuple[Model | None, list[Mistake]]:
    """The document's data as a ``model``, or every way in which it is not one."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        return None, list(_mistakes(document, error, model))


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean "..."?`` for a likely misspelling, else nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _mistakes(
    document: Document, error: ValidationError, model: type[BaseModel]
) -> Iterable[Mistake]:
    seen: set[tuple[Location, bool]] = set()
    for detail in error.errors(include_url=False):
        at_key = detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",)
        location = _in_file(document, detail)
        # A value that fits no member of a union is reported once for each member.
        if (location, at_key) in seen:
            continue
        seen.add((location, at_key))
        message = _explain(detail, location, model)
        yield document.mistake(location, message, at_key=at_key)


def _in_file(document: Document, detail: ErrorDetails) -> Location:
    """The error's place without the steps pydantic adds for unions and keys."""
    location = detail["loc"]
    if detail["type"] == "missing":
        return location
    while location and location not in document.values:
        location = location[:-1]
    return location


def _explain(detail: ErrorDetails, location: Location, model: type[BaseModel]) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        known = _fields(model, location[:-1])
        return f'unknown key "{location[-1]}"{nearest(str(location[-1]), known)}'
    if "threshold" in "".join(str(part) for part in location[-2:]) and not isinstance(value, dict):
        return 'must be a number above 0 and at most 1, or "never"'
    if kind in ("enum", "literal_error"):
        known = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return f'"{value}" is not one of: {", ".join(known)}{nearest(str(value), known)}'
    if kind == "string_pattern_mismatch":
        for piece, words in _FORMATS:
            if piece in str(context["pattern"]):
                return f'"{value}" must be {words}'
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _fields(model: type[BaseModel], location: Location) -> list[str]:
    """The names that may stand at ``location``."""
    shape: Any = model
    for part in location:
        shape = _step(shape, part)
    found = _model(shape)
    return list(found.model_fields) if found else []


def _step(shape: Any, part: str | int) -> Any:
    model = _model(shape)
    if model is not None:
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = get_args(shape)
    return arguments[-1] if get_origin(shape) in (list, dict) and arguments else None


def _model(shape: Any) -> type[BaseModel] | None:
    if get_origin(shape) in (Annotated, Union, types.UnionType):
        found = (_model(member) for member in get_args(shape))
        return next((model for model in found if model), None)
    return shape if isinstance(shape, type) and issubclass(shape, BaseModel) else None
