"""Moderation as an ASGI application: a panel and a policy, without a model or a memory."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assistant.api.capacity import Capacity
from assistant.api.desk import Desk
from assistant.api.failures import ApiError, Reporter
from assistant.api.gate import Gate
from assistant.api.health import alive, metrics_answer, readiness_answer
from assistant.api.keys import LOCAL_ONLY, Keyring
from assistant.api.metrics import Metrics
from assistant.api.readiness import Readiness
from assistant.clock import random_id
from guards import health
from guards.panel import Panel
from policies.bundle import Policy
from policies.moderation import Moderator, Recorder, Unrecorded

Health = Callable[[], Awaitable[dict[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """What one request may ask for, and how many are answered at once."""

    body_bytes: int = 1_048_576
    text_chars: int = 32_000
    requests: int = 512


def moderation_app(
    panel: Panel,
    policy: Policy,
    *,
    recorder: Recorder | None = None,
    keyring: Keyring | None = LOCAL_ONLY,
    locale: str = "en",
    limits: ServiceLimits | None = None,
    health_of: Health | None = None,
) -> Starlette:
    """The application. It holds nothing that must be started or closed, so it can be mounted.

    Args:
        recorder: hears of each decision before it is told; none keeps no record.
        keyring: whose keys are served. :data:`LOCAL_ONLY`, without keys, serves clients on this
            machine; ``None`` leaves it to the application that this one is mounted in.
        locale: language of the policy's words where a request and its text tell none.
        health_of: the state of further parts for ``/readyz``, each ``"ok"`` or what is wrong.
    """
    metrics = Metrics(CollectorRegistry())
    limits = limits or ServiceLimits()
    desk = Desk(
        moderator=Moderator(panel=panel, policy=policy, recorder=recorder or Unrecorded()),
        capacity=Capacity(limits.requests, observe=metrics.in_flight.set),
        observe=metrics.judged,
        ids=random_id,
        locale=locale,
        most_bytes=limits.body_bytes,
        most_chars=limits.text_chars,
    )

    async def parts() -> dict[str, str]:
        others = {} if health_of is None else await health_of()
        return {"guards": await health.state(panel), **others}

    readiness = Readiness(parts)

    async def readyz(request: Request) -> Response:
        return await readiness_answer(readiness, request)

    async def exposed(_: Request) -> Response:
        return metrics_answer(metrics)

    app = Starlette(
        routes=[
            Route("/v1/moderations", desk.moderations, methods=["POST"]),
            Route("/v1/judge", desk.judge, methods=["POST"]),
            Route("/healthz", alive, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            Route("/metrics", exposed, methods=["GET"]),
        ],
        middleware=[
            Middleware(
                Gate,
                keyring=keyring,
                reporter=Reporter(ids=random_id, count=metrics.count_error),
            )
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


_HTTP_ERRORS = {
    404: ("not_found", "there is no such path; POST /v1/moderations and /v1/judge are served"),
    405: ("method_not_allowed", "this path does not take that method"),
}


async def _http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's shape
    if not isinstance(error, HTTPException):
        raise error
    code, message = _HTTP_ERRORS.get(error.status_code, ("http_error", "the request is not valid"))
    raise ApiError(error.status_code, code, message, headers=dict(error.headers or {}))
