"""The shape of a policy's files."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.topic.topics import Mode
from guards.verdict import Failure
from policies.decision import Approver

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
"""``lower-case-with-hyphens``: clause and case ids."""

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
"""``lower_case_with_underscores``: names of policies, texts and phrase lists."""

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""A BCP 47 tag such as ``en`` or ``zh-TW``."""

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""An ISO 3166 country code such as ``US``."""

Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
LocaleText = dict[Language, Words]
"""The same words in several languages, ``{en: ..., zh: ...}``."""

RelativePath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")
]
"""A file beside the policy or in a folder below it."""

Label = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_-]*$", max_length=48)]
"""What exactly a guard found, as in :attr:`guards.verdict.Finding.label`."""

Threshold = Annotated[float, Field(gt=0, le=1)] | Literal["never"]


class Drafting(StrEnum):
    """When the model may start on a reply."""

    SPECULATIVE = "speculative"
    AFTER_VERDICT = "after_verdict"


class Retention(StrEnum):
    """Which turns' text the decision log may keep."""

    NONE = "none"
    BLOCKED = "blocked"
    ALL = "all"


class Kind(StrEnum):
    """What a clause decides; see :mod:`policies.decision`."""

    ESCALATE = "escalate"
    REFUSE = "refuse"
    SUPPORT = "support"
    REWRITE = "rewrite"
    STEER = "steer"
    ASK = "ask"


