"""Values that a schema leaves so little room for that nothing can be smuggled in them."""

from collections.abc import Iterator, Mapping
from typing import Any

MOST = 1_000
"""The widest range of an integer that counts as bounded."""
_DEPTH = 8


def is_bounded(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether ``value`` is one of few that ``schema`` names: a boolean, nothing, the default, one
    of an ``enum``, an integer between a ``minimum`` and a ``maximum`` that lie close."""
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return True
    return any(_names(value, option) for option in options(schema, root))


def _names(value: Any, option: Mapping[str, Any]) -> bool:
    if "default" in option and _same(option["default"], value):
        return True
    if "const" in option and _same(option["const"], value):
        return True
    members = option.get("enum")
    if isinstance(members, list) and any(_same(member, value) for member in members):
        return True
    if not isinstance(value, int):
        return False
    low, high = option.get("minimum"), option.get("maximum")
    return (
        isinstance(low, int | float) and isinstance(high, int | float) and 0 <= high - low <= MOST
    )


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def options(
    schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0
) -> Iterator[Mapping[str, Any]]:
    """``schema`` and the schemas that it offers as ways to meet it."""
    if depth > _DEPTH or not isinstance(schema, Mapping):
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from options(_resolved(reference, root), root, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        inner = schema.get(word)
        for option in inner if isinstance(inner, list) else ():
            yield from options(option, root, depth + 1)


def _resolved(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    if not reference.startswith("#/"):
        return {}
    for step in reference[2:].split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def inside(
    name: str | None, schema: Mapping[str, Any], root: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The schema of the field ``name``, or of a list's items for ``None``; ``None`` when the
    schema does not name it."""
    for option in options(schema, root):
        if name is None:
            items = option.get("items")
            if isinstance(items, Mapping):
                return items
        else:
            fields = option.get("properties")
            if isinstance(fields, Mapping) and isinstance(fields.get(name), Mapping):
                found: Mapping[str, Any] = fields[name]
                return found
    return None
