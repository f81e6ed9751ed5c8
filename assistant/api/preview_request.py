"""What ``POST /v1/images/previews`` accepts."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from assistant.api.chat_request import Name
from assistant.api.fields import Wire
from assistant.api.moderation_request import ModerationOptions
from plugins.images import LONGEST_PROMPT


def _words(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("must not be empty")
    return prompt


class PreviewOptions(ModerationOptions):
    """Where somebody is typing, and who."""

    session: Name = Field(
        description="Names the place where somebody types. Newer words of the same user and "
        "session end what is made of older ones."
    )


class PreviewRequest(Wire):
    """What somebody has typed so far. An unknown field is refused."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"prompt": "A red fox asleep in fresh snow", "corral": {"session": "s1"}}]
        },
    )

    prompt: Annotated[str, Field(max_length=LONGEST_PROMPT), AfterValidator(_words)]
    user: Name | None = Field(default=None, description="Who types; `anonymous` when unset.")
    corral: PreviewOptions
