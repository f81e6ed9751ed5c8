"""How the guard that keeps to topics is described, and made from its description."""

from typing import Annotated, Literal

from pydantic import Field

from guards.guard import Guard
from guards.making import Description, Making
from guards.topic.choice import EmbedderName, choose


class TopicDescription(Description):
    """Keeps to the topics of the policy in force."""

    kind: Literal["topic"]
    embedder: Annotated[EmbedderName, Field(strict=False)] = Field(
        default=EmbedderName.AUTO,
        description="`e5` compares meanings and needs the extra `topics`, `ngrams` words; `auto` "
        "takes `e5` where it is installed.",
    )

    def make(self, making: Making) -> Guard:
        """See :class:`~guards.making.Description`."""
        from guards.topic.guard import TopicGuard

        embedder, background = choose(self.embedder)
        return TopicGuard(making.workshop.topics, embedder, background, name=making.name)
