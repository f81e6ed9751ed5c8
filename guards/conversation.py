"""Messages, where they come from, and what a guard is asked to judge."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """Who speaks, in the words of the OpenAI chat format."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Source(StrEnum):
    """Where content entered the conversation."""

    OPERATOR = "operator"
    USER = "user"
    MODEL = "model"
    TOOL = "tool"
    DOCUMENT = "document"
    MEMORY = "memory"


class Integrity(StrEnum):
    """Whether instructions in the content may be followed."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


class Confidentiality(StrEnum):
    """Who may see the content."""

    PUBLIC = "public"
    USER = "user"
    TENANT = "tenant"
    SECRET = "secret"  # noqa: S105 - a label, not a credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A message's origin; it follows the content wherever it goes."""

    source: Source
    integrity: Integrity
    confidentiality: Confidentiality = Confidentiality.USER


BY_USER = Provenance(source=Source.USER, integrity=Integrity.TRUSTED)
BY_OPERATOR = Provenance(
    source=Source.OPERATOR, integrity=Integrity.TRUSTED, confidentiality=Confidentiality.TENANT
)
BY_MODEL = Provenance(source=Source.MODEL, integrity=Integrity.TRUSTED)
BY_TOOL = Provenance(source=Source.TOOL, integrity=Integrity.UNTRUSTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image by URL or ``data:`` URL."""

    url: str


Part = TextPart | ImagePart


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call a model asked for. ``arguments`` is the model's raw JSON text, unparsed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One immutable message of a conversation."""

    id: str
    role: Role
    parts: tuple[Part, ...]
    provenance: Provenance
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    text: str = field(init=False, repr=False, compare=False)
    """The text parts joined by newlines; offsets of a span count into this."""

    def __post_init__(self) -> None:
        parts = self.parts
        if len(parts) == 1 and isinstance(parts[0], TextPart):
            text = parts[0].text
        else:
            text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        object.__setattr__(self, "text", text)


def text_message(
    text: str,
    *,
    id: str,  # noqa: A002 - the field's own name
    role: Role = Role.USER,
    provenance: Provenance = BY_USER,
) -> Message:
    """A message of one text part."""
    return Message(id=id, role=role, parts=(TextPart(text=text),), provenance=provenance)


class Subject(StrEnum):
    """What of the exchange is being judged."""

    USER_INPUT = "user_input"
    REPLY = "reply"
    REPLY_SO_FAR = "reply_so_far"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    DOCUMENT = "document"
    IMAGE_PROMPT = "image_prompt"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a guard judges: one message, and the conversation that led to it.

    ``context`` is oldest first and does not contain ``message``. For ``TOOL_CALL`` the message
    carries the call in ``tool_calls`` and its arguments as text.
    """

    subject: Subject
    message: Message
    context: tuple[Message, ...] = ()

    @property
    def text(self) -> str:
        """The judged text; spans of findings count into it."""
        return self.message.text
