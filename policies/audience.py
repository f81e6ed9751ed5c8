"""Who the assistant is talking to, as far as the operator knows."""

from enum import StrEnum


class Audience(StrEnum):
    """The age band a turn is decided for. The operator says it; it is never guessed.

    ``GENERAL`` is the default: the person's age is unknown. ``ADULT`` means the operator vouches
    that the person is of age (a checked sign-up, a tool for professionals).
    """

    GENERAL = "general"
    MINOR = "minor"
    ADULT = "adult"
