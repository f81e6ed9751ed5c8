"""How the guard that looks for instructions in data is described, and made from its description."""

from typing import Annotated, Literal

from pydantic import Field

from guards.guard import Guard
from guards.making import Description, Making


class InjectedDataDescription(Description):
    """Finds instructions in tool results and documents, hidden ones too, and where they stand."""

    kind: Literal["injected_data"]
    guards: list[str] = Field(
        default=["embedded"], min_length=1, description="The guards that judge the pieces."
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5, description="Probability from which what carries an attack is looked for."
    )

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.injection.guard import DataGuard

        return DataGuard(
            [making.seat(name) for name in self.guards],
            name=making.name,
            threshold=self.threshold,
        )
