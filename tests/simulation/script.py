"""What a scripted model is going to say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from assistant.engine.protocol import Completed, TextDelta, ToolCallDelta
from assistant.errors import EngineOverloadedError, EngineResponseError, EngineUnreachableError
from assistant.events import FinishReason, Usage
from assistant.testing.scripted_engine import Fail, Hang, Pause, Step
from guards.conversation import ToolCall
from plugins.tool import ToolSpec
from tests.simulation.marks import RULES

TOOLS = (
    ToolSpec(
        name="look",
        description="Look something up.",
        parameters={
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
            "additionalProperties": False,
        },
    ),
    ToolSpec(
        name="send",
        description="Send a message.",
        parameters={
            "type": "object",
            "properties": {"to": {"type": "string"}, "times": {"type": "integer"}},
            "required": ["to"],
        },
    ),
)


class Ending(StrEnum):
    """How the model's answer ends."""

    STOP = "stops"
    LENGTH = "cut at its length"
    CUT = "breaks off"
    UNREACHABLE = "connection lost"
    OVERLOADED = "overloaded"
    GARBAGE = "not the protocol"
    CRASH = "client library crashes"
    HANG = "hangs"
    ENDLESS = "never ends"
    FLOOD = "never ends and never pauses"


FAILING = tuple(ending for ending in Ending if ending not in (Ending.STOP, Ending.LENGTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPlan:
    """Deltas of text, tool calls, how fast, and the end."""

    chunks: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    first: float
    gap: float
    ending: Ending
    fail_after: int

    @property
    def fails(self) -> bool:
        """Whether the engine fails before the end."""
        return self.ending in FAILING

    @property
    def text(self) -> str:
        """All of the text, when nothing fails."""
        return "".join(self.chunks)

    def steps(self) -> Iterator[Step]:
        """The script for the engine."""
        if self.first:
            yield Pause(seconds=self.first)
        deltas = [*self._text(), *self._calls()]
        if self.fails:
            deltas = deltas[: self.fail_after]
        for index, delta in enumerate(deltas):
            if index and self.gap:
                yield Pause(seconds=self.gap)
            yield delta
        yield from self._end()

    def _text(self) -> Iterable[Step]:
        return (TextDelta(text=chunk) for chunk in self.chunks)

    def _calls(self) -> Iterator[Step]:
        for index, call in enumerate(self.calls):
            middle = len(call.arguments) // 2
            yield ToolCallDelta(index=index, id=call.id or None, name=call.name)
            yield ToolCallDelta(index=index, arguments=call.arguments[:middle])
            yield ToolCallDelta(index=index, arguments=call.arguments[middle:])

    def _end(self) -> Iterator[Step]:
        match self.ending:
            case Ending.STOP | Ending.LENGTH:
                reason = FinishReason.TOOL_CALLS if self.calls else FinishReason(str(self._reason))
                yield Completed(
                    reason=reason, usage=Usage(prompt_tokens=9, completion_tokens=len(self.chunks))
                )
            case Ending.CUT:
                return
            case Ending.UNREACHABLE:
                yield Fail(error=EngineUnreachableError("the connection broke"))
            case Ending.OVERLOADED:
                yield Fail(error=EngineOverloadedError("busy"))
            case Ending.GARBAGE:
                yield Fail(error=EngineResponseError("not JSON"))
            case Ending.CRASH:
                yield Fail(error=RuntimeError("a bug in a client library"))
            case Ending.HANG:
                yield Hang()
            case Ending.ENDLESS:
                while True:
                    yield Pause(seconds=0.5)
                    yield TextDelta(text="on ")
            case Ending.FLOOD:
                while True:
                    yield TextDelta(text="on " * 100_000)

    @property
    def _reason(self) -> str:
        return "length" if self.ending is Ending.LENGTH else "stop"


def reply_plan(rng: Random, delivery: int, tools: bool, *, calm: bool) -> ReplyPlan:
    """A reply drawn at random; ``calm`` ones come to their end."""
    token = f"zr{delivery}z"
    words = [f"{token} ", *rng.choices(("well ", "then ", "so ", "fine "), k=rng.randint(0, 6))]
    if rng.random() < 0.2:
        harm = f"<{rng.choice(list(RULES))}:{rng.choice((0.3, 0.6, 0.9))}> "
        cut = rng.randint(1, len(harm) - 1) if rng.random() < 0.5 else len(harm)
        place = rng.randint(1, len(words))
        words[place:place] = [part for part in (harm[:cut], harm[cut:]) if part]
    if rng.random() < 0.03:
        words = [] if rng.random() < 0.5 else [" "]
    calls: tuple[ToolCall, ...] = ()
    if tools and rng.random() < 0.7:
        words = words if rng.random() < 0.4 else []
        calls = tuple(_call(rng, delivery, place) for place in range(rng.choice((1, 1, 2))))
    ending = Ending.STOP if rng.random() < 0.9 else Ending.LENGTH
    if not calm and rng.random() < 0.08:
        ending = rng.choice(FAILING)
        if ending is Ending.FLOOD and rng.random() < 0.8:
            ending = Ending.CUT
    return ReplyPlan(
        chunks=tuple(words),
        calls=calls,
        first=rng.choice((0.0, 0.0, 0.05, 0.4)),
        gap=rng.choice((0.0, 0.0, 0.01, 0.05, 0.2)),
        ending=ending,
        fail_after=rng.randint(0, len(words) + 1),
    )


def without_calls(reply: ReplyPlan, delivery: int) -> ReplyPlan:
    """A reply for a caller who has no tools."""
    if not reply.calls:
        return reply
    return replace(reply, calls=(), chunks=reply.chunks or (f"zr{delivery}z ", "well "))


def _call(rng: Random, delivery: int, place: int) -> ToolCall:
    token = f"za{delivery}z"
    good = (
        ("look", f'{{"query": "{token}"}}'),
        ("look", f'{{"query": "{token}"}}'),
        ("send", f'{{"to": "{token}", "times": 2}}'),
        ("send", f'{{"to": "{token} <{rng.choice(list(RULES))}:0.9>"}}'),
    )
    bad = (
        ("look", f'{{"query": "{token}"'),
        ("look", f'{{"query": "{token}", "more": 1}}'),
        ("send", '{"to": "x", "times": NaN}'),
        ("send", f'["{token}"]'),
        ("send", '{"times": 1}'),
        ("burn", f'{{"query": "{token}"}}'),
    )
    name, arguments = rng.choice(good if rng.random() < 0.85 else bad)
    return ToolCall(id=rng.choice(("", f"call_{delivery}_{place}")), name=name, arguments=arguments)
