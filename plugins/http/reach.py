"""Which hosts a plugin may reach: the rule alone, without a network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

import httpx

from plugins.errors import AccessDeniedError
from plugins.http.addresses import Address
from plugins.manifest import ANY_PUBLIC_HOST

_PORTS = {"http": 80, "https": 443}
_ORDINARY_PORTS = frozenset({80, 443})
_ANY_HOST_PORTS = frozenset({80, 443, 8080, 8443})

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENTRY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^:]+)(:(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a request goes.

    Attributes:
        scheme: ``http`` or ``https``.
        host: a name, or an address without brackets.
        port: as it is connected to.
        private: named by the operator as one that may be on a private network.
    """

    scheme: str
    host: str
    port: int
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The hosts that one plugin may reach. Made by :meth:`of`."""

    any_public: bool
    named: frozenset[tuple[str, int]]
    private: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, hosts: Iterable[str], private_hosts: Iterable[str] = ()) -> Self:
        """The reach that a manifest's ``hosts`` and an operator's ``private_hosts`` give.

        Args:
            hosts: names, with ``:port`` where it is neither 80 nor 443; ``"*"`` is any public
                host, on 80, 443, 8080 and 8443.
            private_hosts: ``name:port`` or ``address:port``, exactly; they may be anywhere.

        Raises:
            ValueError: an entry is none of these.
        """
        hosts = tuple(hosts)
        named: set[tuple[str, int]] = set()
        for entry in hosts:
            if entry != ANY_PUBLIC_HOST:
                host, port = _entry(entry)
                named |= {(host, each) for each in (_ORDINARY_PORTS if port is None else {port})}
        private: set[tuple[str, int]] = set()
        for entry in private_hosts:
            host, port = _entry(entry)
            if port is None:
                raise ValueError(f"private host {entry!r} needs its port, as in '127.0.0.1:8888'")
            private.add((host, port))
        return cls(
            any_public=ANY_PUBLIC_HOST in hosts,
            named=frozenset(named),
            private=frozenset(private),
        )

    def destination(self, url: httpx.URL) -> Destination:
        """Where ``url`` leads, if that may be reached.

        Raises:
            AccessDeniedError: it may not. The message names the host, and nothing after it.
        """
        if url.scheme not in _PORTS:
            raise AccessDeniedError(
                f"{url.scheme or 'no'} scheme is not allowed, only http and https"
            )
        if url.userinfo:
            raise AccessDeniedError("an address must not carry a user name or password")
        host = url.raw_host.decode("ascii")
        port = _PORTS[url.scheme] if url.port is None else url.port
        return Destination(
            scheme=url.scheme, host=host, port=port, private=self.is_private(host, port)
        )

    def is_private(self, host: str, port: int) -> bool:
        """Whether ``host`` may be reached on a private network; else only on the public one.

        Raises:
            AccessDeniedError: it may not be reached at all.
        """
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not _is_plain(host):
            raise AccessDeniedError(f"{where} is not a host name or address in its usual form")
        if (host, port) in self.private:
            return True
        if (host, port) in self.named:
            return False
        if not self.any_public:
            raise AccessDeniedError(f"{where} is not among the hosts this plugin may reach")
        if port not in _ANY_HOST_PORTS:
            raise AccessDeniedError(f"{where} is on a port other than 80, 443, 8080 and 8443")
        if as_address(host) is None and "." not in host:
            raise AccessDeniedError(f"{where} is a name of a private network")
        return False


def as_address(host: str) -> Address | None:
    """The address that ``host`` spells in its usual form, or ``None``."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_plain(host: str) -> bool:
    """Whether ``host`` is an address in its usual form or a name that no one takes for one."""
    if as_address(host) is not None:
        return "%" not in host
    labels = host.split(".")
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not _NUMBER.fullmatch(labels[-1])
    )


def _entry(entry: str) -> tuple[str, int | None]:
    match = _ENTRY.fullmatch(entry)
    host = match["host"].strip("[]") if match else ""
    port = int(match["port"]) if match and match["port"] else None
    if not _is_plain(host) or (port is not None and not 0 < port < 65_536):
        raise ValueError(
            f"{entry!r} is not a host name or address in lower case with an optional :port"
        )
    return host, port
