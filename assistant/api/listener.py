"""The address that is listened on, taken before anything else is started."""

import errno
import socket

from assistant.errors import SettingsError
from assistant.settings import Settings


def listen(settings: Settings) -> socket.socket:
    """A socket bound to ``host`` and ``port``; connections are refused until it is served.

    Raises:
        SettingsError: the address cannot be had, and what to do about it.
    """
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror:
        raise SettingsError("CORRAL_HOST: is no address of this machine") from None
    # "localhost" means both; clients that try IPv6 first fall back, the reverse is rarer.
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _explain(settings, error) from None
    return listener


def url(listener: socket.socket) -> str:
    """Where ``listener`` is found, as an address people can open."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain(settings: Settings, error: OSError) -> SettingsError:
    place = f"{settings.host}:{settings.port}"
    match error.errno:
        case errno.EADDRINUSE:
            return SettingsError(
                f"CORRAL_PORT: {place} is taken; end what listens there or choose another port"
            )
        case errno.EACCES:
            return SettingsError(
                f"CORRAL_PORT: {place} needs rights this user lacks; choose a port above 1023"
            )
        case errno.EADDRNOTAVAIL:
            return SettingsError(f"CORRAL_HOST: {settings.host} is no address of this machine")
        case _:
            reason = error.strerror or type(error).__name__
            return SettingsError(f"CORRAL_HOST, CORRAL_PORT: cannot listen on {place}: {reason}")
