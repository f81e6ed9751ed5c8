"""The page on the plugin SDK lists all of it, with the defaults that the code has."""

import dataclasses
import inspect
import re
from enum import StrEnum
from typing import Any

import pytest

import plugins.sdk
from plugins.outcome import Failure
from plugins.sdk import Access, Limits, Options, tool
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/plugin-sdk.md").read_text()
NAMES = plugins.sdk.__all__
RECORDS = [name for name in NAMES if dataclasses.is_dataclass(getattr(plugins.sdk, name))]
ENUMS = [
    name
    for name in NAMES
    if isinstance(value := getattr(plugins.sdk, name), type) and issubclass(value, StrEnum)
]
ROW = re.compile(r"^\| `([a-z_]+)[^`]*` \| (?:(.*?) \| )?(.*?) \|$", re.MULTILINE)


def tables(heading: str) -> dict[str, tuple[str, str]]:
    """Default and meaning of each row below the heading or column title that names ``heading``."""
    part = re.split(rf"^(?:#+ `{heading}`\n|\| field of `{heading}` )", PAGE, flags=re.MULTILINE)
    assert len(part) == 2, f"one place on the page should be about {heading}"
    own = re.split(r"^#|\n\n\| field of", part[1], maxsplit=1, flags=re.MULTILINE)[0]
    return {name: (default, meaning) for name, default, meaning in ROW.findall(own)}


def shown(default: Any) -> str:
    if default in (dataclasses.MISSING, inspect.Parameter.empty):
        return "required"
    if default is None or default == "":
        return "unset"
    if isinstance(default, tuple | frozenset):
        return ", ".join(f"`{each}`" for each in sorted(default)) or "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, type):
        return f"`{default.__name__}`"
    if default == Limits():
        return "see `Limits`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def default_of(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_sdk_is_on_the_page(name: str) -> None:
    assert re.search(rf"`{name}\b", PAGE)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_is_listed_with_its_default(name: str) -> None:
    fields = dataclasses.fields(getattr(plugins.sdk, name))
    expected = {field.name: shown(default_of(field)) for field in fields}
    found = tables(name)
    assert {field: default for field, (default, _) in found.items()} == expected
    assert all(meaning for _, meaning in found.values())


@pytest.mark.parametrize("name", ENUMS)
def test_every_value_is_listed(name: str) -> None:
    assert list(tables(name)) == [str(value) for value in getattr(plugins.sdk, name)]


def test_every_argument_of_the_decorator_is_listed_with_its_default() -> None:
    parameters = inspect.signature(tool).parameters.values()
    expected = {each.name: shown(each.default) for each in parameters}
    found = tables("tool")
    assert {name: default for name, (default, _) in found.items()} == expected


def test_every_method_of_a_store_is_listed() -> None:
    methods = {
        name
        for name, value in vars(plugins.sdk.Store).items()
        if inspect.iscoroutinefunction(value) and not name.startswith("_")
    }
    assert methods
    assert set(tables("Store")) == methods


def test_nothing_is_told_of_that_is_not_there() -> None:
    headings = re.findall(r"^#+ `(\w+)`", PAGE, re.MULTILINE)
    assert set(headings) <= set(NAMES)
    assert not Options.model_fields
    assert "ANY_PUBLIC_HOST" in PAGE
    assert Access.__name__ in headings


@pytest.mark.parametrize("failure", list(Failure))
def test_every_failure_that_a_model_reads_is_listed(failure: Failure) -> None:
    section = PAGE.partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert f"`{failure}`" in section
