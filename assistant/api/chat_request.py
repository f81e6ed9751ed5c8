"""What ``POST /v1/chat/completions`` accepts."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, FailFast, Field, Tag

from assistant.api.fields import Wire
from policies.audience import Audience

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@+=|~/-]{1,128}$")]
"""An id that a caller chooses: 1 to 128 letters, digits and ``._:@+=|~/-``."""

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class TextContent(Wire):
    """A part of a message that is text."""

    type: Literal["text"]
    text: str


class RefusalContent(Wire):
    """A part of an assistant's message that was a refusal."""

    type: Literal["refusal"]
    refusal: str


class ImageUrl(Wire):
    url: str = Field(
        pattern=r"^data:image/[a-z.+-]+;base64,[A-Za-z0-9+/=]+$",
        description="The image itself as a base64 `data:` URL. Addresses are not fetched: what "
        "the guards judged and what the model saw could differ.",
    )


class ImageContent(Wire):
    """A part of a user's message that is an image."""

    type: Literal["image_url"]
    image_url: ImageUrl


def _kind(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if isinstance(kind, str) else None


ContentPart = Annotated[
    Annotated[TextContent, Tag("<text>")]
    | Annotated[ImageContent, Tag("<image_url>")]
    | Annotated[RefusalContent, Tag("<refusal>")],
    Discriminator(_kind),
]


def _shape(value: object) -> str | None:
    match value:
        case str():
            return "<text>"
        case list():
            return "<parts>"
        case _:
            return None


Content = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[Annotated[list[ContentPart], Field(min_length=1, max_length=1024)], Tag("<parts>")],
    Discriminator(
        _shape,
        custom_error_type="content_shape",
        custom_error_message="Input should be a string or a list of parts",
    ),
]


class FunctionCall(Wire):
    name: ToolName
    arguments: str


class ToolCallRecord(Wire):
    """A call an assistant's message asked for."""

    id: Name
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(Wire):
    """One message of the conversation. `developer` means the same as `system`."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    tool_calls: list[ToolCallRecord] | None = Field(default=None, max_length=128)
    tool_call_id: Name | None = None
    function_call: None = None
    audio: None = None


Messages = Annotated[list[ChatMessage], Field(min_length=1), FailFast()]
"""A conversation. A hundred thousand wrong messages are not told one by one, which would take
seconds: the first one is enough."""


class FunctionSpec(Wire):
    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Wire):
    type: Literal["function"]
    function: FunctionSpec


class ChosenFunction(Wire):
    name: ToolName


class ToolChoice(Wire):
    type: Literal["function"]
    function: ChosenFunction


def _choice_shape(value: object) -> str | None:
    match value:
        case str():
            return "<word>"
        case dict():
            return "<tool>"
        case _:
            return None


class StreamOptions(Wire):
    include_usage: bool | None = None


class ResponseFormat(Wire):
    """Handed to the engine as it is."""

    type: Literal["text", "json_object", "json_schema"]


class CorralOptions(Wire):
    """What Corral understands beyond OpenAI's fields. An unknown field in here is refused."""

    model_config = ConfigDict(extra="forbid")

    session: Name | None = Field(
        default=None,
        description="Remember the conversation under this name: send only the new message, "
        "Corral keeps the rest.",
    )
    message_id: Name | None = Field(
        default=None,
        description="The message's own id. The same id in the same session is answered once: a "
        "repeated delivery gets the first answer again. Same as the `Idempotency-Key` header.",
    )
    locale: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$",
        description="Language tag of the policy's own texts, `en`, `zh-Hans`.",
    )
    audience: Annotated[Audience, Field(strict=False)] = Field(
        default=Audience.GENERAL, description="Who reads the reply, as far as the operator knows."
    )
    tools: list[ToolName] | None = Field(
        default=None,
        max_length=128,
        description="Corral's own tools that this turn may call, by name; left out, all that are "
        "enabled. `[]` is none.",
    )


Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
StopText = Annotated[str, Field(min_length=1, max_length=256)]


class ChatRequest(Wire):
    """A chat completion request in OpenAI's format.

    Fields not listed here are refused when they would change the reply, so that nobody relies on
    something that is silently ignored.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"messages": [{"role": "user", "content": "Why is the sky blue?"}]},
                {
                    "messages": [{"role": "user", "content": "And at sunset?"}],
                    "stream": True,
                    "corral": {"session": "physics-homework", "audience": "minor"},
                },
            ]
        }
    )

    messages: Messages
    model: str | None = Field(
        default=None, max_length=512, description="As listed by `/v1/models`; may be left out."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    stop: (
        Annotated[
            Annotated[StopText, Tag("<text>")]
            | Annotated[Annotated[list[StopText], Field(max_length=16)], Tag("<parts>")],
            Discriminator(
                _shape,
                custom_error_type="stop_shape",
                custom_error_message="Input should be a string or a list of strings",
            ),
        ]
        | None
    ) = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    top_k: int | None = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = Field(default=None, max_length=128)
    tool_choice: (
        Annotated[
            Annotated[Literal["none", "auto", "required"], Tag("<word>")]
            | Annotated[ToolChoice, Tag("<tool>")],
            Discriminator(
                _choice_shape,
                custom_error_type="choice_shape",
                custom_error_message="Input should be 'none', 'auto', 'required' or one function",
            ),
        ]
        | None
    ) = None
    parallel_tool_calls: bool | None = None
    user: Name | None = Field(
        default=None, description="Whose conversation it is; sessions of two users never meet."
    )
    corral: CorralOptions = CorralOptions()


ENGINE_FIELDS = (
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "top_k",
    "min_p",
    "response_format",
    "parallel_tool_calls",
)
"""Handed to the engine as they are."""

HARMLESS_FIELDS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
    }
)
"""Of OpenAI's own service; the reply would be no different with them."""

DEFAULTS_ONLY: dict[str, tuple[object, str]] = {
    "n": (1, "must be 1: each reply is judged as it streams, ask again for another"),
    "logprobs": (False, "must be false: probabilities would show text that was not released"),
    "top_logprobs": (0, "must be 0: alternatives would show text that was not released"),
    "modalities": (["text"], 'must be ["text"]'),
    "functions": (None, "is not supported; use tools"),
    "function_call": (None, "is not supported; use tool_choice"),
}
"""Accepted only at the value that changes nothing, with what is said otherwise."""
