"""A guard for images that needs no server."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from PIL import Image

from guards.conversation import Exchange, ImagePart, Subject
from guards.hazards import Hazard
from guards.image.decoding import ImageLimits, ImageRefusedError, views
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

MAX_IMAGES = 8
"""Images of one message; a message with more of them is not judged."""


class Network(Protocol):
    """What tells one kind of picture from others."""

    @property
    def revision(self) -> str:
        """Identifies the weights and how a picture is made ready for them."""

    def score(self, picture: Image.Image) -> float:
        """From 0 to 1; ``picture`` is RGB. Safe to call from several threads."""


class NsfwGuard:
    """Looks for sexual content in the images of a message, on the CPU.

    Only images that come with the message, as ``data:`` URLs, are judged: what stands behind an
    address could be another picture by the time the model fetches it. An image that cannot be
    decoded safely leaves the whole message unjudged. Text inside a picture is not read.

    Args:
        network: what scores a picture; the highest score of all views of all images counts.
        name: as in policies and the decision log.
        limits: what an image may be at most.
        workers: threads that decode and compute; more judgements wait for them.
        clock: seconds, monotonic.
    """

    hazards = frozenset({Hazard.SEXUAL_CONTENT})
    subjects = frozenset({Subject.IMAGE})

    def __init__(
        self,
        network: Network,
        *,
        name: str = "nsfw_image",
        limits: ImageLimits | None = None,
        workers: int = 2,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if workers < 1:
            raise ValueError("workers must be at least 1")
        self.name = name
        self.revision = f"{network.revision}/views-1"
        self._network = network
        self._limits = limits or ImageLimits()
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._clock = clock

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the images of the message.

        Raises:
            ValueError: for a subject that is not in ``subjects``.
        """
        start = self._clock()
        if exchange.subject not in self.subjects:
            raise ValueError(f"{self.name} does not judge {exchange.subject}")
        urls = [part.url for part in exchange.message.parts if isinstance(part, ImagePart)]
        if not urls:
            return self._unscanned(Failure.ERROR, "there is no image to judge", start)
        if len(urls) > MAX_IMAGES:
            detail = f"more than {MAX_IMAGES} images in one message"
            return self._unscanned(Failure.TOO_LONG, detail, start)
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(self._workers, self._score, url) for url in urls]
        try:
            scores = await asyncio.gather(*work)
        except ImageRefusedError as error:
            return self._unscanned(error.reason, f"an image {error}", start)
        finally:
            for each in work:
                each.cancel()
        probability = max(scores)
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=(Finding(hazard=Hazard.SEXUAL_CONTENT, probability=probability),),
            elapsed=self._clock() - start,
            score=probability,
        )

    def _score(self, url: str) -> float:
        return max(self._network.score(view) for view in views(url, self._limits))

    def _unscanned(self, reason: Failure, detail: str, start: float) -> Unscanned:
        return Unscanned(
            guard=self.name,
            revision=self.revision,
            reason=reason,
            detail=detail,
            elapsed=self._clock() - start,
        )
