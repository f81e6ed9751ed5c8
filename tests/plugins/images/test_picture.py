"""A picture is what its bytes say, whatever was said of them."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from plugins.images.picture import MOST_BYTES, Measured, NotAPictureError, measure


def painted(kind: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    file = BytesIO()
    mode = "RGBA" if options.pop("alpha", False) else "RGB"
    Image.new(mode, size, (200, 80, 20, 90) if mode == "RGBA" else (200, 80, 20)).save(
        file, kind, **options
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (painted("PNG"), "image/png"),
        (painted("JPEG"), "image/jpeg"),
        (painted("JPEG", progressive=True, comment=b"hello"), "image/jpeg"),
        (painted("WEBP"), "image/webp"),
        (painted("WEBP", lossless=True), "image/webp"),
        (painted("WEBP", alpha=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"), "image/webp"),
    ],
)
def test_pictures_are_measured(data: bytes, media_type: str) -> None:
    assert measure(data) == Measured(media_type=media_type, width=64, height=48)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "neither PNG, JPEG nor WebP"),
        (b"<svg onload='alert(1)'/>", "neither"),
        (b"<html>error</html>", "neither"),
        (painted("GIF"), "neither"),
        (painted("BMP"), "neither"),
        (b"\x89PNG\r\n\x1a\n", "broken off"),
        (painted("PNG")[:-20], "broken off"),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 99, b"IHDR", 64, 64) + b"\0" * 40, "broken"),
        (b"\xff\xd8\xff", "broken off"),
        (b"\xff\xd8\xff\xda\x00\x02" + b"\0" * 40, "no size"),
        (b"\xff\xd8\xff\xe0\x00\x00" + b"\0" * 40, "no size"),
        (b"\xff\xd8\xff\xd9" + b"\0" * 40, "no size"),
        (b"\xff\xd8\xff\xe0\x00\x04\x00\x00\x00" + b"\0" * 40, "no size"),
        (b"RIFF\x04\x00\x00\x00WEBP", "no size"),
        (painted("WEBP")[:-9], "broken off"),
        (b"RIFF\x04\x00\x00\x00WEBPVP8 ", "broken off"),
        (painted("PNG", (4097, 20)), "sides are not between 16 and 4096"),
        (painted("PNG", (8, 64)), "sides are not"),
        (painted("PNG") + b"\0" * MOST_BYTES, "more than 8 MB"),
    ],
)
def test_all_else_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(NotAPictureError, match=problem):
        measure(data)


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBPVP8", b""]),
    st.binary(max_size=200),
)
def test_any_bytes_are_measured_or_refused(start: bytes, rest: bytes) -> None:
    try:
        found = measure(start + rest)
    except NotAPictureError:
        return
    assert 16 <= found.width <= 4096
    assert 16 <= found.height <= 4096


@given(st.integers(min_value=0), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_a_picture_cut_anywhere_never_crashes(cut: int, kind: str) -> None:
    data = painted(kind)
    try:
        measure(data[: cut % len(data)])
    except NotAPictureError as error:
        assert str(error)  # noqa: PT017 - either way is right
