"""Topics an assistant is for, or stays away from."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What a topic is to an assistant."""

    ONLY = "only"
    AVOID = "avoid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic by examples of what people write, in the languages they write in.

    Attributes:
        name: what findings call it.
        mode: ``only``: what is on none of the ``only`` topics is off topic, small talk excepted;
            ``avoid``: what is on this topic is.
        allow: messages to be taken up: of an ``only`` topic its own, of an ``avoid`` topic those
            that come near and are fine.
        deny: messages not to be taken up: of an ``avoid`` topic its own, of an ``only`` topic
            those that come near and are off.
    """

    name: str
    mode: Mode
    allow: tuple[str, ...]
    deny: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (self.allow if self.mode is Mode.ONLY else self.deny):
            wanted = "allow" if self.mode is Mode.ONLY else "deny"
            raise ValueError(f"topic {self.name!r}: {wanted} must hold examples")
