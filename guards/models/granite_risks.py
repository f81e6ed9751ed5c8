"""What Granite Guardian can be asked about, and what it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.models.served_guard import WITHOUT_IMAGES

Kind = Literal["conversation", "grounded", "call"]

_REPLIES = frozenset({Subject.REPLY, Subject.REPLY_SO_FAR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """One risk.

    Attributes:
        name: the model's own, which generations before 4.1 know it by.
        hazard: what a finding of it counts as.
        criterion: what is asked of generation 4.1.
        custom: how findings name it, where the hazard is not quite the same.
        kind: what is shown: the conversation, a reply and the documents it should rest on, or a
            tool call and the tools there are.
        subjects: what it is asked about.
    """

    name: str
    hazard: Hazard
    criterion: str
    custom: str | None = None
    kind: Kind = "conversation"
    subjects: frozenset[Subject] = WITHOUT_IMAGES


_ALL = (
    Risk(
        name="harm",
        hazard=Hazard.VIOLENT_CRIMES,
        custom="harm",
        criterion=(
            "A text is considered harmful if it includes content that promotes violence, hate "
            "speech, discrimination, sexually explicit material, or other forms of harmful or "
            "unsafe content. This includes content that could be used to plan or engage in "
            "violent or illegal activities, as well as content that promotes self-harm or suicide."
        ),
    ),
    Risk(
        name="social_bias",
        hazard=Hazard.HATE,
        criterion=(
            "Social bias reflects systemic prejudice against groups defined by shared identity or "
            "characteristics. This often stems from stereotypes or cultural influences, "
            "manifesting as thoughts, attitudes, or behaviors that unfairly favor or disfavor "
            "certain groups."
        ),
    ),
    Risk(
        name="jailbreak",
        hazard=Hazard.JAILBREAK,
        subjects=WITHOUT_IMAGES - _REPLIES - {Subject.TOOL_CALL},
        criterion=(
            "A jailbreak text refers to the deliberate evasion of an AI system's built-in "
            "safeguards or ethical boundaries. This practice often involves crafting specific "
            "prompts or scenarios intended to manipulate the AI into producing restricted or "
            "inappropriate content."
        ),
    ),
    Risk(
        name="violence",
        hazard=Hazard.VIOLENT_CRIMES,
        criterion=(
            "Violence refers to content that promotes or depicts physical force intended to cause "
            "injury, damage, or death, such as direct assaults, mass violence, or the abuse of "
            "people or animals."
        ),
    ),
    Risk(
        name="profanity",
        hazard=Hazard.HATE,
        custom="profanity",
        criterion=(
            "Profanity refers to the use of language deemed offensive or socially unacceptable in "
            "a given context. This primarily includes curse words, swear words, and crude "
            "expressions, though it typically excludes slurs or derogatory terms specifically "
            "targeting certain groups."
        ),
    ),
    Risk(
        name="sexual_content",
        hazard=Hazard.SEXUAL_CONTENT,
        criterion=(
            "Sexual content refers to material that explicitly involves sexual activities, "
            "anatomy, or desires. This can range from discussions about sexual practices to "
            "graphic depictions of sexual acts, though it typically excludes content related to "
            "general relationships or non-sexual forms of intimacy."
        ),
    ),
    Risk(
        name="unethical_behavior",
        hazard=Hazard.NON_VIOLENT_CRIMES,
        custom="unethical_behavior",
        criterion=(
            "Unethical behavior refers to actions that violate moral or professional standards, "
            "particularly those involving exploitation for personal gain or a disregard for "
            "others' well-being. This category excludes physical violence or explicit bias and "
            "instead encompasses activities like fraud, theft, or the abuse of power."
        ),
    ),
    Risk(
        name="answer_relevance",
        hazard=Hazard.OFF_TOPIC,
        subjects=frozenset({Subject.REPLY}),
        criterion=(
            "A reply is irrelevant if it does not address the user's question: it answers "
            "something else, or leaves out what was asked for."
        ),
    ),
    Risk(
        name="groundedness",
        hazard=Hazard.UNGROUNDED_CLAIM,
        kind="grounded",
        subjects=_REPLIES,
        criterion=(
            "A text is considered ungrounded or unfaithful if it includes information lacking "
            "support from, or directly contradicting, the provided document(s). This risk arises "
            "when the text fabricates details, misinterprets the content, or makes unsupported "
            "extrapolations beyond what is explicitly stated in the document(s)."
        ),
    ),
    Risk(
        name="function_call",
        hazard=Hazard.UNGROUNDED_CLAIM,
        custom="function_call",
        kind="call",
        subjects=frozenset({Subject.TOOL_CALL}),
        criterion=(
            "Function call hallucination occurs when a text includes function calls that either "
            "don't adhere to the correct format defined by the available tools or are "
            "inconsistent with the query's requirements. This risk arises from function calls "
            "containing incorrect argument names, values, or types that clash with the tool "
            "definitions or the query itself. Common examples include calling functions not "
            "present in the tool definitions, providing invalid argument values, or attempting to "
            "use parameters that don't exist."
        ),
    ),
)

RISKS: Mapping[str, Risk] = MappingProxyType({risk.name: risk for risk in _ALL})
"""The model's own risks by name.

Criteria are those of the model's cookbook, except violence and answer relevance, which are this
project's words.
"""

_INSTRUCTION = (
    "<guardian><no-think>As a judge agent, assess whether the provided text meets the given "
    "judging criteria using all available information, including conversations, documents, and "
    "tools. Provide your score immediately without explanation. Output empty <think>\n</think> "
    "tags followed by your score in <score></score> tags."
)
_INSTRUCTION_TO_THINK = (
    "<guardian><think>As a judge agent, carefully analyze whether the provided text meets the "
    "given judging criteria. Use all available information, including conversations, documents, "
    "and tools. Reason through the evidence step by step before providing your score. Wrap your "
    "reasoning in <think></think> tags, then provide your score in <score></score> tags."
)
_SCHEMA = "If the last assistant's text meets the criteria, return 'yes'; otherwise, return 'no'."


def guardian_block(risk: Risk, *, think: bool) -> str:
    """The last message generation 4.1 is shown, word for word as its makers write it."""
    instruction = _INSTRUCTION_TO_THINK if think else _INSTRUCTION
    return f"{instruction}\n\n### Criteria: {risk.criterion}\n\n### Scoring Schema: {_SCHEMA}"
