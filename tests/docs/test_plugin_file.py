"""The page on the plugin file says what the code reads, and its example is one."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from plugins.adapters.login import Login
from plugins.adapters.mcp import parse_mcp
from plugins.adapters.mcp.section import HttpServer, StdioServer
from plugins.adapters.openapi import parse_openapi
from plugins.adapters.openapi.section import OpenApiSection
from plugins.adapters.terms import Terms
from plugins.configuration import (
    Configuration,
    ConfigurationError,
    LimitsSection,
    PluginSection,
    load_configuration,
)
from plugins.registry import installed_plugins, load_plugin, secrets_of, terms_of
from tests.docs.model_tables import rows
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/plugin-file.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
LOGINS = [get_args(each)[0] for each in get_args(Login)]
SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "The plugin file": (Configuration,),
    "`plugins`": (PluginSection,),
    "`limits`": (LimitsSection,),
    "Terms of a tool": (Terms,),
    "`mcp`": (StdioServer, HttpServer),
    "`openapi`": (OpenApiSection,),
}


def section(heading: str) -> str:
    """What stands below a heading, up to the next."""
    _, _, rest = PAGE.partition(f"# {heading}\n")
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_section_lists_the_fields_that_are_read(heading: str) -> None:
    expected = dict.fromkeys(row for model in SECTIONS[heading] for row in rows(model))
    found = re.findall(r"^\| `.*$", section(heading), re.MULTILINE)
    assert sorted(found) == sorted(expected), "the tables should be:\n" + "\n".join(expected)


@pytest.mark.parametrize("login", LOGINS, ids=lambda login: login.__name__)
def test_every_login_is_listed_with_its_fields(login: type[BaseModel]) -> None:
    (kind,) = get_args(login.model_fields["kind"].annotation)
    given = sorted(name for name, field in login.model_fields.items() if field.is_required())
    (row,) = re.findall(rf"^\| `{kind}` \| (.*?) \|", section("`login`"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", row)) == [name for name in given if name != "kind"]


def loaded(example: str, folder: Path) -> Configuration:
    path = folder / "plugins.yaml"
    path.write_text(example, encoding="utf-8")
    return load_configuration(path)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_plugin_file(example: str, tmp_path: Path) -> None:
    configuration = loaded(example, tmp_path)
    there = installed_plugins()
    foreign = {*configuration.mcp, *configuration.openapi}
    assert set(configuration.enabled) <= {*there, *foreign}
    for entry in configuration.mcp.values():
        parse_mcp(entry)
    for entry in configuration.openapi.values():
        parse_openapi(entry)
    for name, own in configuration.plugins.items():
        manifest, _ = terms_of(name, load_plugin(there[name]), own)
        secrets_of(manifest, own, dict.fromkeys(own.secrets.values(), "a secret"))


def test_the_example_is_held_to_the_file(tmp_path: Path) -> None:
    """What the page calls mistakes are ones."""
    for wrong in (
        "enable: []",
        "enabled: [Clock]",
        "plugins: {clock: {isolate: true}}",
        "plugins: {clock: {private_hosts: [localhost]}}",
        "plugins: {clock: {limits: {seconds: 0}}}",
    ):
        with pytest.raises(ConfigurationError, match=r"plugins\.yaml:1:"):
            loaded(wrong, tmp_path)


def test_the_settings_lead_to_the_page() -> None:
    assert "(plugin-file.md)" in (ROOT / "docs/reference/settings.md").read_text()
