"""Which plugins an operator enables, and with what: one YAML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from plugins.http.reach import Reach
from plugins.manifest import Limits
from policies.document import parse_document, read_document
from policies.mistakes import PolicyError
from policies.validation import validate

DEFAULT_PLUGINS = ("calculator", "clock")
"""Enabled where nobody says anything: they reach nothing and leave nothing behind."""

PluginName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]
Positive = Annotated[int, Field(gt=0)]


def _reachable(entry: str) -> str:
    Reach.of((), (entry,))
    return entry


PrivateHost = Annotated[str, AfterValidator(_reachable)]
"""``name:port`` or ``address:port`` of a place that may be on a private network."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitsSection(_Strict):
    """Limits other than the plugin's own; those left out stay."""

    seconds: Annotated[float, Field(gt=0, le=3600)] | None = Field(
        default=None, description="Wall-clock seconds of one call."
    )
    memory_bytes: Positive | None = Field(
        default=None, description="Memory of the plugin's own process."
    )
    output_chars: Positive | None = Field(default=None, description="Characters of one result.")
    calls_per_turn: Positive | None = Field(default=None, description="Calls in one turn.")
    at_once: Positive | None = Field(default=None, description="Calls side by side.")

    def over(self, own: Limits) -> Limits:
        """``own`` with what is given here in its place."""
        given = self.model_dump(exclude_none=True)
        return Limits(**{name: given.get(name, getattr(own, name)) for name in own.__slots__})


class PluginSection(_Strict):
    """What an operator says about one plugin."""

    options: dict[str, Any] = Field(default={}, description="The plugin's own options.")
    secrets: dict[str, str] = Field(
        default={}, description="Environment variable of each secret; by default its own name."
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="Other limits.")
    isolated: bool | None = Field(
        default=None, description="In a process of its own; by default what the plugin asks for."
    )
    unconfined: bool = Field(
        default=False,
        description="Isolate even where bubblewrap is missing: its network is not cut then.",
    )
    private_hosts: list[PrivateHost] = Field(
        default=[], description="host:port of private addresses that it may reach."
    )


class Configuration(_Strict):
    """The file. What is not enabled is not even imported."""

    enabled: list[PluginName] = Field(
        default=list(DEFAULT_PLUGINS), description="Plugins and sources to use, by name."
    )
    plugins: dict[PluginName, PluginSection] = Field(
        default={}, description="Settings of plugins, by name."
    )
    mcp: dict[PluginName, dict[str, Any]] = Field(
        default={}, description="MCP servers whose tools are used, by name."
    )
    openapi: dict[PluginName, dict[str, Any]] = Field(
        default={}, description="OpenAPI documents whose operations are tools, by name."
    )


class ConfigurationError(ValueError):
    """The file cannot be used; each line names file, place, field and what would be right."""


def load_configuration(path: Path | None) -> Configuration:
    """The file at ``path``; without one, or where it does not exist, the defaults.

    Raises:
        ConfigurationError: it cannot be read or has mistakes.
    """
    if path is None or not path.exists():
        return Configuration()
    try:
        document = read_document(path, path.name)
        configuration, mistakes = validate(document, Configuration)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from None
    if configuration is None:
        raise ConfigurationError("\n".join(str(mistake) for mistake in mistakes))
    return configuration


def save_enabled(path: Path, names: Sequence[str]) -> None:
    """Change which plugins the file at ``path`` enables, and nothing else in it.

    Raises:
        ConfigurationError: it cannot be read or has mistakes.
        OSError: it cannot be written.
    """
    load_configuration(path)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    listed = f"[{', '.join(names)}]"
    start, end = _enabled(text)
    if start is None:
        changed = f"enabled: {listed}\n{text}"
    else:
        changed = f"{text[:start]} {listed}{text[end:]}"
    parse_document(changed, path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_text(changed, encoding="utf-8")
    fresh.replace(path)


def _enabled(text: str) -> tuple[int | None, int]:
    """Where the list of enabled plugins stands in the file's text, from its colon on."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "enabled":
                start = text.index(":", key.end_mark.index) + 1
                written = text[start : value.end_mark.index]
                return start, start + len(written.rstrip())
    return None, 0
