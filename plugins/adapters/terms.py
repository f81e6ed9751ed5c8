"""What an operator says about a foreign source of tools and each tool of it."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from guards.conversation import Confidentiality
from plugins.adapters.login import Login, LoginMark
from plugins.configuration import LimitsSection, PluginSection, PrivateHost
from plugins.manifest import ANY_PUBLIC_HOST, Limits, Manifest, SideEffect
from plugins.tool import Run, Tool, ToolSpec

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]

_WORST_LAST = tuple(SideEffect)


class Strict(BaseModel):
    """Part of a configuration file; unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Terms(Strict):
    """What one tool may do. What is left out is taken at its worst."""

    name: ToolName | None = Field(
        default=None, description="What the model calls it; by default the source's name before it."
    )
    side_effect: SideEffect | None = Field(
        default=None, description="The worst that a call leaves behind."
    )
    reads: Confidentiality = Field(
        default=Confidentiality.USER, description="Class of the data that its results may hold."
    )
    hosts: list[str] | None = Field(
        default=None,
        description="Where a call's arguments may end up beside the source itself; by default "
        "anywhere. [] is nowhere.",
    )
    content: list[str] = Field(
        default=[], description="Arguments that are free text, not targets such as a recipient."
    )


class SourceSection(Strict):
    """What every foreign source is configured with."""

    secrets: dict[SecretName, str] = Field(
        default={}, description="Names of secrets, and the environment variable of each."
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="Bounds on calls.")
    private_hosts: list[PrivateHost] = Field(
        default=[], description="host:port of private addresses that it may be reached at."
    )

    @property
    def plugin_section(self) -> PluginSection:
        """The part of it that is the same for every plugin."""
        return PluginSection(
            secrets=self.secrets, limits=self.limits, private_hosts=self.private_hosts
        )

    @property
    def bounds(self) -> Limits:
        """The limits, with the usual ones where none are given."""
        return self.limits.over(Limits())


class RemoteSection(SourceSection):
    """A source that is reached over HTTP."""

    login: list[Annotated[Login, LoginMark]] = Field(
        default=[], description="How Corral proves who it is; in headers alone."
    )

    @field_validator("login")
    @classmethod
    def _one_of_each(cls, login: list[Login]) -> list[Login]:
        headers = [each.header.lower() for each in login]
        if len(set(headers)) < len(headers):
            raise ValueError("two entries fill the same header")
        return login

    @model_validator(mode="after")
    def _secrets_are_declared(self) -> Self:
        for each in self.login:
            if each.secret not in self.secrets:
                raise ValueError(
                    f"login: its secret {each.secret} is not declared; add it below secrets with "
                    "the environment variable that holds it"
                )
        return self

    def headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        """The header lines of the login.

        Raises:
            ValueError: a secret cannot stand in a header line.
        """
        for each in self.login:
            if not secrets[each.secret].isprintable():
                raise ValueError(f"its secret {each.secret} holds characters no header may have")
        return dict(each.line(secrets[each.secret]) for each in self.login)


def manifest_of(
    name: str,
    section: SourceSection,
    terms: Mapping[str, tuple[SideEffect, Terms]] | None,
    *,
    own_hosts: tuple[str, ...],
    description: str,
    version: str,
) -> Manifest:
    """The promise of a source: the worst of its tools' terms.

    Args:
        name: of the source.
        section: the operator's words.
        terms: side effect and terms of each tool; ``None`` when the tools are not known yet, which
            is the worst there is.
        own_hosts: where the source itself is.
        description: for operators.
        version: of the source.
    """
    each = None if terms is None else tuple(terms.values())
    usual = (SideEffect.IRREVERSIBLE, Terms())
    known = (usual,) if each is None else each
    hosts = tuple(dict.fromkeys(host for _, term in known for host in reach(term, own_hosts)))
    return Manifest(
        name=name,
        version=version,
        side_effect=max((e for e, _ in known), key=_WORST_LAST.index, default=SideEffect.NONE),
        description=description,
        hosts=(ANY_PUBLIC_HOST,) if ANY_PUBLIC_HOST in hosts else hosts,
        reads=frozenset(term.reads for _, term in known) or frozenset({Confidentiality.PUBLIC}),
        secrets=tuple(section.secrets),
        limits=section.bounds,
    )


def reach(terms: Terms, own_hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Where a tool's arguments may end up."""
    if terms.hosts is None or ANY_PUBLIC_HOST in terms.hosts:
        return (ANY_PUBLIC_HOST,)
    return tuple(dict.fromkeys((*own_hosts, *terms.hosts)))


def tool_of(
    spec: ToolSpec, run: Run, effect: SideEffect, terms: Terms, own_hosts: tuple[str, ...]
) -> Tool:
    """A tool under its terms."""
    known = spec.parameters.get("properties", {})
    unknown = sorted(set(terms.content) - set(known))
    if unknown:
        raise ValueError(f"content: it has no argument {unknown[0]}; known are {sorted(known)}")
    return Tool(
        spec=spec,
        run=run,
        side_effect=effect,
        reads=terms.reads,
        hosts=reach(terms, own_hosts),
        content=frozenset(terms.content),
    )
