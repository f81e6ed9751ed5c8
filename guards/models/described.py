"""How guard models behind servers are described, and made from their descriptions."""

from typing import Annotated, Any, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints

from guards.guard import Guard
from guards.hazards import Hazard
from guards.making import Description, Making, SubjectName
from guards.upstream import Upstream

Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
HazardName = Annotated[Hazard, Field(strict=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A part of a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ServedDescription(Description):
    """A guard model behind OpenAI-compatible servers."""

    urls: list[Annotated[AnyHttpUrl, Field(strict=False)]] = Field(
        min_length=1, description="Base URLs of servers of the same model."
    )
    model: str = Field(default="", description="Served name; empty takes the first.")
    api_key_env: Words | None = Field(
        default=None, description="Environment variable that holds the bearer key."
    )
    max_bytes: Annotated[int, Field(ge=256)] | None = Field(
        default=None, description="UTF-8 bytes shown to the model at most."
    )

    def servers(self, making: Making) -> list[Upstream]:
        """Connections to the servers.

        Raises:
            ValueError: the variable of the key is not set.
        """
        workshop = making.workshop
        key = ""
        if self.api_key_env is not None:
            key = workshop.environ.get(self.api_key_env, "")
            if not key:
                raise ValueError(f"api_key_env: {self.api_key_env} is not set")
        return [workshop.upstreams.at(str(url), api_key=key) for url in self.urls]

    def common(self, making: Making) -> dict[str, Any]:
        """The options that every guard model takes."""
        options: dict[str, Any] = {
            "clock": making.workshop.clock,
            "model": self.model,
            "name": making.name,
            "timeout": self.deadline or making.workshop.deadline,
        }
        return options if self.max_bytes is None else options | {"max_bytes": self.max_bytes}


class CategoryDescription(Strict):
    """A category of the operator's own."""

    code: Words = Field(description="What the model answers, such as S15.")
    description: Words = Field(description="What the model reads.")
    hazard: HazardName = Field(description="What a finding of it counts as.")
    name: Words = Field(description="How findings name it.")


class LlamaGuardDescription(ServedDescription):
    """Llama Guard 3 or 4."""

    kind: Literal["llama_guard"]
    generation: Literal["3", "4"] = Field(default="3", description="Which Llama Guard it is.")
    name_above: Probability = Field(
        default=0.1, description="From this score on a safe answer is asked for its categories."
    )
    custom: list[CategoryDescription] = Field(
        default=[], description="Categories of your own, beside the standard ones."
    )
    excluded: list[HazardName] = Field(default=[], description="Hazards it should not look for.")

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.llama_guard import CustomCategory, LlamaGuard

        return LlamaGuard(
            self.servers(making),
            generation=self.generation,
            name_above=self.name_above,
            custom=[CustomCategory(**dict(category)) for category in self.custom],
            excluded=frozenset(self.excluded),
            **self.common(making),
        )


class QwenGuardDescription(ServedDescription):
    """Qwen3Guard-Gen."""

    kind: Literal["qwen_guard"]
    controversial: Probability = Field(
        default=0.5, description="How unsafe its Controversial counts, from 0 to 1."
    )
    name_above: Probability = Field(
        default=0.1, description="From this score on a safe answer is asked for its categories."
    )

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.qwen_guard import QwenGuard

        return QwenGuard(
            self.servers(making),
            controversial=self.controversial,
            name_above=self.name_above,
            **self.common(making),
        )


class GptOssSafeguardDescription(ServedDescription):
    """gpt-oss-safeguard, which judges by the clauses of the policy in force."""

    kind: Literal["gpt_oss_safeguard"]
    effort: Literal["low", "medium", "high"] = Field(
        default="low", description="How much it reasons before it answers."
    )
    max_tokens: Annotated[int, Field(ge=1024)] = Field(
        default=2048, description="Tokens of reasoning and answer together."
    )

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.gpt_oss_safeguard import GptOssSafeguard
        from guards.models.policy_prompt import PolicyPrompt

        return GptOssSafeguard(
            self.servers(making),
            policy=PolicyPrompt(rules=making.workshop.rules),
            effort=self.effort,
            max_tokens=self.max_tokens,
            **self.common(making),
        )


class ShieldGemmaDescription(ServedDescription):
    """ShieldGemma, asked about the four guidelines it was trained on."""

    kind: Literal["shield_gemma"]

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.shield_gemma import ShieldGemma

        return ShieldGemma(self.servers(making), **self.common(making))


class GraniteGuardianDescription(ServedDescription):
    """Granite Guardian."""

    kind: Literal["granite_guardian"]
    generation: Literal["3.0", "3.3", "4.1"] = Field(
        default="3.3", description="Which Granite Guardian; 3.0 stands for 3.0 to 3.2."
    )
    risks: list[Words] = Field(
        default=["harm"], min_length=1, description="What it is asked about, by the model's names."
    )
    think: bool = Field(default=False, description="Whether it reasons first (from 3.3).")

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.granite_guardian import GraniteGuardian
        from guards.models.granite_risks import RISKS

        unknown = [risk for risk in self.risks if risk not in RISKS]
        if unknown:
            raise ValueError(f"risks: {unknown[0]!r} is none of {', '.join(RISKS)}")
        return GraniteGuardian(
            self.servers(making),
            generation=self.generation,
            risks=[RISKS[risk] for risk in self.risks],
            think=self.think,
            **self.common(making),
        )


class PromptGuardDescription(ServedDescription):
    """Llama Prompt Guard 2 behind vLLM's classification endpoint."""

    kind: Literal["prompt_guard"]

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.sequence_classifier import PROMPT_GUARD_2, SequenceClassifier

        return SequenceClassifier(
            self.servers(making), labels=PROMPT_GUARD_2, **self.common(making)
        )


class LabelDescription(Strict):
    """What one of a classifier's classes means."""

    names: list[Words] = Field(min_length=1, description="What the server may call it.")
    hazard: HazardName | None = Field(
        default=None, description="What it counts as; left out for what is harmless."
    )
    by_subject: dict[SubjectName, HazardName] = Field(
        default={}, description="Subjects where it counts as something else."
    )
    custom: Words | None = Field(default=None, description="How findings name it.")


class ClassifierDescription(ServedDescription):
    """Any sequence classifier behind vLLM's classification endpoint."""

    kind: Literal["sequence_classifier"]
    labels: list[LabelDescription] = Field(
        min_length=2, description="The model's classes in their order."
    )
    multi_label: bool = Field(default=False, description="Whether classes are independent.")

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.sequence_classifier import ClassLabel, SequenceClassifier

        options = self.common(making)
        if self.subjects is not None:
            options["subjects"] = frozenset(self.subjects)
        return SequenceClassifier(
            self.servers(making),
            labels=[
                ClassLabel(
                    names=tuple(label.names),
                    hazard=label.hazard,
                    by_subject=label.by_subject,
                    custom=label.custom,
                )
                for label in self.labels
            ],
            multi_label=self.multi_label,
            **options,
        )
