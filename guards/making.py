"""What guards are made from: a description, and a workshop."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from guards.conversation import Subject
from guards.guard import Guard
from guards.models.policy_prompt import PolicyRule
from guards.panel import Seat
from guards.topic.topics import Topic
from guards.upstream import Upstreams

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
        rules: of the policy, for guards that judge by them.
        topics: of the policy, for the guard that keeps to them.
        pulled: where the model of that name lies that was fetched beforehand; raises
            ``ValueError`` where it was not. ``None`` where nobody keeps models.
    """

    upstreams: Upstreams
    clock: Callable[[], float]
    deadline: float
    environ: Mapping[str, str]
    rules: tuple[PolicyRule, ...] = ()
    topics: tuple[Topic, ...] = ()
    pulled: Callable[[str], Path] | None = None


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
