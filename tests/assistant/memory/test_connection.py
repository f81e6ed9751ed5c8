"""Which URLs are taken, and that a wrong one is not repeated in the error."""

import pytest
from redis.asyncio import Redis, RedisCluster

from assistant.errors import SettingsError
from assistant.memory.connection import connect
from assistant.memory.limits import MemoryLimits


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost", Redis),
        ("redis://user:secret@localhost:6380/2", Redis),
        ("rediss://localhost:6379/0?ssl_ca_certs=/etc/ca.pem", Redis),
        ("unix:///run/valkey%20one.sock?db=1", Redis),
        ("redis+cluster://localhost:7000", RedisCluster),
        ("rediss+cluster://localhost:7000", RedisCluster),
    ],
)
async def test_a_url_makes_a_client(url: str, kind: type) -> None:
    client = connect(url, deadline=1.0)
    assert isinstance(client, kind)
    await client.aclose()


def test_parts_of_the_url_reach_the_client() -> None:
    client = connect("redis://user:secret@example:6380/2", deadline=1.0)
    assert isinstance(client, Redis)
    given = client.connection_pool.connection_kwargs
    assert (given["host"], given["port"], given["db"]) == ("example", 6380, 2)
    assert (given["username"], given["password"]) == ("user", "secret")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://secret@localhost",
        "redis://secret@localhost:port",
        "redis://secret@localhost?decode_responses=true",
        "redis://localhost/0?socket_timeout=secret",
        "redis://[secret",
    ],
)
def test_a_wrong_url_is_a_clear_error_without_it(url: str) -> None:
    with pytest.raises(SettingsError, match="CORRAL_REDIS_URL: must be redis://") as caught:
        connect(url, deadline=1.0)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"session_ttl": 0}, "session_ttl"),
        ({"lock_ttl": -1.0}, "lock_ttl"),
        ({"answer_ttl": float("nan")}, "answer_ttl"),
        ({"deadline": 0.0}, "deadline"),
        ({"wait": -0.1}, "wait"),
        ({"messages": 0}, "messages"),
    ],
)
def test_a_wrong_limit_is_named(wrong: dict[str, float], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        MemoryLimits(**wrong)  # type: ignore[arg-type] # messages is an int in the table above
