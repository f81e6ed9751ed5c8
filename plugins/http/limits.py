"""Bounds on what a server may make a plugin wait for and hold."""

from dataclasses import dataclass
from typing import Self

from plugins.manifest import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds on one request with all its redirects, and on the client.

    Attributes:
        connect_seconds: to resolve, connect and shake hands, for each connection.
        read_seconds: between two pieces of an answer.
        total_seconds: from the first byte sent to the last one read, redirects and waiting for a
            free connection included.
        response_bytes: of a body, as sent and again as unpacked.
        header_bytes: of all header lines of an answer.
        header_count: header lines of an answer.
        redirects: followed for one request.
        at_once: connections side by side; more requests wait.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 20.0
    response_bytes: int = 8 * 1024 * 1024
    header_bytes: int = 64 * 1024
    header_count: int = 100
    redirects: int = 5
    at_once: int = 32

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive")

    @classmethod
    def within(cls, limits: Limits) -> Self:
        """The bounds that fit into one call under a manifest's ``limits``."""
        return cls(
            connect_seconds=min(cls().connect_seconds, limits.seconds),
            read_seconds=limits.seconds,
            total_seconds=limits.seconds,
            at_once=limits.at_once,
        )
