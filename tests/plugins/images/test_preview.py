"""While somebody types, only the newest words become a picture, and none unjudged."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from assistant.testing.virtual_time import run_virtual
from plugins.images.preview import Declined, Previews, Shown, Superseded

MakeTest = Callable[[], Coroutine[Any, Any, None]]


def virtually(test: MakeTest) -> Callable[[], None]:
    """Run a test in virtual time."""

    def run() -> None:
        run_virtual(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@dataclass(slots=True)
class Painter:
    """A judge that takes 0.1 s and an image service that takes 2 s, and a second to hang up."""

    judged: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    hang_up: float = 0.0

    async def judge(self, prompt: str) -> str | None:
        await asyncio.sleep(0.1)
        self.judged.append(prompt)
        return "blood" if "blood" in prompt else None

    async def create(self, prompt: str) -> str:
        assert prompt in self.judged
        self.begun.append(prompt)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(2)
        except asyncio.CancelledError:
            await asyncio.sleep(self.hang_up)
            raise
        finally:
            self.at_once -= 1
            self.ended.append(prompt)
        return f"picture of {prompt}"

    def previews(self) -> Previews[str, str, str]:
        return Previews(judge=self.judge, create=self.create, pause=0.4)


@virtually
async def test_words_become_a_picture_after_a_pause() -> None:
    painter = Painter()
    started = asyncio.get_running_loop().time()
    shown = await painter.previews().show("a fox", user="u", session="s")
    assert shown == Shown("picture of a fox")
    assert asyncio.get_running_loop().time() - started == pytest.approx(2.5)


@virtually
async def test_typing_on_within_the_pause_judges_and_paints_only_the_last_words() -> None:
    painter = Painter()
    previews = painter.previews()
    tasks = []
    for words in ("a", "a f", "a fox"):
        tasks.append(asyncio.create_task(previews.show(words, user="u", session="s")))
        await asyncio.sleep(0.2)
    assert await asyncio.gather(*tasks) == [
        Superseded(),
        Superseded(),
        Shown("picture of a fox"),
    ]
    assert painter.judged == painter.begun == ["a fox"]


@virtually
async def test_newer_words_end_the_running_request_before_their_own_begins() -> None:
    painter = Painter(hang_up=1)
    previews = painter.previews()
    first = asyncio.create_task(previews.show("a fox", user="u", session="s"))
    await asyncio.sleep(1)
    assert painter.begun == ["a fox"]
    middle = asyncio.create_task(previews.show("a fox in", user="u", session="s"))
    await asyncio.sleep(0.6)
    last = asyncio.create_task(previews.show("a fox in snow", user="u", session="s"))
    assert await last == Shown("picture of a fox in snow")
    assert await first == await middle == Superseded()
    assert painter.begun == painter.ended == ["a fox", "a fox in snow"]
    assert painter.most_at_once == 1


@virtually
async def test_other_users_and_sessions_are_left_alone() -> None:
    painter = Painter()
    previews = painter.previews()
    places = [("u1", "s1"), ("u1", "s2"), ("u2", "s1")]
    shown = await asyncio.gather(*(previews.show(f"{u} {s}", user=u, session=s) for u, s in places))
    assert shown == [Shown(f"picture of {u} {s}") for u, s in places]


@virtually
async def test_what_is_judged_unfit_is_never_sent() -> None:
    painter = Painter()
    shown = await painter.previews().show("blood everywhere", user="u", session="s")
    assert shown == Declined("blood")
    assert painter.begun == []


@virtually
async def test_a_judge_that_fails_lets_nothing_through() -> None:
    painter = Painter()

    async def broken(prompt: str) -> str | None:
        raise RuntimeError("no guard")

    previews = Previews(judge=broken, create=painter.create)
    with pytest.raises(RuntimeError, match="no guard"):
        await previews.show("a fox", user="u", session="s")
    assert painter.begun == []
    shown = await painter.previews().show("a fox", user="u", session="s")
    assert shown == Shown("picture of a fox")


@virtually
async def test_a_caller_that_goes_away_ends_its_request() -> None:
    painter = Painter()
    previews = painter.previews()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await previews.show("a fox", user="u", session="s")
    assert painter.ended == ["a fox"]
    assert painter.at_once == 0


@virtually
async def test_stopping_returns_when_the_request_has_ended() -> None:
    painter = Painter(hang_up=1)
    previews = painter.previews()
    showing = [
        asyncio.create_task(previews.show("a fox", user="u", session=s)) for s in ("s1", "s2")
    ]
    await asyncio.sleep(1)
    await previews.stop(user="u", session="s1")
    assert painter.at_once == 1
    await previews.stop(user="nobody", session="s1")
    await previews.aclose()
    assert painter.at_once == 0
    assert await asyncio.gather(*showing) == [Superseded(), Superseded()]


@virtually
async def test_a_stopped_request_that_hangs_up_slowly_holds_the_next_one_back() -> None:
    painter = Painter(hang_up=3)
    previews = painter.previews()
    first = asyncio.create_task(previews.show("a fox", user="u", session="s"))
    await asyncio.sleep(1)
    first.cancel()
    second = asyncio.create_task(previews.show("a hen", user="u", session="s"))
    assert await second == Shown("picture of a hen")
    assert painter.most_at_once == 1


@virtually
async def test_nothing_is_kept_of_places_where_nobody_types() -> None:
    previews = Painter().previews()
    for number in range(20):
        await previews.show("a fox", user=str(number), session="s")
    assert previews._desks == {}
