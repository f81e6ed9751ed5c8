"""What a tool gives back."""

from dataclasses import dataclass
from typing import Any

from guards.conversation import Confidentiality


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A source that the content rests on; ``[1]`` in the content is the first one.

    Attributes:
        title: for people.
        url: where it can be read; ``file:`` names never leave the machine, a knowledge base
            gives a name of its own such as ``kb:handbook/leave.md``.
        text: the passage that was used, for checking what is claimed from it.
    """

    title: str
    url: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image for the user. ``media_type`` such as ``image/png``; ``alt`` says what it shows."""

    data: bytes
    media_type: str
    alt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a tool call gives.

    Attributes:
        content: what the model reads; text, or JSON as text.
        artifact: JSON-able data for the user's application, which the model does not read.
        citations: the sources, in the order in which the content numbers them from 1.
        images: for the user.
        confidentiality: class of the data in it; ``None`` is the highest the tool may read.
    """

    content: str
    artifact: Any = None
    citations: tuple[Citation, ...] = ()
    images: tuple[Picture, ...] = ()
    confidentiality: Confidentiality | None = None
