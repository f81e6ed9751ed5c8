"""Runs one tool call under its limits, and checks that what comes back is a result at all."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.errors import AccessDeniedError, PluginEndedError, ToolError
from plugins.manifest import Limits
from plugins.outcome import Failure
from plugins.registry import Bound
from plugins.result import Citation, Picture, Result

logger = logging.getLogger("corral.plugins")

LAST_WORD = 1.0
"""Seconds that a tool gets to end after it was cancelled; then nobody waits for it any more."""

IMAGE_BYTES = 16 * 1024 * 1024
"""Of all images of one result together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A run that gave no result.

    ``known`` says that the tool itself reported it, so that how far it came is known; ``problem``
    is for the model and may hold the tool's own words, which nobody has judged.
    """

    failure: Failure
    problem: str
    known: bool


async def run_limited(
    bound: Bound, arguments: Mapping[str, Any], access: Access
) -> Result | Trouble:
    """Run ``bound``; everything but being cancelled comes back as a value."""
    limits = bound.manifest.limits
    name = bound.tool.name
    async with bound.gate:
        task = asyncio.ensure_future(bound.tool.run(arguments, access))
        try:
            done, _ = await asyncio.wait((task,), timeout=limits.seconds)
        except asyncio.CancelledError:
            await _end(task, name)
            raise
        if not done:
            await _end(task, name)
            return _trouble(Failure.TIMEOUT, f"the tool took longer than {limits.seconds:g} s")
    try:
        return _checked(task.result(), limits, bound.manifest.reads)
    except ToolError as error:
        return Trouble(
            failure=Failure.TOOL_ERROR, problem=str(error)[: limits.output_chars], known=True
        )
    except AccessDeniedError as error:
        # Its text names a host that arguments may have held, so only its class is logged.
        return Trouble(failure=Failure.TOOL_ERROR, problem=str(error)[:500], known=True)
    except PluginEndedError as error:
        logger.warning("tool %s: %s", name, error)
        return _trouble(Failure.CRASHED, str(error))
    except asyncio.CancelledError:
        return _trouble(Failure.CRASHED, "the tool ended without a result")
    except _OutputError as error:
        logger.warning("tool %s: %s", name, error)
        return _trouble(Failure.OUTPUT, str(error))
    except Exception as error:  # noqa: BLE001 - the plugin's edge: nothing it raises gets past it
        logger.warning("tool %s failed: %s", name, type(error).__name__)
        return _trouble(Failure.CRASHED, "the tool failed")


async def _end(task: "asyncio.Future[Result]", name: str) -> None:
    """Cancel a tool and wait for its end, also when the turn is cancelled (once more) meanwhile."""
    task.cancel()
    loop = asyncio.get_running_loop()
    until, cancelled = loop.time() + LAST_WORD, False
    while not task.done() and loop.time() < until:
        try:
            await asyncio.wait((task,), timeout=until - loop.time())
        except asyncio.CancelledError:
            cancelled = True
    if not task.done():
        logger.error("tool %s does not end when it is cancelled", name)
    elif not task.cancelled():
        task.exception()  # nobody is left to hear of it
    if cancelled:
        raise asyncio.CancelledError


def _trouble(failure: Failure, problem: str) -> Trouble:
    return Trouble(failure=failure, problem=problem, known=False)


class _OutputError(ValueError):
    """What a tool returned is no result, or too much of one."""


def _checked(result: object, limits: Limits, reads: frozenset[Confidentiality]) -> Result:
    if not isinstance(result, Result) or not _is_text(result.content):
        raise _OutputError("the tool returned no result")
    if not all(isinstance(citation, Citation) for citation in result.citations):
        raise _OutputError("the tool returned citations that are none")
    if not all(_is_picture(picture) for picture in result.images):
        raise _OutputError("the tool returned images that are none")
    if result.confidentiality is not None and result.confidentiality not in reads:
        raise _OutputError("the tool labelled its result with a class it may not read")
    try:
        artifact = orjson.dumps(result.artifact)
        result.content.encode()
        size = len(result.content) + len(artifact)
        beside = [c.title + c.url + c.text for c in result.citations]
        for words in (*beside, *("" + picture.alt for picture in result.images)):
            words.encode()
            size += len(words)
    except (TypeError, ValueError):
        raise _OutputError("the tool returned what is neither text nor JSON") from None
    if size > limits.output_chars:
        raise _OutputError(f"the tool returned more than {limits.output_chars} characters")
    if sum(len(picture.data) for picture in result.images) > IMAGE_BYTES:
        raise _OutputError(f"the tool returned images of more than {IMAGE_BYTES >> 20} MB")
    return result


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_picture(value: object) -> bool:
    return (
        isinstance(value, Picture)
        and type(value.data) is bytes
        and value.media_type in ("image/png", "image/jpeg", "image/webp", "image/gif")
    )
