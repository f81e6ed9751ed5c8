"""Images by themselves, before a guard model that sees."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from io import BytesIO

from PIL import Image

from guards.conversation import (
    BY_USER,
    Exchange,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
)
from guards.guard import Guard
from guards.hazards import Hazard
from guards.image.decoding import ImageLimits, ImageRefusedError, views
from guards.image.guard import MAX_IMAGES
from guards.models.served_guard import side_by_side
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

QUESTION = "Look at this picture."
"""What is said beside a picture: nothing that a guard could hold against it."""

LONGEST_SIDE = 1_120
"""Pictures are made smaller than this: Llama 4 reads tiles of 336 pixels, and few of them."""

_AT_ONCE = 2
_REVISION = "vision-1"


class VisionGuard:
    """Asks a guard model that sees about every picture in a message's images, one by one.

    What is sent is not the file but what decoding it gave, as JPEG without transparency, motion
    or metadata: the guard cannot be shown something else than a person or the model would see.
    The highest probability of each hazard counts; a picture that is not judged leaves the message
    unjudged.

    Args:
        inner: judges ``USER_INPUT`` of a text and an image, as Llama Guard 4 does.
        clock: seconds, monotonic; the event loop's own.
        limits: what an image may be at most.
    """

    subjects = frozenset({Subject.IMAGE})

    def __init__(
        self, inner: Guard, *, clock: Callable[[], float], limits: ImageLimits | None = None
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._limits = limits or ImageLimits()
        self._decoders = asyncio.Semaphore(_AT_ONCE)

    @property
    def name(self) -> str:
        """See :class:`~guards.guard.Guard`."""
        return self._inner.name

    @property
    def revision(self) -> str:
        """The inner guard's, and that of what it is shown."""
        return f"{self._inner.revision}/{_REVISION}"

    @property
    def hazards(self) -> frozenset[Hazard]:
        """See :class:`~guards.guard.Guard`."""
        return self._inner.hazards

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the images of the message.

        Raises:
            ValueError: for a subject that is not in ``subjects``.
            Exception: whatever the inner guard raises.
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
        try:
            async with self._decoders:
                shown = await asyncio.to_thread(_shown, urls, self._limits)
        except ImageRefusedError as error:
            return self._unscanned(error.reason, f"an image {error}", start)
        judgements = await side_by_side([self._inner.judge(_alone(url)) for url in shown])
        verdicts = [judgement for judgement in judgements if isinstance(judgement, Verdict)]
        for judgement in judgements:
            if isinstance(judgement, Unscanned):
                return self._unscanned(judgement.reason, judgement.detail, start)
        return self._merged(verdicts, start)

    def _merged(self, verdicts: Sequence[Verdict], start: float) -> Verdict:
        best: dict[tuple[Hazard, str | None], float] = {}
        for finding in (finding for verdict in verdicts for finding in verdict.findings):
            key = (finding.hazard, finding.custom)
            best[key] = max(best.get(key, 0.0), finding.probability)
        scores = [verdict.score for verdict in verdicts if verdict.score is not None]
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=tuple(
                Finding(hazard=hazard, custom=custom, probability=probability)
                for (hazard, custom), probability in best.items()
            ),
            elapsed=self._clock() - start,
            score=max(scores, default=None),
        )

    def _unscanned(self, reason: Failure, detail: str, start: float) -> Unscanned:
        return Unscanned(
            guard=self.name,
            revision=self.revision,
            reason=reason,
            detail=detail,
            elapsed=self._clock() - start,
        )


def _alone(url: str) -> Exchange:
    """A user's message of nothing but the picture; the one before it is judged by itself."""
    message = Message(
        id="image",
        role=Role.USER,
        parts=(TextPart(text=QUESTION), ImagePart(url=url)),
        provenance=BY_USER,
    )
    return Exchange(subject=Subject.USER_INPUT, message=message)


def _shown(urls: Sequence[str], limits: ImageLimits) -> list[str]:
    return [_as_jpeg(view) for url in urls for view in views(url, limits)]


def _as_jpeg(picture: Image.Image) -> str:
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    written = BytesIO()
    picture.save(written, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
