"""Builds the client that session memory talks to Redis through."""

from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from assistant.errors import SettingsError

_CONNECTIONS = 64
_SCHEMES = {"redis", "rediss", "unix", "redis+cluster", "rediss+cluster"}
_OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
_REDIRECTS = 3


def connect(url: str, *, deadline: float) -> Redis | RedisCluster:
    """A client for one server or a cluster; nothing is sent before its first use.

    ``url`` is ``redis://[user:password@]host:port/db``, ``rediss://`` for TLS,
    ``unix:///path/to/socket``, or ``redis+cluster://host:port`` (``rediss+cluster://``) for any
    node of a cluster. ``deadline`` is in seconds and bounds a connection attempt and the wait
    for a free connection; the store bounds each reply.

    The client never retries by itself: the default of redis-py needs almost four seconds to
    notice that nobody listens. It has no time limit of its own on replies either: redis-py
    keeps it with ``asyncio.wait_for``, which loses cancellations on Python 3.11.

    Raises:
        SettingsError: the URL is not one; its text is not repeated, as it may hold a password.
    """
    try:
        parts = urlsplit(url)
        unknown = parse_qs(parts.query, keep_blank_values=True).keys() - _OPTIONS
        if parts.scheme not in _SCHEMES or unknown:
            raise ValueError("scheme or option is not one of ours")
        scheme, plus, _ = parts.scheme.partition("+")
        url = parts._replace(scheme=scheme).geturl()
        return _cluster(url, deadline) if plus else _single(url, deadline)
    except ValueError:
        raise SettingsError(
            "CORRAL_REDIS_URL: must be redis://host:port/db, rediss://host:port/db, "
            "redis+cluster://host:port or unix:///path/to/socket, with no options but "
            + ", ".join(sorted(_OPTIONS))
        ) from None


def _single(url: str, deadline: float) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=deadline,
        socket_timeout=None,
        socket_connect_timeout=deadline,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)


def _cluster(url: str, deadline: float) -> RedisCluster:
    return RedisCluster.from_url(
        url,
        max_connections=_CONNECTIONS,
        socket_timeout=None,
        socket_connect_timeout=deadline,
        # Redirections to the node that holds a slot count as retries here.
        retry=Retry(NoBackoff(), _REDIRECTS),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
