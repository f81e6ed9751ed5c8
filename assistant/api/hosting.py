"""How uvicorn hosts the application."""

import gc
import logging
from collections.abc import Callable
from typing import Any

import uvicorn

GRACE_SECONDS = 20
"""How long turns that are running may take to finish once the server is asked to stop."""


class OneLine(logging.Filter):
    """Keeps tracebacks out: an exception's text may be somebody's words."""

    def filter(self, record: logging.LogRecord) -> bool:
        lines = record.getMessage().strip().splitlines() or [""]
        # A traceback's last line begins with the exception's class.
        told = lines[-1].partition(":")[0] if lines[0].startswith("Traceback") else lines[0]
        if record.exc_info and record.exc_info[0] is not None:
            told = f"{told} ({record.exc_info[0].__name__})"
        record.exc_info = record.exc_text = None
        record.msg, record.args = told, ()
        return True


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"one_line": {"()": "assistant.api.hosting.OneLine"}},
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain"},
        "server": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["one_line"],
        },
    },
    "loggers": {
        "corral": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn.error": {"handlers": ["server"], "level": "WARNING", "propagate": False},
    },
}


def configure(
    app: Callable[..., Any], *, factory: bool = False, workers: int = 1
) -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        loop="auto",
        http="auto",
        ws="none",
        lifespan="on",
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        # Who the client is decides whether it is served without a key: headers have no say.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=30,
    )


def settle() -> None:
    """Keep the garbage collector off what lives as long as the process.

    Call it once everything is imported. A turn makes thousands of short-lived objects, and each
    full collection they trigger would otherwise walk all modules too, in the midst of a turn.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
