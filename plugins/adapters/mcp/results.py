"""What a server answered, as a tool's result."""

import binascii
from base64 import b64decode
from typing import Any
from urllib.parse import urlsplit

import orjson
from mcp_types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from plugins.adapters.clipping import clipped
from plugins.errors import ToolError
from plugins.result import Citation, Picture, Result

_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_MOST_PICTURES = 8
_MOST_ERROR = 2_000


def result_of(answer: CallToolResult, *, output_chars: int) -> Result:
    """The result; text beyond ``output_chars`` is cut, with a word about it.

    Raises:
        ToolError: the server says that the call failed, in its own words.
    """
    read = _Reading()
    for block in answer.content:
        read.take(block)
    text = "\n".join(read.texts)
    if answer.is_error:
        raise ToolError(text[:_MOST_ERROR] or "the tool failed and does not say why")
    artifact = answer.structured_content
    if not text and artifact is not None:
        text = orjson.dumps(artifact).decode()
    text, left = clipped(text, output_chars - sum(map(_length, read.citations)))
    if artifact is not None and len(orjson.dumps(artifact)) > left:
        artifact = None
    return Result(
        content=text,
        artifact=artifact,
        citations=tuple(read.citations),
        images=tuple(read.pictures),
    )


def _length(citation: Citation) -> int:
    return len(citation.title + citation.url + citation.text)


class _Reading:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.citations: list[Citation] = []
        self.pictures: list[Picture] = []

    def take(self, block: Any) -> None:
        match block:
            case TextContent(text=text):
                self.texts.append(_clean(text))
            case ImageContent(data=data, mime_type=kind):
                self._picture(data, kind)
            case ResourceLink(name=name, title=title, uri=uri, description=description):
                self._link(_clean(title or name), str(uri), _clean(description or ""))
            case EmbeddedResource(resource=TextResourceContents(text=text)):
                self.texts.append(_clean(text))
            case EmbeddedResource(resource=resource):
                self._picture(getattr(resource, "blob", ""), resource.mime_type or "")
            case AudioContent():
                self.texts.append("[a sound, left out]")
            case _:
                self.texts.append("[something left out]")

    def _picture(self, data: str, kind: str) -> None:
        try:
            raw = b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if kind not in _PICTURES or not raw or len(self.pictures) == _MOST_PICTURES:
            self.texts.append("[a file, left out]")
            return
        self.pictures.append(Picture(data=raw, media_type=kind))
        self.texts.append("[a picture, shown to the user]")

    def _link(self, title: str, uri: str, text: str) -> None:
        # Only what a person can open; file: and the server's own schemes name its inner places.
        if urlsplit(uri).scheme not in ("http", "https") or len(self.citations) == 100:
            self.texts.append(f"[{title[:200]}]")
            return
        self.citations.append(Citation(title=title[:200], url=uri[:2_000], text=text[:1_000]))
        self.texts.append(f"[{len(self.citations)}] {title[:200]}: {text[:1_000]}")


def _clean(text: str) -> str:
    """Without lone surrogates, which JSON can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()
