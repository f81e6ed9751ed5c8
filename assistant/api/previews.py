"""The endpoint that shows a picture of what somebody is still typing."""

import base64
from typing import Any, Literal, assert_never

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from assistant.api.answers import Shape
from assistant.api.attendance import attended
from assistant.api.body import read_json
from assistant.api.endpoints import parts_of
from assistant.api.failures import ApiError, invalid
from assistant.api.fields import read
from assistant.api.preview_request import PreviewRequest
from assistant.locale import locale_of
from assistant.preview_desk import Painted, Unfit, Unmade
from assistant.turn import ANONYMOUS, SessionKey
from plugins.images.preview import Superseded
from policies.decision import decision_name


class PreviewImage(Shape):
    b64_json: str
    media_type: str = Field(description="`image/png`, `image/jpeg` or `image/webp`.")


class Preview(Shape):
    """What became of the words."""

    status: Literal["shown", "superseded", "declined"]
    image: PreviewImage | None = Field(None, description="Only of `shown`.")
    decision: Literal["support", "refuse", "escalate"] | None = Field(
        None, description="Only of `declined`, like `clause` and `text`."
    )
    clause: str | None = None
    text: str | None = Field(None, description="The policy's words to show instead.")
    log_id: str | None = Field(None, description="The entry of the decision log that proves it.")


async def image_previews(request: Request) -> Response:
    """Show a picture of what somebody is still typing.

    Newer words of the same user and session supersede the older ones, whose picture is then no
    longer made. Words and picture are judged; a client that goes away ends its picture.
    """
    parts = parts_of(request)
    settings = parts.assistant.settings
    asked = read(PreviewRequest, await read_json(request, settings.max_body_bytes))
    if len(asked.prompt) > settings.max_input_chars:
        raise invalid("prompt", f"must have at most {settings.max_input_chars} characters")
    if not parts.previews.enabled:
        raise ApiError(
            404, "images_not_enabled", "no pictures are made here: enable the plugin images"
        )
    options = asked.corral
    with parts.capacity.admit():
        shown = await attended(
            request,
            parts.previews.show(
                asked.prompt,
                SessionKey(
                    tenant=request.state.tenant,
                    user=asked.user or ANONYMOUS,
                    session=options.session,
                ),
                audience=options.audience,
                locale=options.locale or locale_of(asked.prompt, settings.locale),
            ),
        )
    return Response(orjson.dumps(_body(shown)), media_type="application/json")


def _body(shown: Painted | Unfit | Unmade | Superseded) -> dict[str, Any]:
    match shown:
        case Painted(picture=picture, log_id=log_id):
            image = {
                "b64_json": base64.b64encode(picture.data).decode(),
                "media_type": picture.media_type,
            }
            return {"status": "shown", "image": image, "log_id": log_id}
        case Superseded():
            return {"status": "superseded"}
        case Unfit(decision=decision, log_id=log_id):
            return {
                "status": "declined",
                "decision": decision_name(decision),
                "clause": decision.basis.clause,
                "text": decision.text,
                "log_id": log_id,
            }
        case Unmade(problem=problem):
            raise ApiError(502, "image_failed", problem or "the image service gave no picture")
        case _:
            assert_never(shown)
