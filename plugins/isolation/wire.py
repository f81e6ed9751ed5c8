"""What goes between Corral and a plugin's process: JSON behind its length, never pickle.

A frame is four bytes of length (big-endian) and that many bytes of JSON. The process is foreign to
Corral: what does not parse exactly ends it.
"""

import hashlib
import struct
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, TypeAdapter

from plugins.isolation.messages import FromCorral, FromPlugin, Hello, Opened, Terms
from plugins.manifest import Manifest
from plugins.tool import Tool

LARGEST = 16 * 1024 * 1024
"""Bytes of one frame, either way."""

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of one HTTP request or response; base64 makes it a third longer in its frame."""

_LENGTH = struct.Struct(">I")
HEAD = _LENGTH.size


class WireError(Exception):
    """The other side said something that no honest one says. The message quotes none of it."""


_FROM_CORRAL: TypeAdapter[FromCorral] = TypeAdapter(
    Annotated[FromCorral, Field(discriminator="kind")]
)
_FROM_PLUGIN: TypeAdapter[FromPlugin] = TypeAdapter(
    Annotated[FromPlugin, Field(discriminator="kind")]
)


def frame(message: FromCorral | FromPlugin) -> bytes:
    """The bytes of one message.

    Raises:
        WireError: it is too long, or holds what is no JSON.
    """
    try:
        body = message.model_dump_json().encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"{message.kind}: holds what cannot be written as JSON") from error
    if len(body) > LARGEST:
        raise WireError(f"{message.kind}: has more than {LARGEST} bytes")
    return _LENGTH.pack(len(body)) + body


def length(head: bytes) -> int:
    """How many bytes follow a frame's head.

    Raises:
        WireError: more than a frame may have.
    """
    size: int = _LENGTH.unpack(head)[0]
    if size > LARGEST:
        raise WireError("a message is longer than any may be")
    return size


def from_plugin(body: bytes) -> FromPlugin:
    """What a plugin's process says.

    Raises:
        WireError: it is none of the messages.
    """
    try:
        return _FROM_PLUGIN.validate_json(body)
    except (ValueError, RecursionError):
        raise WireError("a message is none that there is") from None


def from_corral(body: bytes) -> FromCorral:
    """What Corral says.

    Raises:
        WireError: it is none of the messages.
    """
    try:
        return _FROM_CORRAL.validate_json(body)
    except (ValueError, RecursionError):
        raise WireError("a message is none that there is") from None


def digest_of(manifest: Manifest, tools: Iterable[Tool]) -> str:
    """SHA-256 of all that a plugin says of itself, in hexadecimal."""
    opened = Opened(tools=tuple(Terms.of(tool) for tool in tools))
    return hashlib.sha256(frame(Hello(manifest=manifest)) + frame(opened)).hexdigest()
