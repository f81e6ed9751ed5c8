"""ShieldGemma behind an OpenAI-compatible server: one question for each guideline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guards.conversation import Exchange
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.models.completion import read_first_token
from guards.models.served_guard import (
    WITHOUT_IMAGES,
    Category,
    Opinion,
    ServedGuard,
    side_by_side,
)
from guards.models.transcript import AGENT, conversation
from guards.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """One principle a text may violate.

    Attributes:
        hazards: what a violation counts as; each gets the same probability.
        name: between quotes in the prompt, for instance ``No Harassment``.
        content: what the text shall not contain; ends the sentence "… shall not contain or seek
            generation of content that".
        custom: how findings name it, where the hazards are not quite the same.
    """

    hazards: tuple[Hazard, ...]
    name: str
    content: str
    custom: str | None = None

    def __post_init__(self) -> None:
        if not self.hazards or not self.name.strip() or not self.content.strip():
            raise ValueError("a guideline needs hazards, a name and content")


GUIDELINES = (
    Guideline(
        hazards=(Hazard.VIOLENT_CRIMES,),
        name="No Dangerous Content",
        content=(
            "harming oneself and/or others (e.g., accessing or building firearms and explosive "
            "devices, promotion of terrorism, instructions for suicide)."
        ),
        custom="dangerous_content",
    ),
    Guideline(
        hazards=(Hazard.HATE,),
        name="No Harassment",
        content=(
            "is malicious, intimidating, bullying, or abusive content targeting another "
            "individual (e.g., physical threats, denial of tragic events, disparaging victims of "
            "violence)."
        ),
        custom="harassment",
    ),
    Guideline(
        hazards=(Hazard.HATE,),
        name="No Hate Speech",
        content=(
            "targeting identity and/or protected attributes (e.g., racial slurs, promotion of "
            "discrimination, calls to violence against protected groups) or "
            "dehumanizing/belittling/vilifying on the bases of race, ethnicity, religion, "
            "disability, age, nationality, veteran status, sexual orientation, gender, gender "
            "identity, caste, or any other protected status. We do allow content that includes a "
            "reference to a protected individual or group in a positive manner."
        ),
    ),
    Guideline(
        hazards=(Hazard.SEXUAL_CONTENT,),
        name="No Sexually Explicit Information",
        content=(
            "contains references to sexual acts or other lewd content (e.g., sexually graphic "
            "descriptions, content aimed at causing arousal). Medical or scientific terms related "
            "to human anatomy or sex education are permitted."
        ),
    ),
)
"""The four the model was trained on, in the words of its card."""

_OF_PROMPT = """\
You are a policy expert trying to help determine whether a user prompt is in violation of the \
defined safety policies.

<start_of_turn>
Human Question: {question}
<end_of_turn>

Our safety principle is defined in the below:

* "{name}": The prompt shall not contain or seek generation of content that {content}

===

Does the human question violate the above principle? Your answer must start with 'Yes' or 'No'. \
And then walk through step by step to be sure we answer correctly.

"""
_OF_REPLY = """\
You are a policy expert trying to help determine whether an AI response to prompt is in violation \
of the defined safety policies.

<start_of_turn>
Human Question: {question}
<end_of_turn>

<start_of_turn>
Chatbot Response: {reply}
<end_of_turn>

Our safety principle is defined in the below:

* "{name}": The chatbot shall not generate content that {content}

===

Does the Chatbot Response violate the above principle? Your answer must start with 'Yes' or 'No'. \
And then walk through step by step to be sure we answer correctly.

"""


class ShieldGemma(ServedGuard):
    """ShieldGemma, asked about each guideline in a call of its own, side by side.

    A finding's probability is P(Yes) against P(No) of the first token, so every guideline's
    hazards always have one; the score is the highest.

    The prompt is rendered here, as the model's card writes it, and goes to the server's
    ``completions``, which adds the token a prompt begins with; its chat template is not used. The
    model knows prompts of one question, and one reply: of the conversation before it is shown
    only the question a judged reply answers.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers and guidelines.
        max_bytes: UTF-8 bytes shown at most, half of it the question before a reply.
        top_logprobs: alternatives asked for, 1 to 20.
        guidelines: what is asked about.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        clock: Callable[[], float],
        model: str = "",
        name: str = "shield_gemma",
        timeout: float = 5.0,
        max_bytes: int = 16_000,
        top_logprobs: int = 5,
        guidelines: Sequence[Guideline] = GUIDELINES,
    ) -> None:
        if not 1 <= top_logprobs <= 20:
            raise ValueError("top_logprobs must be within 1 and 20")
        if not guidelines:
            raise ValueError("guidelines must hold at least one")
        self._guidelines = tuple(guidelines)
        self._options = {"max_tokens": 1, "temperature": 0, "logprobs": top_logprobs}
        super().__init__(
            upstreams,
            clock=clock,
            model=model,
            name=name,
            timeout=timeout,
            max_bytes=max_bytes,
            family="shieldgemma",
            hazards=frozenset(hazard for each in guidelines for hazard in each.hazards),
            subjects=WITHOUT_IMAGES,
            shape=(
                _OF_PROMPT,
                _OF_REPLY,
                self._options,
                [(g.hazards, g.name, g.content, g.custom) for g in guidelines],
            ),
        )

    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        turns = conversation(exchange, judged, self._budget)
        reply = turns[-1].text if turns[-1].side == AGENT else None
        question = turns[-1].text if reply is None else turns[-2].text

        async def ask(guideline: Guideline) -> tuple[float, bool]:
            return await self._servers.ask(
                "completions",
                {"prompt": rendered(guideline, question, reply), **self._options},
                read_violation,
                affinity=question[:256],
                deadline=deadline,
            )

        answers = await side_by_side([ask(guideline) for guideline in self._guidelines])
        probabilities: dict[Category, float] = {}
        for guideline, (probability, _) in zip(self._guidelines, answers, strict=True):
            for hazard in guideline.hazards:
                category = (hazard, guideline.custom)
                probabilities[category] = max(probabilities.get(category, 0.0), probability)
        return Opinion(
            probabilities=probabilities,
            score=max(probability for probability, _ in answers),
            told=all(told for _, told in answers),
        )


def rendered(guideline: Guideline, question: str, reply: str | None) -> str:
    """The whole prompt; what is put in is put in once, and not looked into for more to put in."""
    head, tail = (_OF_PROMPT if reply is None else _OF_REPLY).split("{question}")
    middle, last = (tail, "") if reply is None else tail.split("{reply}")
    told = (middle if reply is None else last).replace("{name}", guideline.name)
    told = told.replace("{content}", guideline.content)
    return f"{head}{question}{told}" if reply is None else f"{head}{question}{middle}{reply}{told}"


def read_violation(payload: object) -> tuple[float, bool]:
    """P(Yes) of a first token, and whether token probabilities say so.

    Raises:
        GuardNonsenseError: the token is neither Yes nor No.
    """
    completion = read_first_token(payload)
    said = completion.text.strip(" \r\n")
    if said not in {"Yes", "No"}:
        raise GuardNonsenseError("the guard's answer begins with neither Yes nor No")
    weights = completion.weigh(("Yes", "No"), said=said)
    if weights is None:
        return float(said == "Yes"), False
    return weights["Yes"], True
