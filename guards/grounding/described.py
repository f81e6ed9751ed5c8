"""How the guard that checks replies against sources is described, and made from its description."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from guards.cascade import Band
from guards.guard import Guard
from guards.making import Description, Making


class GroundingDescription(Description):
    """Checks replies, sentence by sentence, against tool results and documents before them."""

    kind: Literal["grounding"]
    second: Annotated[str, Field(min_length=1, max_length=48)] | None = Field(
        default=None, description="A guard of groundedness, asked about doubtful sentences."
    )
    band: Band | None = Field(
        default=None, description="Which sentences are doubtful; 0.2 to 0.8 when left out."
    )

    @model_validator(mode="after")
    def _band_needs_second(self) -> Self:
        if self.band is not None and self.second is None:
            raise ValueError("band says when second is asked, and there is none")
        return self

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.grounding.guard import GroundingGuard

        band = self.band or Band(low=0.2, high=0.8)
        return GroundingGuard(
            name=making.name,
            second=None if self.second is None else making.seat(self.second),
            band=(band.low, band.high),
        )
