"""Asks an image service that speaks OpenAI's ``/v1/images/generations``."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from plugins.access import Access
from plugins.errors import ToolError
from plugins.http.errors import LimitExceededError

SECRET = "IMAGES_API_KEY"  # noqa: S105 - the secret's name

_DECLINED = frozenset({"content_policy_violation", "moderation_blocked", "content_filter"})
_NONSENSE = "the image service answered with something that is no picture; try again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of the service.

    Attributes:
        base_url: without ``/v1``.
        model: empty lets the service choose.
        asks_base64: whether the request says ``response_format``, which some services refuse.
        seconds: until the answer must be there.
    """

    base_url: str
    model: str
    asks_base64: bool
    seconds: float

    async def picture(self, prompt: str, size: str, access: Access) -> bytes:
        """The bytes of the one picture that the service makes, unchecked.

        Raises:
            ToolError: the service declines, fails, is too slow, or answers nonsense.
        """
        try:
            async with asyncio.timeout(self.seconds):
                answered = await self._ask(prompt, size, access)
                if isinstance(answered, bytes):
                    return answered
                fetched = await access.http.get(answered, follow_redirects=False)
                if not fetched.is_success:
                    raise ToolError(_NONSENSE)
                return fetched.content
        except LimitExceededError:
            raise ToolError("the image service answered too much; try a smaller size") from None
        except TimeoutError:
            raise ToolError("the image service took too long; try again later") from None
        except httpx.HTTPError:
            raise ToolError("the image service could not be reached; try again later") from None

    async def _ask(self, prompt: str, size: str, access: Access) -> bytes | httpx.URL:
        body: dict[str, Any] = {"prompt": prompt, "size": size, "n": 1}
        if self.model:
            body["model"] = self.model
        if self.asks_base64:
            body["response_format"] = "b64_json"
        headers = {"Idempotency-Key": access.key}
        if SECRET in access.secrets:
            headers["Authorization"] = f"Bearer {access.secrets[SECRET]}"
        response = await access.http.post(
            f"{self.base_url}/v1/images/generations",
            json=body,
            headers=headers,
            follow_redirects=False,
            timeout=self.seconds,
        )
        if not response.is_success:
            raise ToolError(_why(response))
        return await asyncio.to_thread(self._read, response.content)

    def _read(self, content: bytes) -> bytes | httpx.URL:
        try:
            item = orjson.loads(content)["data"][0]
            if isinstance(encoded := item.get("b64_json"), str):
                return base64.b64decode(encoded, validate=True)
            address = httpx.URL(item["url"])
        except (
            orjson.JSONDecodeError,
            binascii.Error,
            httpx.InvalidURL,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ):
            raise ToolError(_NONSENSE) from None
        if _origin(address) != _origin(httpx.URL(self.base_url)):
            raise ToolError("the image service keeps its pictures elsewhere, which is not fetched")
        return address


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _why(response: httpx.Response) -> str:
    """In our words: what a service says about a failure is not passed on."""
    match response.status_code:
        case 400 if _code(response) in _DECLINED:
            return "the image service declines this prompt; describe something else"
        case 400 | 404 | 422:
            return "the image service does not take this request; try another size or prompt"
        case 401 | 403:
            return "the image service does not accept this deployment's key"
        case 429:
            return "the image service is busy; try again in a minute"
        case _:
            return "the image service failed; try again later"


def _code(response: httpx.Response) -> str:
    try:
        error = orjson.loads(response.content)["error"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return ""
    return str(error.get("code")) if isinstance(error, Mapping) else ""
