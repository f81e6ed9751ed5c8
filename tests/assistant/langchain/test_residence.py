"""An assistant in a thread of its own, heard from threads and from other loops."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from functools import partial
from threading import Event as Signal
from typing import Any

import pytest

from assistant.events import Event, TextReleased
from assistant.langchain.chat_model import ChatCorral
from assistant.langchain.residence import Residence, lodged
from tests.assistant.bench import Bench

ONE = TextReleased(text="one")
CLOSED = "the assistant is closed"


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


@pytest.fixture
def residence() -> Iterator[Residence]:
    with lodged(nothing) as (_, home):
        yield home


class Turn:
    """Events that never end by themselves, and whether they were ended."""

    def __init__(self) -> None:
        self.ended = Signal()

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            yield ONE
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)  # what ends may take a moment, and is waited for
            self.ended.set()


async def fails() -> AsyncGenerator[Event, None]:
    yield ONE
    raise LookupError("broken")


async def gives() -> AsyncGenerator[Event, None]:
    for _ in range(3):
        yield ONE


async def of(events: AsyncGenerator[Event, None]) -> list[Event]:
    async with aclosing(events):
        return [event async for event in events]


async def test_events_are_heard_in_another_loop(residence: Residence) -> None:
    assert await of(residence.events(gives)) == [ONE] * 3


def test_events_are_heard_in_a_thread(residence: Residence) -> None:
    assert list(residence.drawn(gives)) == [ONE] * 3


async def test_a_thread_with_another_loop_may_wait_too(residence: Residence) -> None:
    assert list(residence.drawn(gives)) == [ONE] * 3


async def test_errors_come_through_after_what_came_before_them(residence: Residence) -> None:
    for heard in (_listen(residence), asyncio.to_thread(_draw, residence)):
        events, error = await heard
        assert (events, str(error)) == ([ONE], "broken")


async def _listen(residence: Residence) -> tuple[list[Event], Exception]:
    heard = []
    with pytest.raises(LookupError) as told:
        async for event in residence.events(fails):
            heard.append(event)
    return heard, told.value


def _draw(residence: Residence) -> tuple[list[Event], Exception]:
    heard: list[Event] = []
    with pytest.raises(LookupError) as told:
        heard.extend(residence.drawn(fails))
    return heard, told.value


def test_i8_a_thread_that_leaves_ends_the_turn(residence: Residence) -> None:
    turn = Turn()
    with closing(residence.drawn(turn.events)) as events:
        assert next(events) is ONE
        assert not turn.ended.is_set()
    assert turn.ended.is_set()


async def test_i8_a_loop_that_leaves_ends_the_turn(residence: Residence) -> None:
    turn = Turn()
    async with aclosing(residence.events(turn.events)) as events:
        assert await anext(events) is ONE
    assert turn.ended.is_set()


async def test_i8_cancelling_whoever_listens_ends_the_turn(residence: Residence) -> None:
    turn, heard = Turn(), asyncio.Event()

    async def listen() -> None:
        async for _ in residence.events(turn.events):
            heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert turn.ended.is_set()


def test_many_threads_are_served_at_once(residence: Residence) -> None:
    turns = [Turn() for _ in range(8)]

    def first(turn: Turn) -> Event:
        with closing(residence.drawn(turn.events)) as events:
            return next(events)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first, turns)) == [ONE] * 8
    assert all(turn.ended.is_set() for turn in turns)


def test_leaving_while_a_thread_waits_tells_it() -> None:
    turn, waits = Turn(), Signal()

    def wait() -> None:
        for _ in home.drawn(turn.events):
            waits.set()

    with ThreadPoolExecutor(1) as pool:
        with lodged(nothing) as (_, home):
            waiting = pool.submit(wait)
            assert waits.wait(10)
        with pytest.raises(RuntimeError, match=CLOSED):
            waiting.result(10)
    assert turn.ended.is_set()


@pytest.mark.parametrize("draw", [lambda home: list(home.drawn(gives)), None])
async def test_what_is_closed_says_so(draw: Callable[[Residence], Any] | None) -> None:
    with lodged(nothing) as (_, home):
        pass
    with pytest.raises(RuntimeError, match=CLOSED):
        draw(home) if draw else await of(home.events(gives))


def test_what_entering_and_leaving_raise_is_raised() -> None:
    entered = False
    with pytest.raises(LookupError, match="coming"), lodged(partial(breaks, coming=True)):
        entered = True
    assert not entered
    with pytest.raises(LookupError, match="going"), lodged(partial(breaks, coming=False)):
        entered = True
    assert entered


@asynccontextmanager
async def breaks(*, coming: bool) -> AsyncIterator[None]:
    if coming:
        raise LookupError("coming")
    yield
    raise LookupError("going")


def test_what_is_interrupted_while_it_starts_is_left() -> None:
    left = Signal()

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await asyncio.to_thread(interrupted.wait, 10)
        try:
            yield
        finally:
            left.set()

    interrupted = Signal()
    with pytest.raises(KeyboardInterrupt), lodged(slow):
        pass
    interrupted.set()
    assert left.wait(10)


# A model with an assistant in a thread


@pytest.fixture
def model(lodging: tuple[Bench, Residence]) -> ChatCorral:
    bench, residence = lodging
    return ChatCorral(orchestrator=bench.orchestrator, residence=residence)


def test_synchronous_calls_need_no_loop(model: ChatCorral) -> None:
    assert model.invoke("hi").text == "Hello, how are you?"
    assert "".join(chunk.text for chunk in model.stream("hi")) == "Hello, how are you?"
    assert [reply.text for reply in model.batch(["a", "b", "c"])] == ["Hello, how are you?"] * 3


async def test_asynchronous_calls_come_from_any_loop(model: ChatCorral) -> None:
    assert (await model.ainvoke("hi")).text == "Hello, how are you?"
    assert "".join([c.text async for c in model.astream("hi")]) == "Hello, how are you?"
    replies = await asyncio.gather(*(model.ainvoke(text) for text in "abc"))
    assert [reply.text for reply in replies] == ["Hello, how are you?"] * 3


async def test_a_thread_of_the_assistants_own_program_may_wait() -> None:
    bench = Bench()
    model = ChatCorral(orchestrator=bench.orchestrator)
    assert (await asyncio.to_thread(model.invoke, "hi")).text == "Hello there."


def test_a_stream_that_is_left_early_aborts_the_engine(
    model: ChatCorral, lodging: tuple[Bench, Residence]
) -> None:
    with _closing_stream(model.stream("hi")) as chunks:
        next(chunks)
    assert lodging[0].scripted.running == 0


@contextmanager
def _closing_stream(chunks: Iterator[Any]) -> Iterator[Iterator[Any]]:
    try:
        yield chunks
    finally:
        chunks.close()  # type: ignore[attr-defined] # LangChain's streams are generators
