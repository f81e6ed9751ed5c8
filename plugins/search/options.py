"""What an operator says about searching."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from guards.conversation import Confidentiality
from plugins.knowledge.options import FolderPath, Meaning
from plugins.plugin import Options


def _service(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    else:
        if parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            host = None
        if "@" in parts.netloc:
            raise ValueError("must not hold a user name or key: they go into secrets")
    if not host:
        raise ValueError("must be an address such as https://search.example.org")
    return url.rstrip("/")


ServiceUrl = Annotated[str, AfterValidator(_service)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    confidentiality: Literal["public", "tenant"] = Field(
        default="public",
        description="`tenant` for a source that not everybody may read; its results are not "
        "cached and are labelled so.",
    )

    @property
    def reads(self) -> Confidentiality:
        """The class of what it finds."""
        return Confidentiality(self.confidentiality)


class LocalEntry(_Entry):
    """A folder of documents on this machine."""

    kind: Literal["local"]
    path: FolderPath | None = Field(
        default=None, description="The folder; by default `documents` in the plugin's own."
    )
    base_url: ServiceUrl | None = Field(
        default=None, description="Where the same documents can be read on the web."
    )
    meaning: Meaning = Field(
        default="auto",
        description="`auto` finds by meaning too where the extra `topics` is installed.",
    )


class SearXNGEntry(_Entry):
    """An instance of SearXNG."""

    kind: Literal["searxng"]
    url: ServiceUrl = Field(description="Of the instance, such as http://127.0.0.1:8888.")
    categories: str = Field(default="", max_length=200, description="Such as `general,news`.")
    engines: str = Field(default="", max_length=500, description="Such as `wikipedia,mojeek`.")
    language: str = Field(default="", max_length=10, description="Such as `de`.")


class BraveEntry(_Entry):
    """The Brave Search API; needs the secret `BRAVE_KEY`."""

    kind: Literal["brave"]
    url: ServiceUrl = Field(default="https://api.search.brave.com", description="Of the service.")


class TavilyEntry(_Entry):
    """The Tavily API; needs the secret `TAVILY_KEY`."""

    kind: Literal["tavily"]
    url: ServiceUrl = Field(default="https://api.tavily.com", description="Of the service.")


class ExaEntry(_Entry):
    """The Exa API; needs the secret `EXA_KEY`."""

    kind: Literal["exa"]
    url: ServiceUrl = Field(default="https://api.exa.ai", description="Of the service.")


Entry = Annotated[
    LocalEntry | SearXNGEntry | BraveEntry | TavilyEntry | ExaEntry, Field(discriminator="kind")
]


class SearchOptions(Options):
    """Where to search, and how long and how thoroughly."""

    providers: tuple[Entry, ...] = Field(
        default=(LocalEntry(kind="local"),),
        min_length=1,
        max_length=8,
        description="Asked at the same time.",
    )
    seconds: float = Field(
        default=4.0, gt=0, le=30, description="After which a provider is left out."
    )
    pages: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Results that are read in full. Reading them means reaching any public host.",
    )
    page_seconds: float = Field(
        default=6.0, gt=0, le=30, description="For reading all pages together."
    )
    cache_seconds: float = Field(
        default=900.0, ge=0, le=86_400, description="How long public results are kept; 0: not."
    )
    chars: int = Field(
        default=2_000, ge=300, le=20_000, description="Characters of the passages together."
    )

    @model_validator(mode="after")
    def _one_folder_each(self) -> Self:
        paths = [entry.path for entry in self.providers if isinstance(entry, LocalEntry)]
        if len(set(paths)) < len(paths):
            raise ValueError("providers: name each folder once")
        return self


def secret_of(entry: Entry) -> str | None:
    """The name of the secret that a provider needs."""
    match entry:
        case BraveEntry():
            return "BRAVE_KEY"
        case TavilyEntry():
            return "TAVILY_KEY"
        case ExaEntry():
            return "EXA_KEY"
        case LocalEntry() | SearXNGEntry():
            return None


def host_of_service(url: str) -> str:
    """A service's host as a manifest names it: with the port where it is not the usual one."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return host if parts.port in (None, 80, 443) else f"{host}:{parts.port}"
