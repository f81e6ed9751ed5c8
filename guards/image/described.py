"""How guards for images are described, and made from their descriptions."""

from typing import Annotated, Literal

from pydantic import Field

from guards.guard import Guard
from guards.making import Description, Making
from guards.models.described import ServedDescription

_EXTRA = "needs the extra: pip install 'corral[images]'"


class NsfwImageDescription(Description):
    """Sexual content in images, on the CPU."""

    kind: Literal["nsfw_image"]
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="Threads that decode and judge; more images wait for them."
    )

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        try:
            from guards.image.guard import NsfwGuard
            from guards.image.open_nsfw import OpenNsfw
        except ImportError as error:
            raise ImportError(_EXTRA) from error
        return NsfwGuard(OpenNsfw(), name=making.name, workers=self.workers)


class VisionDescription(ServedDescription):
    """Llama Guard 4 as a judge of images by themselves."""

    kind: Literal["vision"]

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.models.llama_guard import LlamaGuard

        try:
            from guards.image.vision_guard import VisionGuard
        except ImportError as error:
            raise ImportError(_EXTRA) from error
        inner = LlamaGuard(self.servers(making), generation="4", **self.common(making))
        return VisionGuard(inner, clock=making.workshop.clock)
