"""The conversation a guard model's server is shown.

The guards' templates, the server's or ours, write a task and markers around what is made here.
Most render each message as one paragraph that begins with its speaker, insist that speakers
alternate beginning with the user, and judge the last one. Everything shown therefore is:

* one message per turn, because two in a row are refused by some templates and let the first go
  unjudged on others;
* free of what a template, a tokenizer or the guard itself would take for its own: special
  tokens, the markers around the conversation, the tags of an answer, and lines that pretend to
  be another turn. One list serves every guard, so that none can be forgotten.

Source: chat templates of Llama Guard 3 1B, 8B, 11B-Vision and of Llama Guard 4; technical report
of Qwen3Guard; model cards of ShieldGemma and Granite Guardian; vocabularies of Gemma and DeBERTa.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guards.conversation import (
    Exchange,
    ImagePart,
    Message,
    Role,
    Source,
    Subject,
    TextPart,
    ToolCall,
)

PROMPT_VERSION = 2
"""Changes whenever the same exchange would be shown differently."""

MAX_SEGMENTS = 16
OVERLAP = 8  # a segment repeats one part in so many of the one before it

USER = "user"
AGENT = "assistant"
_OPENING = "(earlier conversation left out)"
_GAP = "\n(…)\n"

_BY_AGENT = frozenset({Subject.REPLY, Subject.REPLY_SO_FAR, Subject.TOOL_CALL})

# What of an angle-bracketed tag would end a part of some guard's prompt, or begin its answer.
_MARKER = re.compile(
    r"<(?=\s*/?\s*(?:BEGIN|END|start_of_turn|end_of_turn|start_of_image|end_of_image"
    r"|image_soft_token|bos|eos|pad|unk|mask|s|unused\d+|guardian|think|no-think|score"
    r"|confidence)\b)",
    re.IGNORECASE,
)
_CLASSIFIER_TOKEN = re.compile(r"\[(?=(?:CLS|SEP|MASK|PAD|UNK)\])")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# A speaker's name and a colon, up to eight characters of decoration after what a model may read
# as a line's end. Two patterns, because names are rare and looking for them alone is fast.
_NAMES = ("user", "agent", "assistant", "human", "chatbot")
_SPEAKER = re.compile(
    r"(?:user|agent|assistant|human[ \t]{1,8}question|chatbot[ \t]{1,8}response)"
    r"(?=[^\w\n\r:：]{0,4}[:：])",
    re.IGNORECASE,
)
_BREAK = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_LINE_START = re.compile(f"(?:^|[{_BREAK}])[^\\w{_BREAK}]{{0,8}}\\Z")


def neutralised(text: str) -> str:
    """``text`` without anything that could end or forge a part of a guard's prompt.

    ``<|`` becomes ``< |``, so that no special token survives; ``<BEGIN``, ``<end_of_turn``,
    ``</think`` and their like get a space after the ``<``, ``[SEP]`` after the ``[``; at a line's
    beginning ``User:``, ``Agent:`` and other speakers become ``> User:``. A lone surrogate, which
    is no text, becomes U+FFFD. Text without any of them comes back as it is. A growing text
    keeps its beginning, which keeps a server's prefix cache warm.
    """
    if not text.isascii():
        text = _LONE_SURROGATE.sub("\ufffd", text)
    if "<" in text:
        text = _MARKER.sub("< ", text.replace("<|", "< |"))
    if "[" in text:
        text = _CLASSIFIER_TOKEN.sub("[ ", text)
    if ":" in text or "：" in text:
        lowered = text.lower()
        if any(name in lowered for name in _NAMES):
            text = _SPEAKER.sub(_quoted, text)
    return text


def _quoted(match: re.Match[str]) -> str:
    start = match.start()
    begins_line = _LINE_START.search(match.string, max(0, start - 9), start)
    return f"> {match[0]}" if begins_line else match[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One paragraph of the conversation: who speaks, and what."""

    side: str
    text: str


def judged_text(exchange: Exchange) -> str:
    """What is judged, ready to be shown."""
    return _said(exchange.message)


def segments(text: str, budget: int) -> tuple[str, ...]:
    """``text`` in overlapping pieces of about ``budget`` bytes; one if it fits."""
    if size_of(text) <= budget:
        return (text,)
    length = budget if text.isascii() else budget // 3
    step = length - length // OVERLAP
    return tuple(
        text[start : start + length] for start in range(0, len(text) - length + step, step)
    )


def conversation(exchange: Exchange, judged: str, context_budget: int) -> list[Turn]:
    """Alternating turns that begin with the user's and end with ``judged``.

    Context is cut from the oldest, in steps, so that a growing conversation does not begin
    elsewhere, and uncached, each time; single long messages lose their middle.
    """
    turns = [
        Turn(side=_side(message), text=_said(message))
        for message in exchange.context
        if not _is_operators(message)
    ]
    # Characters are at most four bytes each: most conversations need no closer look.
    if 4 * sum(len(turn.text) for turn in turns) > context_budget:
        turns = newest(turns, context_budget)
    side = AGENT if exchange.subject in _BY_AGENT else USER
    turns.append(Turn(side=side, text=judged))
    return _alternating(turns)


def plain(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Turns as chat messages whose content is a string."""
    return [{"role": turn.side, "content": turn.text} for turn in turns]


def in_parts(turns: Sequence[Turn], images: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Turns as chat messages of parts, which some templates read alone.

    ``images`` belong to the last.
    """
    messages: list[dict[str, Any]] = [
        {"role": turn.side, "content": [{"type": "text", "text": turn.text}]} for turn in turns
    ]
    for url in images:
        messages[-1]["content"].append({"type": "image_url", "image_url": {"url": url}})
    return messages


def size_of(text: str) -> int:
    """UTF-8 bytes, of which a token covers about four in English and three in Chinese."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _said(message: Message) -> str:
    if not message.tool_calls and message.role is not Role.TOOL and len(message.parts) == 1:
        return neutralised(_part(message.parts[0]))
    calls = "\n".join(_call(call) for call in message.tool_calls)
    text = "\n".join(_part(part) for part in message.parts)
    # A judged call carries its arguments a second time, as text.
    if calls and any(text == call.arguments for call in message.tool_calls):
        text = ""
    if message.role is Role.TOOL:
        text = f"[tool result]\n{text}"
    return neutralised("\n".join(piece for piece in (text, calls) if piece))


def _part(part: TextPart | ImagePart) -> str:
    return part.text if isinstance(part, TextPart) else "[image]"


def _call(call: ToolCall) -> str:
    return f"[tool call] {call.name}({call.arguments})"


def _side(message: Message) -> str:
    return AGENT if message.role is Role.ASSISTANT else USER


def _is_operators(message: Message) -> bool:
    """The operator's instructions are no part of the conversation; anything else is judged in."""
    return message.role is Role.SYSTEM and message.provenance.source is Source.OPERATOR


def _clipped(text: str, budget: int) -> str:
    if size_of(text) <= budget:
        return text
    half = budget // 2 if text.isascii() else budget // 6
    return f"{text[:half]}{_GAP}{text[-half:]}"


def newest(turns: Sequence[Turn], budget: int) -> list[Turn]:
    """The last of ``turns`` that fit into ``budget`` bytes, long ones without their middle."""
    turns = [Turn(side=turn.side, text=_clipped(turn.text, budget // 2)) for turn in turns]
    sizes = [size_of(turn.text) for turn in turns]
    excess = sum(sizes) - budget
    if excess <= 0:
        return list(turns)
    step = max(budget // 4, 1)
    surplus = -(-excess // step) * step
    kept = 0
    while kept < len(turns) and surplus > 0:
        surplus -= sizes[kept]
        kept += 1
    return turns[kept:]


def _alternating(turns: Sequence[Turn]) -> list[Turn]:
    merged: list[Turn] = []
    if turns[0].side == AGENT:
        merged.append(Turn(side=USER, text=_OPENING))
    for turn in turns:
        if merged and merged[-1].side == turn.side:
            merged[-1] = Turn(side=turn.side, text=f"{merged[-1].text}\n{turn.text}")
        else:
            merged.append(turn)
    return merged
