"""The closed list of hazard categories every guard model's taxonomy maps into."""

from enum import StrEnum


class Hazard(StrEnum):
    """What a guard may find.

    The first fourteen are the MLCommons AILuminate hazards in the order Llama Guard 3 and 4
    number them (S1-S14); the rest are what those models do not cover. The enum is closed on
    purpose: a foreign category that has no member here is an error, never "nothing found".

    Source: MLCommons AI Safety taxonomy 1.0; Llama Guard 3 model card.
    """

    VIOLENT_CRIMES = "violent_crimes"
    NON_VIOLENT_CRIMES = "non_violent_crimes"
    SEX_CRIMES = "sex_crimes"
    CHILD_EXPLOITATION = "child_exploitation"
    DEFAMATION = "defamation"
    SPECIALIZED_ADVICE = "specialized_advice"
    PRIVACY = "privacy"
    INTELLECTUAL_PROPERTY = "intellectual_property"
    INDISCRIMINATE_WEAPONS = "indiscriminate_weapons"
    HATE = "hate"
    SELF_HARM = "self_harm"
    SEXUAL_CONTENT = "sexual_content"
    ELECTIONS = "elections"
    CODE_INTERPRETER_ABUSE = "code_interpreter_abuse"

    PROMPT_INJECTION = "prompt_injection"
    JAILBREAK = "jailbreak"
    PERSONAL_DATA = "personal_data"
    SECRETS = "secrets"
    INSECURE_CODE = "insecure_code"
    UNGROUNDED_CLAIM = "ungrounded_claim"
    OFF_TOPIC = "off_topic"


MLCOMMONS: tuple[Hazard, ...] = tuple(Hazard)[:14]
"""S1-S14 in order: ``MLCOMMONS[0]`` is S1."""


class UnknownHazardError(ValueError):
    """A foreign category code that maps to no :class:`Hazard`."""


def from_mlcommons(code: str) -> Hazard:
    """Map ``"S1"`` ... ``"S14"`` to its hazard.

    Raises:
        UnknownHazardError: for any other text.
    """
    digits = code[1:]
    if code[:1] == "S" and digits.isascii() and digits.isdecimal() and len(digits) <= 2:
        number = int(digits)
        if 1 <= number <= len(MLCOMMONS) and digits == str(number):
            return MLCOMMONS[number - 1]
    raise UnknownHazardError("hazard code is not one of S1 to S14")


def mlcommons_code(hazard: Hazard) -> str | None:
    """The inverse of :func:`from_mlcommons`; ``None`` for hazards outside S1-S14."""
    return f"S{MLCOMMONS.index(hazard) + 1}" if hazard in MLCOMMONS else None
