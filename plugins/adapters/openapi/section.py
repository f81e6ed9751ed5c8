"""The section ``openapi`` of the plugin file: one document."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from plugins.adapters.terms import RemoteSection, Terms


class OpenApiSection(RemoteSection):
    """Which operations of a document are tools, where they are called, and under which terms.

    A tool's arguments end up at the document's host; where the service passes them on to whomever
    they name (a mail's recipient), say ``hosts: ["*"]`` in its terms.
    """

    document: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="A file, JSON or YAML, or its https:// address."
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="Digest that the document must have; by default any."
    )
    base_url: str | None = Field(
        default=None, description="Where operations are called; by default the document's server."
    )
    operations: Annotated[dict[str, Terms | None], Field(min_length=1)] = Field(
        description="The operationIds to offer, and what each may do."
    )


def parse_openapi(data: Mapping[str, Any]) -> OpenApiSection:
    """One entry of the section.

    Raises:
        pydantic.ValidationError: it has mistakes.
    """
    return OpenApiSection.model_validate(data)
