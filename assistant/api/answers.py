"""The shapes of what is answered, for the OpenAPI description; tests hold the answers to them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Shape):
    message: str = Field(description="What is wrong and what would be right. For people.")
    type: str
    param: str | None = Field(description="The request's field, `messages[3].content`.")
    code: str = Field(description="Stable; for programs.")
    reference: str = Field(description="Names this error in the server's log.")


class Error(Shape):
    error: ErrorDetail


class Usage(Shape):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CalledFunction(Shape):
    name: str
    arguments: str = Field(description="JSON text, as the model wrote it.")


class ToolCall(Shape):
    id: str
    type: Literal["function"]
    function: CalledFunction


class ToolCallPiece(ToolCall):
    index: int


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class ApprovalAsked(Shape):
    """A person's word that the turn waits for; `POST /v1/approvals/{id}` gives it."""

    id: str
    tool: str
    arguments: dict[str, Any] | None = Field(
        description="Exactly what would run; `null` once the turn was finished."
    )
    text: str = Field(description="The question, in the person's language.")
    approver: Literal["user", "operator"] = Field(description="Whose word counts.")
    expires_at: int = Field(description="Seconds since the epoch.")


class Approval(ApprovalAsked):
    """A question to a person, and its answer."""

    object: Literal["approval"]
    status: Literal["waiting", "approved", "denied", "expired"]
    plugin: str
    user: str
    session: str
    turn: str
    clause: str | None = Field(description="The policy's clause that wants a person's word.")
    created_at: int
    answered_at: int | None
    answered_by: Literal["user", "operator", "word"] | None = Field(
        description="`word`: the user's next message said yes or no."
    )


class ApprovalList(Shape):
    object: Literal["list"]
    data: list[Approval] = Field(description="Newest first.")


class Source(Shape):
    """What `[number]` in the reply refers to."""

    number: int
    title: str
    url: str
    text: str = Field(description="The passage that was used; may be empty.")


class ToolRun(Shape):
    """A call of one of the server's tools."""

    call: str
    tool: str
    failure: str | None
    artifact: Any = Field(description="Data for the application; what it is, the tool says.")


class Image(Shape):
    url: str = Field(description="A base64 `data:` URL.")
    alt: str


class ToolStarted(Shape):
    type: Literal["tool_started"]
    call: str
    tool: str
    plugin: str


class ToolProgress(Shape):
    type: Literal["tool_progress"]
    call: str
    text: str


class ToolFinished(ToolRun):
    type: Literal["tool_finished"]


class CitationReleased(Source):
    type: Literal["citation"]


class ImageReleased(Image):
    type: Literal["image"]


CorralEvent = Annotated[
    ToolStarted | ToolProgress | ToolFinished | CitationReleased | ImageReleased,
    Field(discriminator="type"),
]


class CorralAnswer(Shape):
    """What was decided about the turn, and where the proof is."""

    decision: Literal["allow", "ask", "rewrite", "steer", "support", "refuse", "escalate"]
    clause: str | None = Field(description="The policy's clause that decided, if one did.")
    log_id: str = Field(description="Entry of the decision log.")
    replayed: bool = Field(description="The message had been answered before; this is that answer.")
    policy: str = Field(description="Name and version, `acceptable_use@1.0.0`.")
    retracted: bool = Field(
        False, description="Text that had been released was withdrawn while the reply was written."
    )
    text: str | None = Field(
        None, description="In a stream, what to show instead of what was withdrawn."
    )
    approval: ApprovalAsked | None = Field(
        None, description="What the turn waits for, when `decision` is `ask`."
    )
    citations: list[Source] | None = Field(None, description="The reply's sources.")
    tools: list[ToolRun] | None = Field(None, description="The server's tools that ran.")
    images: list[Image] | None = Field(
        None, description="For the user; in a stream each comes as an event of its own."
    )


class ReplyMessage(Shape):
    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = None


