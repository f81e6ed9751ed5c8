"""What the client raises beside httpx's own errors and ``AccessDeniedError``."""

import httpx


class LimitExceededError(httpx.TransportError):
    """An answer was cut because it went over a limit; the message names the limit.

    An ``httpx.HTTPError`` like any other failure on the way, so that a plugin needs to catch only
    that one.
    """
