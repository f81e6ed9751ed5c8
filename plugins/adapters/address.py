"""Addresses that an operator configured."""

from collections.abc import Sequence
from urllib.parse import urlsplit


def host_of(url: str, private_hosts: Sequence[str]) -> str:
    """The host of an address, as a manifest names it.

    Raises:
        ValueError: Corral does not go there: a secret or a person's words would be readable.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("url is no address") from None
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        raise ValueError("url must be https://host/path, without a user or password in it")
    if parts.query or parts.fragment:
        raise ValueError("url must have no query: a key in it would be logged on the way")
    if ":" in host:
        raise ValueError("url must name its host, or an address with dots")
    port = port or (443 if parts.scheme == "https" else 80)
    if parts.scheme == "http" and f"{host}:{port}" not in private_hosts:
        raise ValueError(
            f"url must be https; for a server on your own network, name {host}:{port} in "
            "private_hosts"
        )
    return host if port in (80, 443) else f"{host}:{port}"
