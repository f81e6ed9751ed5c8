"""The HTTP application: OpenAI's interface in front of a guarded assistant."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from assistant.api import answers, approvals, docs_page, endpoints, previews, tool_list
from assistant.api.approval_request import ApprovalRequest
from assistant.api.chat_request import ChatRequest
from assistant.api.failures import ApiError, Reporter
from assistant.api.gate import OPEN_PATHS, Gate
from assistant.api.judge_request import JudgeRequest
from assistant.api.keys import Keyring
from assistant.api.metrics import Metrics
from assistant.api.moderation_request import ModerationRequest
from assistant.api.openapi import body_of, describe, stream_of
from assistant.api.parts import Parts, Tools
from assistant.api.preview_request import PreviewRequest
from assistant.bootstrap import Assistant, Progress, assemble
from assistant.clock import Clock, Ids, SystemClock, random_id
from assistant.errors import CorralError
from assistant.settings import Settings
from policies.mistakes import PolicyError

logger = logging.getLogger("corral.api")

LEAVE_SECONDS = 5.0
"""How long turns that were cancelled at shutdown may take to give back what they hold."""

_HTTP_ERRORS = {
    404: ("not_found", "there is no such path; GET /docs lists them"),
    405: ("method_not_allowed", "this path does not take that method"),
}


def create_app(settings: Settings, progress: Progress = logger.info) -> FastAPI:
    """The application whose assistant lives as long as the application runs."""
    tools = _tools(SystemClock(), random_id)
    return _application(settings, tools, lambda: assemble(settings, progress))


def build_app(assistant: Assistant, *, clock: Clock | None = None, ids: Ids = random_id) -> FastAPI:
    """The application around an assistant that somebody else started and will end."""
    tools = _tools(clock or SystemClock(), ids)

    @asynccontextmanager
    async def borrowed() -> AsyncIterator[Assistant]:
        yield assistant

    app = _application(assistant.settings, tools, borrowed)
    app.state.parts = Parts(assistant=assistant, tools=tools)
    return app


def _tools(clock: Clock, ids: Ids) -> Tools:
    metrics = Metrics(CollectorRegistry())
    reporter = Reporter(ids=ids, count=metrics.count_error)
    return Tools(clock=clock, ids=ids, metrics=metrics, reporter=reporter)


def _application(
    settings: Settings,
    tools: Tools,
    start: Callable[[], AbstractAsyncContextManager[Assistant]],
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                assistant = await stack.enter_async_context(start())
            except (CorralError, PolicyError) as error:
                # Starlette goes on to log a traceback, whose text nobody vouches for.
                logger.error("cannot start: %s", error)
                raise
            parts = Parts(assistant=assistant, tools=tools)
            app.state.parts = parts
            yield
            if not await parts.capacity.idle(LEAVE_SECONDS):
                logger.warning("%d turns were still running at the end", parts.capacity.running)

    app = FastAPI(
        title="Corral",
        version=version("corral"),
        summary="OpenAI's chat interface, guarded, policy-bound and provable.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its records would hold the text of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(
        Gate,
        keyring=Keyring(settings.api_keys),
        approvers=Keyring(settings.approver_keys),
        reporter=tools.reporter,
    )
    app.add_exception_handler(HTTPException, _http_error)
    _add_routes(app)
    _describe_once(app)
    return app


def _add_routes(app: FastAPI) -> None:
    errors: dict[int | str, dict[str, Any]] = {"default": {"model": answers.Error}}

    def add(
        path: str, endpoint: Callable[..., Any], method: str, shape: type | None, **more: Any
    ) -> None:
        success: dict[str, Any] = {"description": "The answer"}
        if shape is not None:
            success["model"] = shape
        success |= more.pop("success", {})
        summary, _, _ = (endpoint.__doc__ or "").partition("\n")
        if path in OPEN_PATHS:
            more["openapi_extra"] = {"security": []}
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_class=Response,
            response_model=None,
            responses={200: success, **errors, **more.pop("responses", {})},
            operation_id=endpoint.__name__,
            summary=summary.rstrip("."),
            tags=["assistant" if path.startswith("/v1/") else "operation"],
            **more,
        )

    add(
        "/v1/chat/completions",
        endpoints.chat_completions,
        "POST",
        answers.ChatCompletion,
        success={"content": stream_of(answers.ChatCompletionChunk)},
        openapi_extra=body_of(ChatRequest),
    )
    add(
        "/v1/moderations",
        endpoints.moderations,
        "POST",
        answers.Moderation,
        openapi_extra=body_of(ModerationRequest),
    )
    add(
        "/v1/judge",
        endpoints.judge,
        "POST",
        answers.Judgement,
        openapi_extra=body_of(JudgeRequest),
    )
    add(
        "/v1/approvals",
        approvals.approvals,
        "GET",
        answers.ApprovalList,
        openapi_extra=approvals.LIST_PARAMETERS,
    )
    add("/v1/approvals/{approval}", approvals.approval, "GET", answers.Approval)
    add(
        "/v1/approvals/{approval}",
        approvals.answer_approval,
        "POST",
        answers.ChatCompletion,
        success={"content": stream_of(answers.ChatCompletionChunk)},
        openapi_extra=body_of(ApprovalRequest),
    )
    add("/v1/tools", tool_list.tools, "GET", tool_list.ToolList)
    add(
        "/v1/images/previews",
        previews.image_previews,
        "POST",
        previews.Preview,
        openapi_extra=body_of(PreviewRequest),
    )
    add("/v1/models", endpoints.models, "GET", answers.ModelList)
    add("/v1/models/{model:path}", endpoints.model, "GET", answers.Model)
    add("/healthz", endpoints.healthz, "GET", answers.Alive)
    add(
        "/readyz",
        endpoints.readyz,
        "GET",
        answers.Ready,
        responses={503: {"model": answers.Ready}},
    )
    add("/metrics", endpoints.metrics, "GET", None, success={"content": {"text/plain": {}}})
    app.add_api_route("/docs", docs_page.docs, include_in_schema=False)
    app.add_api_route("/docs/{name}", docs_page.docs_asset, include_in_schema=False)


def _describe_once(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it


async def _http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's shape
    if not isinstance(error, HTTPException):
        raise error
    code, message = _HTTP_ERRORS.get(error.status_code, ("http_error", "the request is not valid"))
    raise ApiError(error.status_code, code, message, headers=dict(error.headers or {}))
