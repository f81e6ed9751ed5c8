"""The section ``mcp`` of the plugin file: one server."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)

from plugins.adapters.address import host_of
from plugins.adapters.terms import RemoteSection, SourceSection, Strict, Terms
from plugins.manifest import SideEffect

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$")]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Server(Strict):
    tools: dict[str, Terms | None] | None = Field(
        default=None, description="The tools to offer and what each may do; by default all pinned."
    )
    pins: dict[str, Digest] = Field(
        default={}, description="Digest of each tool that was read and approved."
    )
    start_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="How long connecting and listing tools may take."
    )

    def terms(self, tool: str) -> Terms | None:
        """What the tool may do; ``None`` when it is not to be offered."""
        if self.tools is None:
            return Terms()
        return (self.tools[tool] or Terms()) if tool in self.tools else None

    def terms_known(self) -> dict[str, tuple[SideEffect, Terms]] | None:
        """Side effect and terms of every tool that may come to be offered."""
        if self.tools is None:
            return None
        return {
            name: (effect_of(terms or Terms()), terms or Terms())
            for name, terms in self.tools.items()
        }


def effect_of(terms: Terms) -> SideEffect:
    """The operator's word, else the worst."""
    return terms.side_effect or SideEffect.IRREVERSIBLE


class StdioServer(SourceSection, _Server):
    """A server that Corral starts, in a process of its own."""

    command: Annotated[list[_Text], Field(min_length=1)] = Field(
        description="The program and its arguments; no shell reads them."
    )
    env: dict[str, str] = Field(
        default={}, description="Environment of the process beside PATH, HOME, LANG and secrets."
    )
    folder: str | None = Field(default=None, description="Working directory of the process.")

    @field_validator("env")
    @classmethod
    def _variables(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not _VARIABLE.fullmatch(name) or "\0" in value:
                raise ValueError(f"{name!r} is no name of an environment variable")
        return env

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """The process is on this machine."""
        return ()


class HttpServer(RemoteSection, _Server):
    """A server that is reached over streamable HTTP."""

    url: str = Field(description="Its address, https:// unless it is among private_hosts.")

    @model_validator(mode="after")
    def _url_is_safe(self) -> Self:
        host_of(self.url, self.private_hosts)
        return self

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Where it is."""
        return (host_of(self.url, self.private_hosts),)


def _transport(value: Any) -> str | None:
    names = value if isinstance(value, Mapping) else vars(value)
    if ("command" in names) == ("url" in names):
        return None
    return "stdio" if "command" in names else "http"


McpSection = StdioServer | HttpServer

_SECTION: TypeAdapter[McpSection] = TypeAdapter(
    Annotated[
        Annotated[StdioServer, Tag("stdio")] | Annotated[HttpServer, Tag("http")],
        Discriminator(
            _transport,
            custom_error_type="mcp_transport",
            custom_error_message="needs either command (a program to start) or url, not both",
        ),
    ]
)


def parse_mcp(data: Mapping[str, Any]) -> McpSection:
    """One entry of the section.

    Raises:
        pydantic.ValidationError: it has mistakes.
    """
    return _SECTION.validate_python(data)
