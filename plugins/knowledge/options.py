"""What an operator says about a knowledge base."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from guards.conversation import Confidentiality
from plugins.plugin import Options

MEMORY_BYTES = 1024 * 1024 * 1024
"""Address space of a process that indexes documents: with the encoder, and vectors of 100,000
pieces."""

Meaning = Literal["auto", "off"]
FolderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=48)]


def _expanded(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path, or one that begins with ~")
    return path


FolderPath = Annotated[Path, AfterValidator(_expanded)]


class FolderOptions(BaseModel):
    """A folder of documents and who may read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: FolderPath = Field(description="The folder.")
    name: FolderName | None = Field(
        default=None,
        description="Stands before the document's path in citations: `kb:name/leave.md`.",
    )
    tenants: Literal["all"] | tuple[str, ...] | None = Field(
        default=None, description="Tenants whose users may read it, or `all`."
    )
    confidentiality: Literal["public", "tenant"] = Field(
        default="tenant", description="`public` if anybody may know what stands in it."
    )

    @model_validator(mode="after")
    def _say_who(self) -> Self:
        if self.confidentiality == "tenant" and self.tenants is None:
            raise ValueError(
                "tenants: name the tenants that may read it, or all; a folder with "
                "confidentiality: public needs none"
            )
        return self

    def open_to(self, tenant: str) -> bool:
        """Whether users of ``tenant`` may read it."""
        return self.tenants is None or self.tenants == "all" or tenant in self.tenants

    @property
    def reads(self) -> Confidentiality:
        """The class of what stands in it."""
        return Confidentiality(self.confidentiality)


class KnowledgeOptions(Options):
    """Folders, and how much of them an answer rests on."""

    folders: tuple[FolderOptions, ...] = Field(
        default=(),
        max_length=64,
        description="Without any: `documents` in the plugin's own folder, open to all tenants.",
    )
    meaning: Meaning = Field(
        default="auto",
        description="`auto` finds by meaning too where the extra `topics` is installed.",
    )
    chars: int = Field(
        default=2_000, ge=300, le=20_000, description="Characters of the passages together."
    )

    @model_validator(mode="after")
    def _tell_apart(self) -> Self:
        names = [folder.name for folder in self.folders]
        if len(names) > 1 and (None in names or len(set(names)) < len(names)):
            raise ValueError("folders: give each a name of its own, so that citations tell them")
        return self
