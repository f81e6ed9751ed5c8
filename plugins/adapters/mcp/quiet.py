"""Keeps what was asked and answered out of the protocol library's logs."""

import logging


def keep_quiet() -> None:
    """Silence the library's loggers below ``mcp``; once or often is the same.

    It logs whole messages when one cannot be parsed, and addresses of sessions at INFO. What an
    operator needs to know is logged here, as classes and names.
    """
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
