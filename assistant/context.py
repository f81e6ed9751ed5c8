"""What the model gets to read, within its window."""

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.engine.protocol import Engine
from assistant.engine.tokens import FIXED, token_bound
from assistant.errors import TurnTooLongError
from guards.conversation import BY_OPERATOR, Message, Role, text_message
from plugins.tool import ToolSpec

MAX_BYTES_PER_TOKEN = 16
"""History whose bytes exceed this many times the window cannot fit, and is not even counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A prompt that fits.

    ``history`` is the part of the past that was kept, oldest first; ``trail`` are the tool calls
    of this turn and what they gave; ``tools`` are those that the engine is told of.
    """

    instructions: Message | None
    history: tuple[Message, ...]
    message: Message
    trail: tuple[Message, ...] = ()
    tools: tuple[ToolSpec, ...] = ()

    @property
    def past(self) -> tuple[Message, ...]:
        """What a reply answers: the conversation without the operator's instructions."""
        return (*self.history, self.message, *self.trail)

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of it, in the order the model reads."""
        start = () if self.instructions is None else (self.instructions,)
        return (*start, *self.past)


async def assemble_context(
    engine: Engine,
    *,
    instructions: str,
    history: Sequence[Message],
    message: Message,
    tools: Sequence[ToolSpec],
    reply_tokens: int,
    trail: tuple[Message, ...] = (),
) -> Context:
    """Keep as much of the newest history as fits beside the reply, and all of ``trail``.

    A byte-level tokenizer never makes more tokens than there are bytes, so a short conversation
    is known to fit without asking; only a long one is counted, by the engine's own tokenizer,
    halving the search each time.

    Raises:
        TurnTooLongError: the message, or what follows it, does not fit even alone.
        EngineError: the engine cannot count.
    """
    system = (
        text_message(instructions, id="instructions", role=Role.SYSTEM, provenance=BY_OPERATOR)
        if instructions
        else None
    )
    window = await engine.window()
    # A model whose whole window is smaller than the usual reply still gets half for its prompt.
    budget = max(window - reply_tokens, window // 2)

    def context(kept: int) -> Context:
        tail = _from_user(history[len(history) - kept :])
        return Context(
            instructions=system, history=tail, message=message, trail=trail, tools=tuple(tools)
        )

    always = [message, *trail]
    fixed = token_bound(always if system is None else [system, *always], tools)
    most, known = 0, 0
    total = fixed
    for past in reversed(history):
        total += token_bound([past]) - FIXED
        if total > budget * MAX_BYTES_PER_TOKEN:
            break
        most += 1
        if total <= budget:
            known = most
    if fixed <= budget and known == most == len(history):
        return context(len(history))

    async def fits(kept: int) -> bool:
        return await engine.count_tokens(context(kept).messages, tools) <= budget

    if fixed > budget and not await fits(0):
        raise TurnTooLongError(
            f"the message does not fit the model's window of {window} tokens", field="messages"
        )
    low, high = known, most
    while low < high:
        middle = (low + high + 1) // 2
        if await fits(middle):
            low = middle
        else:
            high = middle - 1
    return context(low)


def _from_user(history: Sequence[Message]) -> tuple[Message, ...]:
    """Chat templates expect a user to speak first, and a tool result to follow its call."""
    for index, message in enumerate(history):
        if message.role is Role.USER:
            return tuple(history[index:])
    return ()
