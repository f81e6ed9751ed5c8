"""The page on the guard file says what the code reads."""

from types import UnionType
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from guards.descriptions import BUILT_IN, Described
from guards.making import Description
from tests.docs.model_tables import rows
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/guard-file.md").read_text()
KINDS = {
    kind.model_fields["kind"].annotation.__args__[0]: kind
    for kind in get_args(get_args(Described)[0])
}


def parts(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Models that a field of ``model`` holds."""
    found: list[type[BaseModel]] = []

    def look(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        elif get_origin(annotation) is not None or isinstance(annotation, UnionType):
            for argument in get_args(annotation):
                look(argument)

    for field in model.model_fields.values():
        look(field.annotation)
    return found


def test_what_every_guard_takes_is_listed() -> None:
    expected = rows(Description)
    assert all(row in PAGE for row in expected), "\n".join(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_with_its_fields(kind: str) -> None:
    model = KINDS[kind]
    section = PAGE.partition(f"\n### `{kind}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    base = model.__mro__[1]
    expected = rows(model, beside=base if issubclass(base, Description) else Description)
    assert section, f"### `{kind}`"
    missing = [row for row in expected if row not in section]
    assert not missing, "\n".join(missing)
    for part in parts(model):
        missing = [row for row in rows(part) if row not in PAGE]
        assert not missing, f"{part.__name__}:\n" + "\n".join(missing)


def test_built_in_guards_are_listed() -> None:
    for name in BUILT_IN:
        assert f"`{name}`" in PAGE.partition("## Kinds")[0]
