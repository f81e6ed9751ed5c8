"""The reference pages say what the code says."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_group

from assistant.cli.exits import Exit
from assistant.cli.main import app
from assistant.cli.mounts import MOUNTS, load
from assistant.settings import Settings
from tests.docs.pages import ROOT

SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
CLI = (ROOT / "docs/reference/cli.md").read_text()


def shown_default(name: str) -> str:
    """A setting's default as the page shows it."""
    folders = {"data_dir": "`~/.local/share/corral`", "cache_dir": "`~/.cache/corral`"}
    if name in folders:
        return folders[name]
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default in ((), "", None) or default == {}:
        return "unset"
    if isinstance(default, tuple):
        return "`[" + ",".join(f'"{item}"' for item in default) + "]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def settings_rows() -> list[str]:
    return [
        f"| `CORRAL_{name.upper()}` | {shown_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `CORRAL_.*$", SETTINGS, re.MULTILINE)
    expected = settings_rows()
    assert sorted(rows) == sorted(expected), "the table should be:\n" + "\n".join(expected)


def test_every_setting_mentioned_anywhere_exists() -> None:
    known = {f"CORRAL_{name.upper()}" for name in Settings.model_fields} | {"CORRAL_DEBUG"}
    assert set(re.findall(r"\bCORRAL_[A-Z_]+\b", SETTINGS + CLI)) <= known


def commands() -> Iterator[tuple[str, Any]]:
    """Every command's full name and itself."""
    root = get_group(app)
    for name, command in sorted(root.commands.items()):
        group = load(name) if name in MOUNTS else command
        if isinstance(group, TyperGroup):
            for sub, leaf in group.commands.items():
                yield f"corral {name} {sub}", leaf
        else:
            yield f"corral {name}", group


def parameters(command: Any) -> list[str]:
    """A command's arguments and options as the page lists them."""
    rows = []
    for parameter in command.params:
        if isinstance(parameter, TyperArgument):
            name = parameter.display_name_raw.strip("[]").upper()
            rows.append(f"| `{name}` | {parameter.help} |")
        elif isinstance(parameter, TyperOption) and parameter.name != "help":
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            rows.append(f"| {names} | {parameter.help} |")
    return rows


def section(name: str) -> str:
    """What the page says below a command's heading."""
    return CLI.partition(f"\n### {name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]


def expected_section(name: str, command: Any) -> str:
    help_text = " ".join((command.help or "").split())
    return "\n".join(
        [
            f"### {name}",
            "",
            help_text,
            "",
            "| parameter | meaning |",
            "|---|---|",
            *parameters(command),
        ]
    )


def test_every_command_is_listed_with_its_parameters() -> None:
    wanted = {name: expected_section(name, command) for name, command in commands()}
    wrong = [
        text
        for name, text in wanted.items()
        if not all(line in f"### {name}\n{section(name)}" for line in text.splitlines())
        or len(re.findall(r"^\| [`-]", section(name), re.MULTILINE))
        != len(re.findall(r"^\| `", text, re.MULTILINE))
    ]
    assert not wrong, "these sections should be:\n\n" + "\n\n".join(wrong)
    assert set(re.findall(r"^### (corral .+)$", CLI, re.MULTILINE)) == set(wanted)


def test_every_command_speaks_json() -> None:
    assert [n for n, c in commands() if "--json" not in {o for p in c.params for o in p.opts}] == []


def test_every_exit_code_is_listed() -> None:
    listed = re.findall(r"^\| `(\d+)` \|", CLI, re.MULTILINE)
    assert [int(code) for code in listed] == [int(code) for code in Exit]