class Strict(BaseModel):
    """Nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Thresholds(Strict):
    """From which probability on a clause applies, by audience.

    ``never`` switches the clause off for an audience; an audience left out uses ``general``.
    """

    general: Threshold = Field(description="Age unknown; also for every audience left out.")
    minor: Threshold | None = Field(default=None, description="Known or assumed to be under age.")
    adult: Threshold | None = Field(default=None, description="Vouched to be of age.")


SubjectName = Annotated[Subject, Field(strict=False)]
HazardName = Annotated[Hazard, Field(strict=False)]
FailureName = Annotated[Failure, Field(strict=False)]


class ClauseModel(Strict):
    """One rule of a policy."""

    id: Slug = Field(description="Names the clause in decisions, logs and cases.")
    title: LocaleText = Field(description="A few words for people, in every locale.")
    rule: LocaleText = Field(description="The rule in plain words, in every locale.")
    subjects: list[SubjectName] = Field(
        min_length=1, description="What it applies to; `reply` includes `reply_so_far`."
    )
    hazards: list[HazardName] = Field(
        default=[], description="Applies when any of these reaches the threshold."
    )
    custom: list[Words] = Field(
        default=[], description="Categories of your own guard, matched like hazards."
    )
    labels: list[Label] = Field(
        default=[], description="Only findings with one of these labels count; all when left out."
    )
    thresholds: Thresholds | None = Field(
        default=None, description="Needed with `hazards` or `custom`."
    )
    guards: list[Words] = Field(
        default=[], description="Only these guards' scores count, and one of them must judge."
    )
    guard_thresholds: dict[Words, Thresholds] = Field(
        default={}, description="Thresholds for one guard's scores instead of `thresholds`."
    )
    when: Words | None = Field(
        default=None, description="A CEL condition that must hold as well; alone, it decides."
    )
    decision: Annotated[Kind, Field(strict=False)] = Field(description="What follows.")
    priority: int | None = Field(
        default=None, ge=0, le=1000, description="Which clause wins; by default the decision's."
    )
    text: Key | None = Field(
        default=None,
        description="Text key of what a person reads (refuse, escalate, support, ask).",
    )
    guidance: Key | None = Field(
        default=None, description="Text key of the instructions added for the model (steer)."
    )
    replacement: Key | None = Field(
        default=None, description="Text key of what stands in for the spans (rewrite)."
    )
    restore: bool = Field(
        default=False, description="Whether replies give the user back what was replaced (rewrite)."
    )
    approver: Annotated[Approver, Field(strict=False)] = Field(
        default=Approver.USER, description="Whose word the call waits for (ask)."
    )
    seconds: int = Field(
        default=900, ge=1, le=604_800, description="How long the answer may take (ask)."
    )
    clean_rest: bool = Field(
        default=False,
        description="Refuse instead unless all that was found lies in the spans (rewrite).",
    )
    tests: list[Slug] = Field(min_length=1, description="The cases that own this clause.")


class DegradedModel(Strict):
    """What may stand in for a guard that gave no verdict."""

    guard: Words = Field(description="The guard that failed.")
    fallback: Words = Field(description="The guard that must have judged instead.")
    subjects: list[SubjectName] = Field(min_length=1, description="Where this is allowed.")
    failures: list[FailureName] = Field(
        default=list(Failure), description="For which failures; all when left out."
    )
    hazards: list[HazardName] = Field(
        default=list(Hazard), description="Which hazards the fallback covers; all when left out."
    )
    thresholds: Thresholds = Field(description="Used meanwhile; lower than every clause's own.")


class PolicyModel(Strict):
    """The policy file."""

    name: Key = Field(description="Short and stable.")
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = Field(
        description="Three numbers, raised with every change of meaning."
    )
    description: LocaleText = Field(description="What the policy is for, in every locale.")
    locales: list[Language] = Field(
        min_length=1, description="Languages every text must exist in; the first is the fallback."
    )
    drafting: Annotated[Drafting, Field(strict=False)] = Field(
        default=Drafting.SPECULATIVE, description="When the model may start on a reply."
    )
    retention: Annotated[Retention, Field(strict=False)] = Field(
        default=Retention.NONE, description="Which turns' text the decision log may keep."
    )
    texts: dict[Language, RelativePath] = Field(description="The text file of every locale.")
    phrases: RelativePath | None = Field(default=None, description="The file of phrase lists.")
    topics: RelativePath | None = Field(
        default=None, description="The file of topics, for the guard `topic`."
    )
    resources: RelativePath | None = Field(
        default=None, description="The file of crisis lines; needed for `{resources}` in a text."
    )
    cases: RelativePath = Field(description="The file of the policy's cases.")
    ignored_hazards: list[HazardName] = Field(
        default=[], description="Hazards this policy knowingly has no clause for."
    )
    degraded: list[DegradedModel] = Field(
        default=[], description="Stand-ins for guards that give no verdict; none by default."
    )
    clauses: list[ClauseModel] = Field(min_length=1, description="The rules.")


class LineModel(Strict):
    """One helpline. At least one of ``call``, ``text`` and ``web`` is given."""

    name: LocaleText = Field(description="What it is called, in every locale.")
    call: Words | None = Field(default=None, description="Number to call.")
    text: Words | None = Field(default=None, description="Where to send a text message.")
    web: Words | None = Field(default=None, description="Site or chat, without the scheme.")


class RegionModel(Strict):
    """Help in one country."""

    emergency: Words = Field(description="The emergency number.")
    lines: list[LineModel] = Field(min_length=1, description="Helplines, best known first.")


class ResourcesModel(Strict):
    """The file of crisis lines."""

    regions: dict[Region, RegionModel] = Field(description="Help by country.")
    languages: dict[Language, Region] = Field(
        default={}, description="The country meant by a locale that names none, where it is clear."
    )


class TextsModel(RootModel[dict[Key, Words]]):
    """A text file: what is said in one language, by key."""

    model_config = ConfigDict(frozen=True, strict=True)


Examples = dict[Language, list[Words]]


class TopicModel(Strict):
    """A topic the assistant is for, or stays away from, by examples of what people write."""

    mode: Annotated[Mode, Field(strict=False)] = Field(
        description="`only`: nothing but this and other such topics; `avoid`: not this."
    )
    allow: Examples = Field(
        default={}, description="Messages to take up, by language. `only` needs five or more."
    )
    deny: Examples = Field(
        default={}, description="Messages not to take up, by language. `avoid` needs five or more."
    )


class TopicsModel(RootModel[dict[Key, TopicModel]]):
    """The file of topics, by name. A finding of the guard carries the name as `custom`."""

    model_config = ConfigDict(frozen=True, strict=True)


class PhrasesModel(RootModel[dict[Key, dict[Language, list[Words]]]]):
    """The file of phrase lists: for each list its phrases by language."""

    model_config = ConfigDict(frozen=True, strict=True)
