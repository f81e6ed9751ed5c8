"""The guard for sexual content in images, with the real network and with scripted ones."""

import asyncio
import threading
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.image.decoding import ImageLimits
from guards.image.guard import MAX_IMAGES, NsfwGuard
from guards.image.open_nsfw import OpenNsfw
from guards.panel import Panel, Seat
from guards.verdict import Failure, Unscanned, Verdict
from tests.guards.image.pictures import (
    drawing,
    exchange,
    gradient,
    landscape,
    moving,
    noise,
    url_of,
)


class Redness:
    """Scores a picture by how red it is, where the network's opinion is no matter."""

    revision = "redness-1"

    def __init__(self) -> None:
        self.side_by_side = 0
        self.most = 0
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def score(self, picture: Image.Image) -> float:
        with self._lock:
            self.side_by_side += 1
            self.most = max(self.most, self.side_by_side)
        self.gate.wait(30)
        with self._lock:
            self.side_by_side -= 1
        red, green, _ = np.asarray(picture, float).mean(axis=(0, 1))
        return float(max(red - green, 0.0) / 255.0)


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (64, 64), colour)


async def verdict_of(guard: NsfwGuard, *urls: str) -> Verdict:
    judgement = await guard.judge(exchange(*urls))
    assert isinstance(judgement, Verdict), judgement
    return judgement


async def unscanned_of(guard: NsfwGuard, *urls: str) -> Unscanned:
    judgement = await guard.judge(exchange(*urls))
    assert isinstance(judgement, Unscanned), judgement
    return judgement


@cache
def network() -> OpenNsfw:
    return OpenNsfw()


@pytest.mark.parametrize("picture", [gradient, noise, landscape, drawing])
async def test_pictures_of_nobody_are_harmless(picture: object) -> None:
    assert callable(picture)
    guard = NsfwGuard(network())
    (finding,) = (await verdict_of(guard, url_of(picture()))).findings
    assert finding.hazard is Hazard.SEXUAL_CONTENT
    assert finding.probability < 0.1


async def test_the_network_looks_at_the_picture() -> None:
    """Not a proof that it finds what it should: that takes pictures a repository cannot hold."""
    skin = Image.new("RGB", (400, 400), (224, 172, 140))
    draw = ImageDraw.Draw(skin)
    for step in range(8):
        box = (40 * step, 30 * step, 40 * step + 180, 30 * step + 160)
        draw.ellipse(box, fill=(214 - 5 * step, 160 - 4 * step, 130 - 4 * step))
    guard = NsfwGuard(network())
    bare = (await verdict_of(guard, url_of(skin))).score
    still = (await verdict_of(guard, url_of(landscape()))).score
    assert bare is not None
    assert still is not None
    assert bare > 10 * still


async def test_the_revision_names_the_network() -> None:
    guard = NsfwGuard(network(), name="uploads")
    assert guard.revision.startswith("open-nsfw-0.")
    assert (await verdict_of(guard, url_of(drawing()))).guard == "uploads"


async def test_the_worst_of_all_views_of_all_images_counts() -> None:
    guard = NsfwGuard(Redness())
    frames = [plain("white")] * 20 + [plain("red")]
    for urls in (
        (url_of(plain("white")), url_of(plain("red"))),
        (moving(frames),),
        (url_of(Image.new("RGBA", (40, 40), (255, 0, 0, 0))),),
    ):
        assert (await verdict_of(guard, *urls)).score == pytest.approx(1.0, abs=0.05)
    assert (await verdict_of(guard, url_of(plain("white")))).score == 0.0


@pytest.mark.parametrize(
    ("url", "reason", "says"),
    [
        ("https://example.org/a.png", Failure.ERROR, "addresses are not fetched"),
        ("data:image/svg+xml;base64,PHN2Zy8+", Failure.ERROR, "none of JPEG"),
        (url_of(noise()), Failure.TOO_LONG, "too large"),
    ],
)
async def test_one_image_that_cannot_be_judged_leaves_the_message_unjudged(
    url: str, reason: Failure, says: str
) -> None:
    guard = NsfwGuard(Redness(), limits=ImageLimits(bytes=2_000))
    unscanned = await unscanned_of(guard, url_of(plain("white")), url)
    assert unscanned.reason is reason
    assert says in unscanned.detail


async def test_no_image_and_too_many_are_not_judged() -> None:
    guard = NsfwGuard(Redness())
    assert (await unscanned_of(guard)).reason is Failure.ERROR
    many = [url_of(plain("white"))] * (MAX_IMAGES + 1)
    assert (await unscanned_of(guard, *many)).reason is Failure.TOO_LONG


async def test_text_is_not_its_business() -> None:
    with pytest.raises(ValueError, match="does not judge user_input"):
        await NsfwGuard(Redness()).judge(exchange(subject=Subject.USER_INPUT, text="hello"))


async def test_no_more_pictures_are_judged_at_once_than_there_are_workers() -> None:
    network = Redness()
    guard = NsfwGuard(network, workers=2)
    urls = [url_of(plain("white"))] * MAX_IMAGES
    await asyncio.gather(*(guard.judge(exchange(*urls)) for _ in range(3)))
    assert 1 <= network.most <= 2
    with pytest.raises(ValueError, match="workers"):
        NsfwGuard(network, workers=0)


async def test_a_network_that_hangs_is_a_timeout_and_one_that_breaks_an_error() -> None:
    network = Redness()
    network.gate.clear()
    guard = NsfwGuard(network)
    panel = Panel([Seat(guard=guard, subjects=guard.subjects, deadline=0.05)])
    try:
        verdict = await panel.judge(exchange(url_of(plain("white"))))
    finally:
        network.gate.set()
    assert [u.reason for u in verdict.unscanned] == [Failure.TIMEOUT]

    class Broken(Redness):
        def score(self, picture: Image.Image) -> float:
            return float("nan")

    broken = NsfwGuard(Broken())
    panel = Panel([Seat(guard=broken, subjects=broken.subjects, deadline=30.0)])
    verdict = await panel.judge(exchange(url_of(plain("white"))))
    assert [u.reason for u in verdict.unscanned] == [Failure.ERROR]
