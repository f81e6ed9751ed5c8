"""What turns do with Corral's own tools, and what people say when they are asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from guards.conversation import ToolCall
from tests.simulation.marks import RULES


class Word(StrEnum):
    """What becomes of a question to a person."""

    NEVER = "nobody answers"
    YES = "yes, and the turn is taken up"
    NO = "no, and the turn is taken up"
    SAID_YES = "yes in the session"
    SAID_NO = "no in the session"
    TOLD_YES = "yes, and the message comes again"
    REPEAT = "the message comes again unanswered"
    LATE = "yes too late"
    SAID_LATE = "yes in the session, too late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """The tool calls of one turn.

    Attributes:
        command: with which the message begins, or nothing.
        rounds: what the model calls, reply after reply.
        other: what it calls instead when the message comes again and it thinks of something else.
    """

    command: str
    rounds: tuple[tuple[ToolCall, ...], ...]
    other: tuple[tuple[ToolCall, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """How a question to a person is met, and whether the model thinks anew."""

    words: tuple[Word, ...]
    astray: bool


def errand(rng: Random, turn: int) -> Errand:
    """Drawn at random for turn number ``turn``."""
    command = ""
    if rng.random() < 0.15:
        command = rng.choice(("/read", "@read", "/pay", "/note", "/Read"))
    return Errand(command=command, rounds=_rounds(rng, turn), other=_rounds(rng, turn))


def reaction(rng: Random) -> Reaction:
    """Drawn at random."""
    likely = (Word.YES, Word.SAID_YES, Word.SAID_YES, Word.TOLD_YES)
    words = (rng.choice((*Word, *likely, *likely)) for _ in range(4))
    return Reaction(words=tuple(words), astray=rng.random() < 0.15)


def _rounds(rng: Random, turn: int) -> tuple[tuple[ToolCall, ...], ...]:
    rounds = []
    for place in range(rng.choice((0, 1, 1, 2, 2, 3))):
        calls = _calls(rng, turn)
        # Some servers give calls no names.
        names = ("", f"call_{turn}_{place}_") if place % 2 else (f"call_{turn}_{place}_",)
        name = rng.choice(names)
        rounds.append(
            tuple(
                ToolCall(id=f"{name}{n}" if name else "", name=tool, arguments=arguments)
                for n, (tool, arguments) in enumerate(calls)
            )
        )
    return tuple(rounds)


def _calls(rng: Random, turn: int) -> Iterator[tuple[str, str]]:
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        call = _call(rng, turn)
        yield call
        if rng.random() < 0.1:
            yield call


def _call(rng: Random, turn: int) -> tuple[str, str]:
    if rng.random() < 0.1:
        return rng.choice(
            (
                ("pay", f'{{"what": "zu{turn}z"'),
                ("pay", f'{{"what": "zu{turn}z", "more": 1}}'),
                ("read", "{}"),
                ("burn", f'{{"what": "zu{turn}z"}}'),
            )
        )
    # The user's own word, one that the tools know, one that nobody said.
    what = rng.choice((f"zu{turn}z", f"zu{turn}z", f"zt{turn}z", f"zt{turn}z", "something"))
    if rng.random() < 0.1:
        what += f" <{rng.choice(list(RULES))}:{rng.choice((0.2, 0.9))}>"
    if rng.random() < 0.5:
        return "read", f'{{"query": "{what}"}}'
    return rng.choice(("pay", "pay", "note")), f'{{"what": "{what}"}}'
