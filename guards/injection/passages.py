"""What stands in a text: what is plain to see, and each thing that was hidden or encoded."""

from dataclasses import dataclass
from enum import StrEnum

from guards.injection.traced import Traced


class Disguise(StrEnum):
    """How a passage was kept from the eye. Values are the labels of findings."""

    NONE = "VISIBLE"
    TAGS = "TAG_CHARACTERS"
    SELECTORS = "VARIATION_SELECTORS"
    ZERO_WIDTH = "ZERO_WIDTH"
    BIDI = "BIDI"
    HIDDEN = "HIDDEN_TEXT"
    COMMENT = "COMMENT"
    ATTRIBUTE = "ATTRIBUTE"
    SCRIPT = "SCRIPT"
    BASE64 = "BASE64"
    HEX = "HEX"
    PERCENT = "PERCENT_ENCODED"
    ENTITIES = "ENTITIES"
    ESCAPES = "ESCAPES"
    BITS = "BITS"
    ROT13 = "ROT13"
    REVERSED = "REVERSED"

    @property
    def deliberate(self) -> bool:
        """Whether nobody hides prose like this but to hide it.

        Pages are full of comments, attributes, scripts and menus that open later; what is written
        in invisible characters or ciphers was meant for a machine that reads it.
        """
        return self in _DELIBERATE


_DELIBERATE = frozenset(
    {
        Disguise.TAGS,
        Disguise.SELECTORS,
        Disguise.ZERO_WIDTH,
        Disguise.BIDI,
        Disguise.BITS,
        Disguise.ROT13,
        Disguise.REVERSED,
        Disguise.HEX,
        Disguise.BASE64,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Something to judge. ``breaks`` are places in its text where a field or cell begins."""

    traced: Traced
    disguise: Disguise = Disguise.NONE
    breaks: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """What is judged."""
        return self.traced.text
