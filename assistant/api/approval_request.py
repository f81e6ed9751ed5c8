"""What ``POST /v1/approvals/{id}`` accepts."""

from typing import Literal

from pydantic import ConfigDict, Field

from assistant.api.chat_request import Name
from assistant.api.fields import Wire


class ApprovalRequest(Wire):
    """A person's word on a tool call. An unknown field is refused."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"decision": "deny"}]}
    )

    decision: Literal["approve", "deny"]
    user: Name | None = Field(
        default=None,
        description="Who answers: must be the `user` of the turn that asked, who is `anonymous` "
        "when that named none. Not needed with an approver key.",
    )
    stream: bool | None = None
