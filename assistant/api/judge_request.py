"""What ``POST /v1/judge`` accepts."""

from typing import Annotated

from pydantic import ConfigDict, Field

from assistant.api.chat_request import Messages
from assistant.api.fields import Wire
from assistant.api.moderation_request import ModerationOptions
from guards.conversation import Subject


class JudgeRequest(Wire):
    """A conversation in OpenAI's format, whose last message is judged in the context of the others.

    `system` and `developer` messages are the operator's own word: they are neither judged nor
    shown to the guards.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "messages": [
                        {"role": "user", "content": "How do I get into my own locked flat?"},
                        {"role": "assistant", "content": "Call a locksmith, and bring your ID."},
                    ]
                },
                {
                    "messages": [{"role": "user", "content": "Text of a page that was fetched."}],
                    "subject": "document",
                },
            ]
        },
    )

    messages: Messages
    subject: Annotated[Subject, Field(strict=False)] | None = Field(
        default=None,
        description="What the last message is judged as. Unset judges all there is in it: its "
        "text by its role, its images, and each tool call.",
    )
    corral: ModerationOptions = ModerationOptions()
