"""How each kind of guard is described, and made from its description."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from guards.cascade import Band, Bands, Cascade
from guards.conversation import Subject
from guards.guard import Guard
from guards.panel import Seat
from guards.upstream import Upstream, Upstreams

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]
File = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
SubjectName = Annotated[Subject, Field(strict=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What guards are made with.

    Attributes:
        upstreams: connections for those that ask a server.
        clock: seconds, monotonic; the event loop's own.
        deadline: seconds a judgement may take where a description says nothing.
        environ: where API keys are read from.
    """

    upstreams: Upstreams
    clock: Callable[[], float]
    deadline: float
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """One guard being made.

    Attributes:
        name: what it is called.
        folder: where relative paths start.
        seat: the roster's other guards, by name.
    """

    name: str
    folder: Path
    workshop: Workshop
    seat: Callable[[str], Seat]


class Description(BaseModel):
    """What every guard can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    subjects: list[SubjectName] | None = Field(
        default=None, min_length=1, description="What it judges; all it can when left out."
    )
    deadline: Seconds | None = Field(default=None, description="Seconds a judgement may take.")
    calibration: File | None = Field(
        default=None, description="A file written by `corral guard calibrate`."
    )

    @abstractmethod
    def make(self, making: Making) -> Guard:
        """The guard that is described.

        Raises:
            ValueError, ImportError: it cannot be made; the message says why.
        """


class EmbeddedDescription(Description):
    """The classifier that ships with Corral."""

    kind: Literal["embedded"]

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        from guards.embedded import load_embedded_guard

        return load_embedded_guard(name=making.name)


class ServedDescription(Description):
    """A guard model behind OpenAI-compatible servers."""

    urls: list[Annotated[AnyHttpUrl, Field(strict=False)]] = Field(
        min_length=1, description="Base URLs of servers of the same model."
    )
    model: str = Field(default="", description="Served name; empty takes the first.")
    api_key_env: str | None = Field(
        default=None, description="Environment variable that holds the bearer key."
    )

    def servers(self, workshop: Workshop) -> list[Upstream]:
        """Connections to the servers.

        Raises:
            ValueError: the variable of the key is not set.
        """
        key = ""
        if self.api_key_env is not None:
            key = workshop.environ.get(self.api_key_env, "")
            if not key:
                raise ValueError(f"api_key_env: {self.api_key_env} is not set")
        return [workshop.upstreams.at(str(url), api_key=key) for url in self.urls]


class LlamaGuardDescription(ServedDescription):
    """Llama Guard 3 or 4."""

    kind: Literal["llama_guard"]
    generation: Literal["3", "4"] = "3"

    def make(self, making: Making) -> Guard:
        """See :class:`Description`."""
        from guards.models.llama_guard import LlamaGuard

        return LlamaGuard(
            self.servers(making.workshop),
            generation=self.generation,
            model=self.model,
            name=making.name,
            timeout=self.deadline or making.workshop.deadline,
            clock=making.workshop.clock,
        )


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
    EmbeddedDescription | LlamaGuardDescription | CascadeDescription, Field(discriminator="kind")
]


class RosterFile(BaseModel):
    """The file that describes guards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    guards: dict[Name, Described] = Field(description="Guards by name.")


BUILT_IN: Mapping[str, Description] = {"embedded": EmbeddedDescription(kind="embedded")}
"""Guards that need no description, by name."""
