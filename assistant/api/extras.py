"""What a turn gives beside text: sources, images, tools that ran, a question to a person."""

import base64
from dataclasses import dataclass, field
from typing import Any, assert_never

from assistant.approval.asked import Asked
from assistant.approval.wire import asked_body
from assistant.events import Cited, ImageReleased, ToolFinished, ToolProgressed, ToolStarted

Extra = ToolStarted | ToolProgressed | ToolFinished | Cited | ImageReleased


@dataclass(slots=True)
class Extras:
    """Gathers them for the end of a completion."""

    asked: Asked | None = None
    events: list[Extra] = field(default_factory=list)

    def add(self, event: Extra) -> None:
        """Gather one; what was only of use while it happened is let go."""
        if not isinstance(event, ToolStarted | ToolProgressed):
            self.events.append(event)

    def body(self, *, images: bool) -> dict[str, Any]:
        """The fields of ``corral`` that there is anything in."""
        found: dict[str, Any] = {}
        for event in self.events:
            match event:
                case Cited():
                    found.setdefault("citations", []).append(_source(event))
                case ToolFinished():
                    found.setdefault("tools", []).append(_run(event))
                case ImageReleased() if images:
                    found.setdefault("images", []).append(_image(event))
                case _:
                    pass
        if self.asked is not None:
            found["approval"] = asked_body(self.asked)
        return found


def extra_body(event: Extra) -> dict[str, Any]:
    """One of them as it happens."""
    match event:
        case ToolStarted(call=call, tool=tool, plugin=plugin):
            return {"type": "tool_started", "call": call, "tool": tool, "plugin": plugin}
        case ToolProgressed(call=call, text=text):
            return {"type": "tool_progress", "call": call, "text": text}
        case ToolFinished():
            return {"type": "tool_finished", **_run(event)}
        case Cited():
            return {"type": "citation", **_source(event)}
        case ImageReleased():
            return {"type": "image", **_image(event)}
        case _:
            assert_never(event)


def _run(event: ToolFinished) -> dict[str, Any]:
    return {
        "call": event.call,
        "tool": event.tool,
        "failure": event.failure,
        "artifact": event.artifact,
    }


def _source(event: Cited) -> dict[str, Any]:
    citation = event.citation
    return {
        "number": event.number,
        "title": citation.title,
        "url": citation.url,
        "text": citation.text,
    }


def _image(event: ImageReleased) -> dict[str, Any]:
    picture = event.picture
    data = base64.b64encode(picture.data).decode()
    return {"url": f"data:{picture.media_type};base64,{data}", "alt": picture.alt}
