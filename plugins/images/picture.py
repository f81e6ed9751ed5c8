"""What bytes from an image service are, by what stands in them and not by what is said of them."""

import struct
from dataclasses import dataclass

MOST_BYTES = 8 * 1024 * 1024
"""As much as the guards of images look at."""

LONGEST_SIDE = 4096
SHORTEST_SIDE = 16

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset(range(0xD0, 0xDA)) | {0x01}


class NotAPictureError(ValueError):
    """The bytes are no picture that is passed on; the message holds nothing of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A picture's kind and size in pixels."""

    media_type: str
    width: int
    height: int


def measure(data: bytes) -> Measured:
    """The kind and size of a PNG, JPEG or WebP.

    Raises:
        NotAPictureError: it is none of these, is broken off, or is too large or too small.
    """
    if len(data) > MOST_BYTES:
        raise NotAPictureError(f"the picture has more than {MOST_BYTES >> 20} MB")
    try:
        if data.startswith(_PNG):
            found = _png(data)
        elif data.startswith(b"\xff\xd8\xff"):
            found = _jpeg(data)
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            found = _webp(data)
        else:
            raise NotAPictureError("it is neither PNG, JPEG nor WebP")
    except (struct.error, IndexError):
        raise NotAPictureError("the picture is broken off") from None
    sides = (found.width, found.height)
    if max(sides) > LONGEST_SIDE or min(sides) < SHORTEST_SIDE:
        raise NotAPictureError(
            f"the picture's sides are not between {SHORTEST_SIDE} and {LONGEST_SIDE} pixels"
        )
    return found


def _png(data: bytes) -> Measured:
    length, name, width, height = struct.unpack_from(">I4sII", data, len(_PNG))
    if (length, name) != (13, b"IHDR") or not data.rstrip(b"\x00").endswith(b"IEND\xaeB`\x82"):
        raise NotAPictureError("the PNG is broken off")
    return Measured(media_type="image/png", width=width, height=height)


def _jpeg(data: bytes) -> Measured:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise NotAPictureError("the JPEG has no size")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _JPEG_BARE:
            raise NotAPictureError("the JPEG has no size")
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Measured(media_type="image/jpeg", width=width, height=height)
        if length < 2 or marker == 0xDA:
            raise NotAPictureError("the JPEG has no size")
        at += 2 + length


def _webp(data: bytes) -> Measured:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise NotAPictureError("the WebP is broken off")
    chunk = data[12:16]
    if chunk == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        struct.unpack_from("<30x", data)
    elif chunk == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise NotAPictureError("the WebP has no size")
    return Measured(media_type="image/webp", width=width, height=height)