class Choice(Shape):
    index: Literal[0]
    message: ReplyMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(Shape):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice] = Field(min_length=1, max_length=1)
    usage: Usage
    corral: CorralAnswer


class Delta(Shape):
    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[ToolCallPiece] | None = None


class ChunkChoice(Shape):
    index: Literal[0]
    delta: Delta
    logprobs: None
    finish_reason: FinishReason | None


class ChatCompletionChunk(Shape):
    """One `data:` line of a stream; the stream ends with `data: [DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice] = Field(
        max_length=1, description="Empty in chunks that carry the usage or an event."
    )
    usage: Usage | None = None
    corral: CorralAnswer | None = Field(None, description="On the chunk with the finish_reason.")
    corral_event: CorralEvent | None = Field(
        None, description="What is no text, in a chunk of its own that has no choices."
    )


class UnscannedBy(Shape):
    guard: str
    reason: str


class CorralModeration(Shape):
    decision: Literal["allow", "rewrite", "steer", "support", "refuse", "escalate"]
    clause: str | None
    log_id: str | None = Field(
        description="Entry of the decision log; `null` where a service keeps none."
    )
    policy: str
    hazards: dict[str, float] = Field(description="Probability by hazard; the rest is zero.")
    unscanned: list[UnscannedBy] = Field(description="Guards that could not judge, and why.")


class ModerationResult(Shape):
    flagged: bool = Field(description="The policy blocks the text, or a guard could not judge it.")
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    corral: CorralModeration


class Moderation(Shape):
    id: str
    model: str
    results: list[ModerationResult]


class Found(Shape):
    guard: str
    hazard: str
    probability: float
    start: int | None = Field(description="First character of the judged text, from 0.")
    end: int | None = Field(description="The character after the last.")
    label: str | None = Field(description="What exactly, such as `EMAIL` or `CWE-89`.")
    custom: str | None = Field(description="A category of the operator's own.")


class Replaced(Shape):
    start: int
    end: int
    replacement: str


class GuardNamed(Shape):
    name: str
    revision: str


class JudgementResult(Shape):
    subject: Literal[
        "user_input",
        "reply",
        "reply_so_far",
        "tool_call",
        "tool_result",
        "document",
        "image_prompt",
        "image",
    ]
    tool_call_id: str | None = Field(description="Which call, for `tool_call`.")
    decision: Literal["allow", "ask", "rewrite", "steer", "support", "refuse", "escalate"]
    blocked: bool = Field(
        description="Ask, support, refuse or escalate, so also: nobody could judge."
    )
    clause: str | None
    degraded: bool = Field(description="Another guard stood in for one that gave no verdict.")
    reason: str | None = Field(description="Why it is not what the scores alone would say.")
    text: str | None = Field(description="The policy's words to show instead, when blocked.")
    guidance: str | None = Field(description="What to tell the model, for `steer`.")
    rewritten: str | None = Field(description="The text to go on with, for `rewrite`.")
    redactions: list[Replaced] = Field(description="What of it was replaced.")
    findings: list[Found]
    unscanned: list[UnscannedBy] = Field(description="Guards that could not judge, and why.")
    guards: list[GuardNamed] = Field(description="Who judged, and by which revision.")
    elapsed_ms: float
    policy: str
    digest: str = Field(description="SHA-256 of the policy.")
    log_id: str | None


class Judgement(Shape):
    id: str
    model: str
    blocked: bool = Field(description="Whether any result is.")
    results: list[JudgementResult] = Field(
        description="The message's text first, then its images, then each tool call."
    )


class Model(Shape):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Shape):
    object: Literal["list"]
    data: list[Model]


class Alive(Shape):
    status: Literal["ok"]


class Ready(Shape):
    status: Literal["ready", "unavailable"]
    parts: dict[str, str] = Field(description="`ok` or what is wrong: engine, memory, log, guards.")
