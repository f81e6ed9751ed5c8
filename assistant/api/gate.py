"""What every request passes first: who it comes from, and what becomes of its errors."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.failures import JSON_TYPE, ApiError, Reporter
from assistant.api.keys import LOCAL_ONLY, LOCAL_TENANT, Keyring, Role

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
"""Served without a key, as is everything below ``/docs/``. Anything else needs one."""

APPROVALS = "/v1/approvals"
"""Where approver keys lead, with what is below it. They open nothing else."""

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})


class Gate:
    """Pure ASGI middleware: admits or refuses a request, and turns exceptions into answers.

    With keys, a request needs one. Without, it must come from this machine, and not by way of a
    web page of someone else's: neither cross-site requests nor names that merely resolve to
    loopback (DNS rebinding) are let in. Without a keyring it is somebody else's to say who is
    served: the application that this one is mounted in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keyring: Keyring | None,
        reporter: Reporter,
        approvers: Keyring = LOCAL_ONLY,
    ) -> None:
        self._app = app
        self._keyring = keyring
        self._approvers = approvers
        self._reporter = reporter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def forward(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            tenant, role = self._admitted(scope)
            scope.setdefault("state", {}).update(tenant=tenant, role=role)
            await self._app(scope, receive, forward)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the process edge: nothing gets past it
            answer, body = self._reporter.report(error)
            if not started:
                await send_error(send, answer, body)

    def _admitted(self, scope: Scope) -> tuple[str, Role]:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if self._keyring is None:
            return LOCAL_TENANT, Role.LOCAL
        if not self._keyring:
            _check_local(scope, headers)
            return LOCAL_TENANT, Role.LOCAL
        presented = _values(headers, b"authorization")
        key = presented[0] if len(presented) == 1 else b""
        tenant, approver_of = self._keyring.tenant(key), self._approvers.tenant(key)
        if tenant is not None:
            return tenant, Role.CLIENT
        # An application that is mounted finds its host's prefix in the path.
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if approver_of is not None and (path == APPROVALS or path.startswith(f"{APPROVALS}/")):
            return approver_of, Role.APPROVER
        if path in OPEN_PATHS or path.startswith("/docs/"):
            return "", Role.NOBODY
        if approver_of is not None:
            raise _forbidden(
                "approver_key", "this key answers approvals and nothing else: use an API key"
            )
        raise ApiError(
            401,
            "invalid_api_key",
            "a valid key is needed: Authorization: Bearer <key>",
            "authorization",
            {"www-authenticate": 'Bearer realm="corral"'},
        )


async def send_error(send: Send, error: ApiError, body: bytes) -> None:
    """Send ``error`` as a whole response."""
    headers = [(b"content-type", JSON_TYPE), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _check_local(scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
    client = scope.get("client")
    if client is None or not is_loopback(client[0]) or _FORWARDED.intersection(_names(headers)):
        raise _forbidden(
            "not_local", "without API keys only clients on this machine are served, directly"
        )
    hosts = _values(headers, b"host")
    if len(hosts) != 1 or not _local_host(hosts[0]):
        raise _forbidden(
            "host_not_local",
            "without API keys the Host header must be localhost or a loopback address",
        )
    origins = _values(headers, b"origin")
    own = {b"http://" + hosts[0].lower(), b"https://" + hosts[0].lower()}
    sites = _values(headers, b"sec-fetch-site")
    if any(origin.lower() not in own for origin in origins) or any(
        site not in (b"same-origin", b"none") for site in sites
    ):
        raise _forbidden(
            "cross_site", "without API keys requests of other web pages are not served"
        )


def _forbidden(code: str, message: str) -> ApiError:
    return ApiError(403, code, message)


def _names(headers: list[tuple[bytes, bytes]]) -> Iterable[bytes]:
    return (name for name, _ in headers)


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _local_host(host: bytes) -> bool:
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname
    except ValueError:
        return False
    return name is not None and (name == "localhost" or is_loopback(name))


@lru_cache(maxsize=256)
def is_loopback(address: str) -> bool:
    """Whether ``address`` is an IP address of this machine's own."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
