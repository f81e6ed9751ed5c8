"""Images from strangers: what is looked at, and what is refused."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from guards.image.decoding import ImageLimits, ImageRefusedError, views
from guards.verdict import Failure
from tests.guards.image.pictures import (
    as_url,
    content_of,
    drawing,
    gradient,
    landscape,
    moving,
    noise,
    url_of,
)

LIMITS = ImageLimits()


def refused(url: str, limits: ImageLimits = LIMITS) -> ImageRefusedError:
    with pytest.raises(ImageRefusedError) as caught:
        views(url, limits)
    return caught.value


def shown_or_refused(url: str, limits: ImageLimits) -> bool:
    """Whether there is something to look at, or a reason why not."""
    try:
        return bool(views(url, limits))
    except ImageRefusedError as refusal:
        return bool(str(refusal))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_each_format_is_shown_as_it_is(kind: str) -> None:
    (view,) = views(url_of(landscape(), kind), LIMITS)
    assert (view.mode, view.size) == ("RGB", (480, 320))
    difference = np.abs(np.asarray(view, int) - np.asarray(landscape(), int)).mean()
    assert difference < 20


def test_jpg_and_capitals_are_jpeg_too() -> None:
    url = url_of(drawing(), "JPEG").replace("image/jpeg", "image/JPG")
    assert len(views(url, LIMITS)) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.org/cat.png", "addresses are not fetched"),
        ("http://127.0.0.1/cat.png", "addresses are not fetched"),
        ("file:///etc/passwd", "addresses are not fetched"),
        ("", "addresses are not fetched"),
        ("data:image/svg+xml;base64,PHN2Zy8+", "none of JPEG, PNG, WebP and GIF"),
        ("data:image/tiff;base64,SUkqAA==", "none of JPEG, PNG, WebP and GIF"),
        ("data:text/html;base64,PGI+", "not a base64 image"),
        ("data:image/png,abc", "not a base64 image"),
        ("data:image/png;base64,@@@@", "not valid base64"),
        ("data:image/png;base64,abc", "not valid base64"),
        ("data:image/png;base64,", "not of the type it says it is"),
    ],
)
def test_what_is_no_image_is_refused_and_says_why(url: str, says: str) -> None:
    assert says in str(refused(url))


@pytest.mark.parametrize("claimed", ["png", "gif", "webp"])
def test_content_of_another_type_is_refused(claimed: str) -> None:
    error = refused(as_url(content_of(url_of(drawing(), "JPEG")), claimed))
    assert str(error) == "is not of the type it says it is"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_half_a_file_is_refused(kind: str, share: float) -> None:
    content = content_of(url_of(landscape(), kind))
    error = refused(as_url(content[: int(len(content) * share)], kind.lower()))
    assert error.reason is Failure.ERROR


def test_a_file_over_the_limit_is_refused_before_it_is_decoded() -> None:
    error = refused(url_of(noise()), ImageLimits(bytes=1000))
    assert (error.reason, str(error)) == (Failure.TOO_LONG, "is too large")


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


@pytest.mark.parametrize(
    ("width", "height"), [(20_000, 10), (7_000, 7_000), (12_000, 12_000), (60_000, 60_000)]
)
def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused(width: int, height: int) -> None:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )
    error = refused(as_url(bomb, "png"))
    assert (error.reason, str(error)) == (Failure.TOO_LONG, "has too many pixels")


def test_an_animation_shows_the_frame_that_is_unlike_the_others() -> None:
    frames = [drawing() for _ in range(30)]
    frames[17] = Image.new("RGB", (500, 400), "red")
    shown = views(moving(frames), LIMITS)
    assert len(shown) >= 2
    assert any(np.asarray(view)[..., 1].mean() < 10 for view in shown)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_of_every_format_show_more_than_one_frame(kind: str) -> None:
    colours = ("red", "green", "blue", "yellow")
    url = moving([Image.new("RGB", (40, 40), colour) for colour in colours], kind)
    assert 2 <= len(views(url, LIMITS)) <= LIMITS.views


def test_an_animation_that_moves_for_too_long_is_refused() -> None:
    frames = [Image.new("L", (20, 20), shade) for shade in range(0, 200, 10)]
    error = refused(moving(frames), ImageLimits(frames=10))
    assert (error.reason, str(error)) == (Failure.TOO_LONG, "moves for too long")
    assert refused(moving(frames), ImageLimits(moving_pixels=1000)).reason is Failure.TOO_LONG


def test_what_transparency_hides_is_shown_too() -> None:
    hidden = Image.new("RGBA", (60, 60), (200, 30, 30, 0))
    white, black, bare = views(url_of(hidden), LIMITS)
    assert [view.getpixel((30, 30)) for view in (white, black, bare)] == [
        (255, 255, 255),
        (0, 0, 0),
        (200, 30, 30),
    ]


def test_a_transparent_colour_of_a_palette_counts_as_transparency() -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([10, 20, 30] + [0] * 765)
    assert len(views(url_of(picture, "PNG", transparency=0), LIMITS)) == 3


def test_an_opaque_picture_with_an_alpha_channel_is_one_view() -> None:
    assert len(views(url_of(drawing().convert("RGBA")), LIMITS)) == 1


def test_the_cameras_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (view,) = views(url_of(gradient(200, 120), "JPEG", exif=exif.tobytes()), LIMITS)
    assert view.size == (120, 200)


def test_a_long_strip_is_looked_at_piece_by_piece() -> None:
    shown = views(url_of(gradient(1200, 200)), LIMITS)
    assert shown[0].size == (1200, 200)
    assert {view.size for view in shown[1:]} == {(200, 200)}
    assert len(shown) == 7
    assert len(views(url_of(gradient(10, 3000)), LIMITS)) == LIMITS.views


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.arange(2500, dtype=np.uint16).reshape(50, 50) * 20)
    else:
        picture = gradient(50, 50).convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    shown = views(url_of(picture, "JPEG" if mode == "CMYK" else "PNG"), LIMITS)
    assert shown[0].mode == "RGB"
    low, high = shown[0].convert("L").getextrema()
    assert high - low > 100


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_behind_a_right_beginning_are_refused_or_shown(tail: bytes) -> None:
    for kind, head in (
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("jpeg", b"\xff\xd8\xff"),
        ("gif", b"GIF89a"),
        ("webp", b"RIFF\x00\x01\x00\x00WEBP"),
    ):
        assert shown_or_refused(as_url(head + tail, kind), LIMITS)


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_flipped_bytes_are_refused_or_shown(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
    content = bytearray(SMALL[kind])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=12)):
        content[place] = data.draw(st.integers(0, 255))
    small = ImageLimits(pixels=100_000, moving_pixels=1_000_000)
    assert shown_or_refused(as_url(bytes(content), kind.lower()), small)


SMALL = {
    kind: content_of(url_of(gradient(32, 24), kind)) for kind in ("PNG", "JPEG", "WEBP", "GIF")
}


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_as_an_address_is_refused(url: str) -> None:
    assert str(refused(url))


def test_limits_must_make_sense() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ImageLimits(pixels=0)
    with pytest.raises(ValueError, match="views"):
        ImageLimits(views=2)
