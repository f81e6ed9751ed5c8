"""Everything in a message that is judged, as exchanges."""

from typing import assert_never

from guards.conversation import (
    BY_MODEL,
    Exchange,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
    ToolCall,
)


def exchanges_of(message: Message, context: tuple[Message, ...]) -> list[Exchange]:
    """The text of ``message`` first, then its images together, then each tool call it asks for.

    Raises:
        ValueError: a system message is the operator's own word, which nobody judges.
    """
    match message.role:
        case Role.USER:
            subject = Subject.USER_INPUT
        case Role.TOOL:
            subject = Subject.TOOL_RESULT
        case Role.ASSISTANT:
            subject = Subject.REPLY
        case Role.SYSTEM:
            raise ValueError("a system message is not judged")
        case _:
            assert_never(message.role)
    exchanges = [Exchange(subject=subject, message=message, context=context)]
    if any(isinstance(part, ImagePart) for part in message.parts):
        exchanges.append(Exchange(subject=Subject.IMAGE, message=message, context=context))
    return exchanges + [call_exchange(call, context) for call in message.tool_calls]


def call_exchange(call: ToolCall, context: tuple[Message, ...]) -> Exchange:
    """A tool call as something to judge."""
    message = Message(
        id=call.id,
        role=Role.ASSISTANT,
        parts=(TextPart(text=f"{call.name}({call.arguments})"),),
        provenance=BY_MODEL,
        tool_calls=(call,),
    )
    return Exchange(subject=Subject.TOOL_CALL, message=message, context=context)
