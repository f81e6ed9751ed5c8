"""The one way a plugin reaches the network.

:func:`open_client` gives an ``httpx.AsyncClient`` that reaches the hosts it was opened for and
nothing else: names are resolved here, every address is checked, and the connection goes to the
address that was checked.
"""

from plugins.http.client import open_client
from plugins.http.errors import LimitExceededError
from plugins.http.limits import HttpLimits
from plugins.http.reach import Destination, Reach
from plugins.http.resolver import Resolver, SystemResolver

__all__ = [
    "Destination",
    "HttpLimits",
    "LimitExceededError",
    "Reach",
    "Resolver",
    "SystemResolver",
    "open_client",
]
