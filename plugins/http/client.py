"""Opens a plugin's client."""

import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version

import httpcore
import httpx

from plugins.http.discretion import keep_quiet
from plugins.http.limits import HttpLimits
from plugins.http.reach import Reach
from plugins.http.resolver import Resolver, SystemResolver
from plugins.http.transport import ReachTransport

USER_AGENT = f"Corral/{version('corral')}"
"""How plugins name themselves; a plugin may say otherwise per request."""


@asynccontextmanager
async def open_client(
    *,
    hosts: tuple[str, ...],
    private_hosts: tuple[str, ...] = (),
    limits: HttpLimits | None = None,
    resolver: Resolver | None = None,
    network: httpcore.AsyncNetworkBackend | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that reaches ``hosts`` and ``private_hosts`` and nothing else, while it is open.

    It follows redirects under the same rules, keeps no cookies, and takes nothing from the
    environment: no proxy, no certificates, no credentials.

    Args:
        hosts: as in a manifest; all of their addresses must be public.
        private_hosts: ``host:port`` that the operator allows wherever they are.
        limits: bounds on each request; the usual ones when ``None``.
        resolver: finds addresses; the operating system's when ``None``.
        network: connects to an address that was found good; the operating system's when ``None``.
        tls: what certificates are checked against; the usual authorities when ``None``.

    Raises:
        ValueError: an entry is no host.
    """
    limits = limits or HttpLimits()
    reach = Reach.of(hosts, private_hosts)
    keep_quiet()
    with ExitStack() as stack:
        if resolver is None:
            resolver = stack.enter_context(closing(SystemResolver()))
        transport = ReachTransport(
            reach,
            limits=limits,
            resolver=resolver,
            network=network or httpcore.AnyIOBackend(),
            tls=tls or httpx.create_ssl_context(trust_env=False),
        )
        async with httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=True,
            max_redirects=limits.redirects,
            headers={"User-Agent": USER_AGENT},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(
                limits.read_seconds, connect=limits.connect_seconds, pool=limits.total_seconds
            ),
        ) as client:
            yield client
