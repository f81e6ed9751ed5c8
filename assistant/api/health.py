"""What load balancers and Prometheus ask; the assistant's server and the service share it."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from assistant.api.metrics import Metrics
from assistant.api.readiness import Readiness


async def alive(request: Request) -> Response:  # noqa: ARG001 - every endpoint's shape
    """That the process is alive. Nothing else is asked."""
    return _json({"status": "ok"}, 200)


async def readiness_answer(readiness: Readiness, request: Request) -> Response:
    """Whether every part is able to work. Without a key the reasons stay out."""
    parts = await readiness.parts()
    ready = all(state == "ok" for state in parts.values())
    if not request.state.tenant:
        parts = {name: state if state == "ok" else "unavailable" for name, state in parts.items()}
    body = {"status": "ready" if ready else "unavailable", "parts": parts}
    return _json(body, 200 if ready else 503)


def metrics_answer(metrics: Metrics) -> Response:
    """Counts and durations in Prometheus' text format."""
    return Response(metrics.expose(), media_type="text/plain; version=1.0.0; charset=utf-8")


def _json(body: object, status: int) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
