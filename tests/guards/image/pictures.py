"""Pictures made for tests; none of them shows anybody."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from guards.conversation import BY_USER, Exchange, ImagePart, Message, Role, Subject, TextPart


def gradient(width: int = 256, height: int = 256) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], -1).astype(np.uint8))


def noise(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8))


def landscape() -> Image.Image:
    """Sky, hills and a meadow, with the grain of a photograph."""
    rng = np.random.default_rng(1)
    image = Image.new("RGB", (480, 320), (120, 170, 230))
    draw = ImageDraw.Draw(image)
    draw.polygon([(0, 200), (120, 110), (260, 190), (380, 90), (480, 200)], fill=(70, 95, 80))
    draw.rectangle((0, 190, 480, 320), fill=(90, 140, 60))
    grain = rng.normal(0, 12, (320, 480, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def drawing() -> Image.Image:
    image = Image.new("RGB", (500, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((50, 50, 200, 300), fill="blue")
    draw.ellipse((250, 100, 450, 300), fill="green")
    draw.text((20, 10), "Invoice 2026")
    return image


def url_of(image: Image.Image, kind: str = "PNG", **options: Any) -> str:
    written = BytesIO()
    image.save(written, kind, **options)
    return as_url(written.getvalue(), kind.lower())


def moving(frames: Sequence[Image.Image], kind: str = "GIF") -> str:
    return url_of(frames[0], kind, save_all=True, append_images=list(frames[1:]), duration=50)


def as_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def content_of(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def exchange(*urls: str, subject: Subject = Subject.IMAGE, text: str = "") -> Exchange:
    parts = [*([TextPart(text=text)] if text else []), *(ImagePart(url=url) for url in urls)]
    message = Message(id="upload", role=Role.USER, parts=tuple(parts), provenance=BY_USER)
    return Exchange(subject=subject, message=message)
