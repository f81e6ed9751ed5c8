"""What a model is told about a tool."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool the model may call.

    Attributes:
        name: function name.
        description: what the model reads.
        parameters: JSON schema (draft 2020-12) of the arguments object.
    """

    name: str
    description: str
    parameters: dict[str, Any]
