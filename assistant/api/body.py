"""A request's body: read within limits and parsed exactly once."""

import asyncio
import json
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from assistant.api.failures import ApiError
from assistant.api.fields import join

MAX_DEPTH = 64
"""How deep arrays and objects may nest; a tool's JSON schema rarely passes ten."""

READ_SECONDS = 30.0
"""How long a client may take to send its body."""

DRAIN_FACTOR = 8
"""How many times the cap is still read and thrown away, so that the client, which is busy
sending, gets to see the 413 instead of a broken connection."""

DRAIN_SECONDS = 5.0

CLOSE = {"connection": "close"}


async def read_json(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object of at most ``limit`` bytes.

    Raises:
        ApiError: 413, 415, 408 or 400, saying what would be right.
    """
    _check_headers(request)
    return parse_object(await _read(request, limit))


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse ``body`` strictly: UTF-8, no lone surrogates, no NaN, bounded depth.

    Raises:
        ApiError: 400 naming the place.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unparsable(body, error) from None
    if not isinstance(value, dict):
        raise ApiError(400, "invalid_json", "the body must be a JSON object")
    if nests_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def nests_deeper(value: object, depth: int) -> bool:
    """Whether arrays and objects nest more than ``depth`` levels; no recursion, one pass."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)


def _check_headers(request: Request) -> None:
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if media != "application/json" and not (
        media.startswith("application/") and media.endswith("+json")
    ):
        raise ApiError(
            415, "unsupported_media_type", "content-type must be application/json", "content-type"
        )
    name, _, charset = parameters.strip().partition("=")
    if name.strip().lower() == "charset" and charset.strip(' "').lower() not in ("utf-8", "utf8"):
        raise ApiError(
            415, "unsupported_media_type", "the body's charset must be utf-8", "content-type"
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(
            415,
            "unsupported_media_type",
            "the body must be sent without content-encoding",
            "content-encoding",
        )


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    # Only a hint: what counts is what arrives.
    if len(declared) > 18 or not declared.isdecimal() or int(declared) > limit * DRAIN_FACTOR:
        raise _too_large(limit)
    kept: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS) as patience:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                size += len(chunk)
                more = message.get("more_body", False)
                if size <= limit:
                    kept.append(chunk)
                elif kept:
                    kept.clear()
                    patience.reschedule(asyncio.get_running_loop().time() + DRAIN_SECONDS)
                if not more or size > limit * DRAIN_FACTOR:
                    break
    except TimeoutError:
        if size <= limit:
            raise ApiError(
                408,
                "body_timeout",
                f"the body did not arrive within {READ_SECONDS:g} seconds",
                headers=CLOSE,
            ) from None
    if size > limit:
        raise _too_large(limit)
    return b"".join(kept)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        "body_too_large",
        f"the body must not be larger than {limit} bytes",
        headers=CLOSE,
    )


def _too_deep() -> ApiError:
    return ApiError(
        400,
        "invalid_json",
        f"the body must not nest arrays and objects deeper than {MAX_DEPTH} levels",
    )


def _unparsable(body: bytes, error: orjson.JSONDecodeError) -> ApiError:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return ApiError(400, "invalid_json", f"the body must be UTF-8; byte {wrong.start} is not")
    if "depth" in error.msg:
        return _too_deep()
    if "surrogate" in error.msg:
        param = _surrogate_path(body)
        if param is not None:
            return ApiError(
                400,
                "invalid_json",
                f"{param} holds half of a surrogate pair, which is not a character; "
                "send the whole pair or leave it out",
                param,
            )
    return ApiError(
        400,
        "invalid_json",
        f"the body is not valid JSON at line {error.lineno} column {error.colno}",
    )


def _surrogate_path(body: bytes) -> str | None:
    """Where the lone surrogate is. Python's own parser, which lets it through, is asked for it."""
    try:
        pending: list[tuple[str, object]] = [("", json.loads(body))]
    except (ValueError, RecursionError):
        return None
    while pending:
        path, value = pending.pop()
        match value:
            case str() if _has_surrogate(value):
                return path or "body"
            case dict():
                if any(_has_surrogate(key) for key in value):
                    return path or "body"
                pending.extend((join(path, key), v) for key, v in value.items())
            case list():
                pending.extend((join(path, i), v) for i, v in enumerate(value))
            case _:
                pass
    return None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
