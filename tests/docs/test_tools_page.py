"""The page of built-in tools says of each what its code says."""

import re

import pytest

from plugins.plugin import Plugin
from tests.docs.pages import ROOT
from tests.docs.tool_tables import built_in, tables

PAGE = (ROOT / "docs/reference/tools.md").read_text()
_KEPT = ("|", "### ", "Commands: ", "Side effect: ")


def sections() -> dict[str, str]:
    """What stands under each plugin's heading, by the plugin's name."""
    parts = re.split(r"^## `([a-z_]+)`$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_built_in_plugin_has_its_section() -> None:
    assert list(sections()) == list(built_in())


@pytest.mark.parametrize(("name", "plugin"), built_in().items(), ids=list(built_in()))
async def test_a_section_says_what_the_code_says(name: str, plugin: Plugin) -> None:
    assert plugin.manifest.name == name
    expected = await tables(name, plugin)
    section = sections().get(name, "")
    found = [line for line in section.splitlines() if line.startswith(_KEPT)]
    assert found == expected, "the section's tables should be:\n" + "\n".join(expected)


@pytest.mark.parametrize(("name", "plugin"), built_in().items(), ids=list(built_in()))
async def test_every_argument_and_option_is_explained(name: str, plugin: Plugin) -> None:
    for line in await tables(name, plugin):
        assert not re.search(r"\| (None)? \|$", line), line


@pytest.mark.parametrize(("name", "plugin"), built_in().items(), ids=list(built_in()))
async def test_a_section_begins_with_prose(name: str, plugin: Plugin) -> None:
    assert plugin.manifest.description
    first = sections().get(name, "").strip().split("\n\n")[0]
    assert len(first.split()) > 5
    assert not first.startswith(_KEPT)
