"""Messages, answers and commits to store."""

from assistant.events import FinishReason
from assistant.memory.protocol import Answer, Answered, Commit, Opened, SessionStore
from assistant.turn import SessionKey
from guards.conversation import BY_MODEL, Message, Role, text_message


def said(text: str) -> Message:
    return text_message(text, id=f"m-{text}")


def replied(text: str) -> Message:
    return text_message(text, id=f"r-{text}", role=Role.ASSISTANT, provenance=BY_MODEL)


def answer(text: str = "hello") -> Answer:
    return Answer(text=text, reason=FinishReason.STOP, log_id="w-1", decision="allow", clause=None)


def commit_of(*messages: Message, text: str = "hello", blocked: tuple[Message, ...] = ()) -> Commit:
    return Commit(remembered=messages, quarantined=blocked, answer=answer(text))


async def opened(store: SessionStore, key: SessionKey, turn: str) -> Opened:
    match await store.open(key, turn):
        case Opened() as result:
            return result
        case Answered():
            raise AssertionError("the turn counts as answered")


async def take_turn(store: SessionStore, key: SessionKey, text: str) -> None:
    lease = (await opened(store, key, f"turn {text}")).lease
    await store.commit(lease, commit_of(said(text), replied(text), text=f"re {text}"))


def texts(history: tuple[Message, ...]) -> list[str]:
    return [message.text for message in history]
