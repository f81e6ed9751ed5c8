"""Keeps what was asked of whom out of the logs of the libraries beneath.

httpx logs every address with its query at INFO, httpcore every header line at DEBUG. Both are
content (a search query, a person's document, a token), and whoever turns these levels on for an
application around Corral should not get them.
"""

import logging

import httpx

_ASKED = "httpx"
_CARRIED = (
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


class _HostOnly(logging.Filter):
    """Leaves scheme and host of an address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{each.scheme}://{each.host}" if isinstance(each, httpx.URL) else each
                for each in record.args
            )
        return True


class _StepOnly(logging.Filter):
    """Leaves the name of a step, without what went in and what came out."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = str(record.msg).partition(" ")[0], ()
        return True


_HOST_ONLY, _STEP_ONLY = _HostOnly(), _StepOnly()


def keep_quiet() -> None:
    """Put the filters in place; once or often is the same."""
    logging.getLogger(_ASKED).addFilter(_HOST_ONLY)
    for name in _CARRIED:
        logging.getLogger(name).addFilter(_STEP_ONLY)
