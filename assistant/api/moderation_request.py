"""What ``POST /v1/moderations`` accepts."""

from typing import Annotated

from pydantic import ConfigDict, Discriminator, Field, Tag

from assistant.api.chat_request import TextContent
from assistant.api.fields import Wire
from policies.audience import Audience


class ModerationOptions(Wire):
    """What Corral understands beyond OpenAI's fields."""

    model_config = ConfigDict(extra="forbid")

    locale: str | None = Field(default=None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")
    audience: Annotated[Audience, Field(strict=False)] = Audience.GENERAL


def _shape(value: object) -> str | None:
    match value:
        case str():
            return "<text>"
        case [dict(), *_]:
            return "<parts>"
        case list():
            return "<texts>"
        case _:
            return None


class ModerationRequest(Wire):
    """A moderation request in OpenAI's format. Images are not judged, so they are refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"input": "How do I bake bread?"},
                {"input": ["first text", "second text"], "corral": {"audience": "minor"}},
            ]
        }
    )

    input: Annotated[
        Annotated[str, Tag("<text>")]
        | Annotated[Annotated[list[str], Field(min_length=1, max_length=256)], Tag("<texts>")]
        | Annotated[
            Annotated[list[TextContent], Field(min_length=1, max_length=256)], Tag("<parts>")
        ],
        Discriminator(
            _shape,
            custom_error_type="input_shape",
            custom_error_message="Input should be a string, a list of strings or a list of parts",
        ),
    ]
    model: str | None = Field(default=None, max_length=512, description="Accepted and not used.")
    corral: ModerationOptions = ModerationOptions()

    def texts(self) -> list[str]:
        """The texts to judge; parts are one text together, as in OpenAI's answer."""
        match self.input:
            case str() as text:
                return [text]
            case items:
                texts = [item for item in items if isinstance(item, str)]
                parts = [item.text for item in items if isinstance(item, TextContent)]
                return texts or ["\n".join(parts)]
