"""Images before Llama Guard 4, against scripted servers."""

import base64
import time
from collections.abc import AsyncGenerator
from io import BytesIO

import pytest
from PIL import Image

from assistant.testing.scripted_replies import completion, error, guard_verdict
from assistant.testing.scripted_upstream import ScriptedUpstream, scripted_upstream
from guards.conversation import Subject
from guards.hazards import MLCOMMONS, Hazard
from guards.image.vision_guard import LONGEST_SIDE, VisionGuard
from guards.models.llama_guard import LlamaGuard
from guards.panel import Panel, Seat
from guards.upstream import open_upstreams
from guards.verdict import Failure, Verdict
from tests.guards.image.pictures import drawing, exchange, gradient, moving, url_of


class Site:
    def __init__(self, server: ScriptedUpstream, guard: VisionGuard) -> None:
        self.server = server
        self.guard = guard
        self.panel = Panel([Seat(guard=guard, subjects=guard.subjects, deadline=20.0)])

    async def failure(self, *urls: str) -> tuple[Failure, str]:
        (unscanned,) = (await self.panel.judge(exchange(*urls))).unscanned
        return unscanned.reason, unscanned.detail

    async def verdict(self, *urls: str) -> Verdict:
        judgement = await self.guard.judge(exchange(*urls))
        assert isinstance(judgement, Verdict), judgement
        return judgement

    def pictures(self) -> list[Image.Image]:
        """What the server was shown."""
        found = []
        for received in self.server.received:
            (message,) = received.json["messages"]
            text, image = message["content"]
            assert (message["role"], text["type"]) == ("user", "text")
            kind, _, data = image["image_url"]["url"].partition(";base64,")
            assert kind == "data:image/jpeg"
            found.append(Image.open(BytesIO(base64.b64decode(data))))
        return found


@pytest.fixture
async def site() -> AsyncGenerator[Site, None]:
    async with open_upstreams() as upstreams, scripted_upstream() as server:
        inner = LlamaGuard(
            [upstreams.at(server.url)],
            generation="4",
            clock=time.monotonic,
            model="scripted-guard",
            name="vision",
            timeout=10.0,
        )
        yield Site(server, VisionGuard(inner, clock=time.monotonic))


async def test_a_picture_is_asked_about_by_itself(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.9, "S12,S1")
    verdict = await site.verdict(url_of(drawing()))
    assert {f.hazard for f in verdict.findings} == {Hazard.SEXUAL_CONTENT, Hazard.VIOLENT_CRIMES}
    assert verdict.score == pytest.approx(0.9)
    assert (verdict.guard, verdict.revision) == ("vision", site.guard.revision)
    assert site.guard.hazards == frozenset(MLCOMMONS)
    (picture,) = site.pictures()
    assert picture.size == (500, 400)


async def test_a_safe_picture_has_no_findings(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.02)
    verdict = await site.verdict(url_of(drawing()), url_of(gradient()))
    assert verdict.findings == ()
    assert verdict.score == pytest.approx(0.02)
    assert len(site.pictures()) == 2


async def test_every_view_is_asked_about_and_the_worst_counts(site: Site) -> None:
    answers = iter([guard_verdict(0.02), guard_verdict(0.95, "S12"), guard_verdict(0.6, "S12")])
    site.server.respond = lambda _: next(answers)
    hidden = Image.new("RGBA", (60, 60), (200, 30, 30, 0))
    verdict = await site.verdict(url_of(hidden))
    assert [f.probability for f in verdict.findings] == [pytest.approx(0.95)]
    assert len(site.pictures()) == 3


async def test_a_large_picture_is_made_smaller_and_loses_its_metadata(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.02)
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    await site.verdict(url_of(gradient(2400, 1300), "JPEG", exif=exif.tobytes()))
    (picture,) = site.pictures()
    assert max(picture.size) == LONGEST_SIDE
    assert not picture.getexif()


async def test_frames_of_an_animation_are_asked_about(site: Site) -> None:
    site.server.respond = lambda _: guard_verdict(0.02)
    colours = [Image.new("RGB", (64, 64), name) for name in ("red", "blue", "green")]
    await site.verdict(moving(colours))
    assert len(site.pictures()) >= 2


async def test_what_cannot_be_decoded_is_never_sent(site: Site) -> None:
    reason, detail = await site.failure("https://example.org/a.png")
    assert (reason, "not fetched" in detail) == (Failure.ERROR, True)
    assert (await site.failure("data:image/png;base64,AAAA"))[0] is Failure.ERROR
    assert (await site.failure())[0] is Failure.ERROR
    assert (await site.failure(*[url_of(drawing())] * 9))[0] is Failure.TOO_LONG
    assert not site.server.received


async def test_a_server_that_talks_or_fails_gives_no_verdict(site: Site) -> None:
    site.server.respond = lambda _: completion("What a nice picture!")
    assert (await site.failure(url_of(drawing())))[0] is Failure.NONSENSE
    site.server.respond = lambda _: guard_verdict(0.9, "S15")
    assert (await site.failure(url_of(drawing())))[0] is Failure.UNKNOWN_CATEGORY
    site.server.respond = lambda _: error(500, "broken")
    assert (await site.failure(url_of(drawing())))[0] is Failure.ERROR


async def test_text_is_not_its_business(site: Site) -> None:
    with pytest.raises(ValueError, match="does not judge reply"):
        await site.guard.judge(exchange(url_of(drawing()), subject=Subject.REPLY))
