"""What the server is asked, checked at the border."""

import json
from typing import Annotated, Any, Literal, Self

from llama_cpp.llama_grammar import json_schema_to_gbnf
from pydantic import BaseModel, ConfigDict, Field, model_validator

from assistant.engine.llamacpp.sampler import Draw

_ANY_JSON = json.dumps({"type": "object"})


class _Border(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TextPart(_Border):
    type: Literal["text"]
    text: str


class FunctionCall(_Border):
    name: str
    arguments: str


class CallOfTool(_Border):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(_Border):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[CallOfTool] | None = None
    tool_call_id: str | None = None

    def plain(self) -> dict[str, Any]:
        """For the chat template: the content as one string, nothing that is unset."""
        content = self.content
        if isinstance(content, list):
            content = "\n".join(part.text for part in content)
        return {**self.model_dump(exclude_none=True), "content": content or ""}


class Function(_Border):
    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    strict: bool | None = None


class Tool(_Border):
    type: Literal["function"]
    function: Function


class NamedFunction(_Border):
    name: str


class NamedTool(_Border):
    type: Literal["function"]
    function: NamedFunction


class JsonSchema(_Border):
    name: str = ""
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(_Border):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StructuredOutputs(_Border):
    """vLLM's way to say it."""

    choice: Annotated[list[str], Field(min_length=1)] | None = None
    json_: dict[str, Any] | None = Field(None, alias="json")


class StreamOptions(_Border):
    include_usage: bool = False


class TokenizeRequest(_Border):
    """``POST /tokenize``, in vLLM's shape."""

    model: str | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    tools: list[Tool] = Field(default_factory=list)


class ChatRequest(TokenizeRequest):
    """``POST /v1/chat/completions``: what of OpenAI's shape makes sense here."""

    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    tool_choice: Literal["none", "auto", "required"] | NamedTool = "auto"
    parallel_tool_calls: bool | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    top_k: Annotated[int, Field(ge=1)] = 40
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.05
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    logit_bias: dict[Annotated[int, Field(ge=0)], Annotated[float, Field(ge=-100, le=100)]] = Field(
        default_factory=dict
    )
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    n: Literal[1] = 1
    user: str | None = None

    @model_validator(mode="after")
    def _forced_tool_is_there(self) -> Self:
        if self.tool_choice == "required" and len(self.tools) != 1:
            raise ValueError("tool_choice 'required' works with exactly one tool: name one instead")
        if isinstance(self.tool_choice, NamedTool) and self.forced is None:
            raise ValueError("tool_choice names a function that is not among the tools")
        return self

    @property
    def forced(self) -> Function | None:
        """The function that must be called."""
        match self.tool_choice:
            case "required":
                return self.tools[0].function
            case NamedTool(function=NamedFunction(name=name)):
                return next((t.function for t in self.tools if t.function.name == name), None)
            case _:
                return None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the reply; empty ones do not count."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in stop if text)

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """How many alternatives to report with each token; ``None`` for no probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def draw(self) -> Draw:
        """How to draw tokens.

        Raises:
            ValueError: the schema cannot be turned into a grammar.
        """
        return Draw(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            seed=self.seed,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=tuple(self.logit_bias.items()),
            grammar=self._grammar(),
        )

    def _grammar(self) -> str | None:
        structured, wanted = self.structured_outputs, self.response_format
        schema: str | None = None
        if self.forced is not None:
            schema = json.dumps(self.forced.parameters or {"type": "object"})
        elif structured is not None and structured.choice is not None:
            return "root ::= " + " | ".join(json.dumps(choice) for choice in structured.choice)
        elif structured is not None and structured.json_ is not None:
            schema = json.dumps(structured.json_)
        elif wanted is not None and wanted.json_schema is not None:
            schema = json.dumps(wanted.json_schema.schema_)
        elif wanted is not None and wanted.type == "json_object":
            schema = _ANY_JSON
        if schema is None:
            return None
        try:
            grammar: str = json_schema_to_gbnf(schema)
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RecursionError):
            # The converter checks what it is given with all of these.
            raise ValueError("the JSON schema cannot be turned into a grammar") from None
        return grammar
