"""How each kind of guard is described, and made from its description."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from guards.cascade import Band, Bands, Cascade
from guards.grounding.described import GroundingDescription
from guards.guard import Guard
from guards.image.described import NsfwImageDescription, VisionDescription
from guards.injection.described import InjectedDataDescription
from guards.making import Description, File, Making
from guards.models.described import (
    ClassifierDescription,
    GptOssSafeguardDescription,
    GraniteGuardianDescription,
    LlamaGuardDescription,
    PromptGuardDescription,
    QwenGuardDescription,
    ShieldGemmaDescription,
)
from guards.personal_data.entities.described import NamedEntitiesDescription
from guards.topic.described import TopicDescription

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]


class EmbeddedDescription(Description):
    """The classifier that ships with Corral."""

    kind: Literal["embedded"]
    tier: Literal["both", "fast"] = Field(
        default="both", description="`fast` leaves out the accurate tier."
    )

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        from guards.embedded import load_embedded_guard

        return load_embedded_guard(self.tier, name=making.name)


class InsecureCodeDescription(Description):
    """Rules for insecure code in replies."""

    kind: Literal["insecure_code"]
    tier: Literal["fast", "deep"] = Field(
        default="fast", description="`deep` follows values through a whole reply, with Semgrep."
    )
    engine: File | None = Field(
        default=None, description="Semgrep's `semgrep-core`, for the deep tier; else looked for."
    )

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        if self.tier == "fast":
            from guards.insecure_code.guard import InsecureCodeGuard

            return InsecureCodeGuard(name=making.name)
        from guards.insecure_code.deep import DeepInsecureCodeGuard
        from guards.insecure_code.flow import Limits

        return DeepInsecureCodeGuard(
            name=making.name,
            engine=None if self.engine is None else making.folder / self.engine,
            limits=Limits(seconds=self.deadline or making.workshop.deadline),
        )


class PersonalDataDescription(Description):
    """Rules for personal data: form, checksum and context."""

    kind: Literal["personal_data"]

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        from guards.personal_data.guard import PersonalDataGuard

        return PersonalDataGuard(name=making.name)


class SecretsDescription(Description):
    """Rules for keys, tokens and passwords."""

    kind: Literal["secrets"]

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        from guards.secrets.guard import SecretsGuard

        return SecretsGuard(name=making.name)


class CascadeDescription(Description):
    """A cheap guard first, a stronger one where the cheap one is unsure."""

    kind: Literal["cascade"]
    first: Name = Field(description="The cheap guard.")
    second: Name = Field(description="The strong guard.")
    band: Band | None = Field(default=None, description="Where the first is unsure.")
    bands: File | None = Field(
        default=None, description="A file of bands, written by `corral guard calibrate --then`."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.band is None) == (self.bands is None):
            raise ValueError("give either band or bands")
        return self

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        if self.band is not None:
            bands = Bands(band=self.band)
        else:
            bands = Bands.load(making.folder / str(self.bands))
        return Cascade(making.name, making.seat(self.first), making.seat(self.second), bands)


Described = Annotated[
    EmbeddedDescription
    | LlamaGuardDescription
    | QwenGuardDescription
    | GptOssSafeguardDescription
    | ShieldGemmaDescription
    | GraniteGuardianDescription
    | PromptGuardDescription
    | ClassifierDescription
    | InsecureCodeDescription
    | PersonalDataDescription
    | NamedEntitiesDescription
    | SecretsDescription
    | TopicDescription
    | NsfwImageDescription
    | VisionDescription
    | GroundingDescription
    | InjectedDataDescription
    | CascadeDescription,
    Field(discriminator="kind"),
]


class RosterFile(BaseModel):
    """The file that describes guards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    guards: dict[Name, Described] = Field(description="Guards by name.")


BUILT_IN: Mapping[str, Description] = {
    "embedded": EmbeddedDescription(kind="embedded"),
    "grounding": GroundingDescription(kind="grounding"),
    "injected_data": InjectedDataDescription(kind="injected_data"),
    "insecure_code": InsecureCodeDescription(kind="insecure_code"),
    "personal_data": PersonalDataDescription(kind="personal_data"),
    "named_entities": NamedEntitiesDescription(kind="named_entities"),
    "nsfw_image": NsfwImageDescription(kind="nsfw_image"),
    "secrets": SecretsDescription(kind="secrets"),
    "topic": TopicDescription(kind="topic"),
}
"""Guards that need no description, by name."""
