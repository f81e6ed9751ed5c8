"""From a ``data:`` URL to the pictures a guard looks at, without trusting a byte of it."""

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from guards.verdict import Failure

_HEAD = re.compile(r"data:image/([a-z0-9.+-]{1,32});base64,", re.IGNORECASE)
_NAMES = {"jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}
_DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_PLAIN = frozenset({"1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV"})
_THUMB = 16


class ImageRefusedError(ValueError):
    """An image that is not judged. The message never holds anything of the image.

    Attributes:
        reason: as it stands in ``Unscanned``.
    """

    def __init__(self, message: str, reason: Failure = Failure.ERROR) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What an image may be at most.

    Attributes:
        bytes: of the file.
        pixels: of one frame; what a small file unpacks to is bounded by this.
        side: length of the longer side.
        frames: of an animation.
        moving_pixels: of all frames of an animation together.
        views: pictures of one image that are looked at; the most different frames are chosen.
    """

    bytes: int = 8 << 20
    pixels: int = 40_000_000
    side: int = 16_384
    frames: int = 256
    moving_pixels: int = 400_000_000
    views: int = 8

    def __post_init__(self) -> None:
        if min(self.bytes, self.pixels, self.side, self.frames, self.moving_pixels) < 1:
            raise ValueError("every limit must be at least 1")
        if self.views < _LEAST_VIEWS:
            raise ValueError(f"views must be at least {_LEAST_VIEWS}")


_LEAST_VIEWS = 3
"""One frame in all the ways its transparency can be shown."""


def views(url: str, limits: ImageLimits) -> tuple[Image.Image, ...]:
    """What a person or a model could see of the image at ``url``: at least one RGB picture.

    An animation gives the frames that differ most; a transparent image one picture on white, one
    on black, and one without its transparency, because a reader may show it any of these ways; a
    very long one is also cut into squares. The orientation a camera noted is applied.

    Raises:
        ImageRefusedError: the address is not a base64 ``data:`` URL of a JPEG, PNG, WebP or GIF,
            the content is not what it says, is damaged, or is over a limit.
    """
    kind, content = _unpacked(url, limits)
    try:
        with Image.open(BytesIO(content), formats=[kind]) as image:
            _check_size(image, limits)
            chosen = _frames(image, limits)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageRefusedError("has too many pixels", Failure.TOO_LONG) from None
    except ImageRefusedError:
        raise
    except _DAMAGE:
        # What the decoder says may quote the file, so it is no cause to keep.
        raise ImageRefusedError("is damaged or not what it says it is") from None
    shown = [view for frame in chosen for view in _shown(frame)]
    return tuple(_squares(shown, limits.views) if len(shown) == 1 else shown)


_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    struct.error,
    zlib.error,
    MemoryError,
    OverflowError,
)
"""What decoders raise for files made to break them."""


def _unpacked(url: str, limits: ImageLimits) -> tuple[str, bytes]:
    """The format by the file's own first bytes, and the file."""
    head = _HEAD.match(url)
    if head is None:
        if url[:5].lower() == "data:":
            raise ImageRefusedError("is not a base64 image")
        raise ImageRefusedError("is an address, and addresses are not fetched")
    kind = _NAMES.get(head[1].lower())
    if kind is None:
        raise ImageRefusedError("is none of JPEG, PNG, WebP and GIF")
    if (len(url) - head.end()) * 3 // 4 > limits.bytes + 3:
        raise ImageRefusedError("is too large", Failure.TOO_LONG)
    try:
        content = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ImageRefusedError("is not valid base64") from None
    if len(content) > limits.bytes:
        raise ImageRefusedError("is too large", Failure.TOO_LONG)
    if kind != _kind_of(content):
        raise ImageRefusedError("is not of the type it says it is")
    return kind, content


def _kind_of(content: bytes) -> str | None:
    if content[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if content[:6] in {b"GIF87a", b"GIF89a"}:
        return "GIF"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return None


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageRefusedError("has no pixels")
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise ImageRefusedError("has too many pixels", Failure.TOO_LONG)


def _frames(image: Image.Image, limits: ImageLimits) -> list[Image.Image]:
    count = getattr(image, "n_frames", 1)
    if count == 1:
        image.load()
        return [_upright(image)]
    width, height = image.size
    if count > limits.frames or count * width * height > limits.moving_pixels:
        raise ImageRefusedError("moves for too long", Failure.TOO_LONG)
    thumbs = np.stack([_thumb(_at(image, number)) for number in range(count)])
    room = limits.views // _LEAST_VIEWS
    return [_upright(_at(image, number)).copy() for number in _most_different(thumbs, room)]


def _at(image: Image.Image, number: int) -> Image.Image:
    image.seek(number)
    image.load()
    return image


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image)


def _thumb(frame: Image.Image) -> NDArray[np.float32]:
    small = frame.convert("RGBA").resize((_THUMB, _THUMB), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel()


def _most_different(thumbs: NDArray[np.float32], room: int) -> list[int]:
    """The first frame, then each time the one least like those that were chosen."""
    chosen = [0]
    distance = np.linalg.norm(thumbs - thumbs[0], axis=1)
    while len(chosen) < room and distance.max() > 0:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(thumbs - thumbs[chosen[-1]], axis=1))
    return sorted(chosen)


def _shown(frame: Image.Image) -> Iterator[Image.Image]:
    """The frame in every way its transparency can be shown, in RGB."""
    if frame.mode in _DEEP:
        yield _shallow(frame)
        return
    if frame.mode in _PLAIN and "transparency" not in frame.info:
        yield frame.convert("RGB")
        return
    layered = frame.convert("RGBA")
    lowest = layered.getchannel("A").getextrema()[0]
    bare = layered.convert("RGB")
    if lowest == 255:
        yield bare
        return
    for colour in ("white", "black"):
        ground = Image.new("RGB", layered.size, colour)
        ground.paste(layered, mask=layered.getchannel("A"))
        yield ground
    yield bare


def _shallow(frame: Image.Image) -> Image.Image:
    """Sixteen or more bits a pixel, stretched over the eight that a screen has."""
    values = np.nan_to_num(np.asarray(frame, dtype=np.float64))
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")


def _squares(pictures: list[Image.Image], room: int) -> list[Image.Image]:
    """A picture, and squares along it where it is more than twice as long as wide."""
    (picture,) = pictures
    width, height = picture.size
    short, long = sorted((width, height))
    if long <= 2 * short:
        return pictures
    count = min(-(-long // short), room - 1)
    tiles = []
    for number in range(count):
        start = round(number * (long - short) / (count - 1))
        box = (
            (start, 0, start + short, short) if width > height else (0, start, short, start + short)
        )
        tiles.append(picture.crop(box))
    return [*pictures, *tiles]
