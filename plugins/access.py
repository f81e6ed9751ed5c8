"""What a tool is handed for one call: all it may reach, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import httpx


class Store(Protocol):
    """Small values that outlive a call; each plugin sees only its own.

    ``Access.store`` is the user's (tenant and user), ``Setup.cache`` is shared by all users of a
    plugin and must hold nothing of any of them. Values live for ``ttl`` seconds.
    """

    async def get(self, key: str) -> bytes | None:
        """The value, or ``None``."""

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep ``value``; an older one is replaced.

        Raises:
            ToolError: the value has more than a megabyte.
        """

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        """Put ``value`` only where the present value is still ``expected`` (``None``: nothing).

        One step for every process: of two that read the same value, one succeeds. Says whether
        it did; then reading again and trying again is the way to change a value safely.

        Raises:
            ToolError: the value has more than a megabyte.
        """

    async def delete(self, key: str) -> None:
        """Forget the value, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a call is for, as far as a tool may know.

    Attributes:
        pseudonym: the same for all calls of one user; another user of any tenant has another.
        locale: language tag of the turn.
        audience: ``general``, ``minor`` or ``adult``.
        tenant: the tenant's name, as the operator uses it in a plugin's options.
    """

    pseudonym: str
    locale: str = "en"
    audience: str = "general"
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One call's means.

    Attributes:
        http: reaches the hosts of the manifest and no other; every redirect is held to the same.
        secrets: values of the secrets the manifest names.
        person: whom the call is for.
        store: the user's own values.
        now: the time, with its zone.
        progress: tells the user in a few words what is being done.
        key: the same for every attempt at one and the same call: pass it on to services that
            take an idempotency key.
    """

    http: httpx.AsyncClient
    secrets: Mapping[str, str]
    person: Person
    store: Store
    now: Callable[[], datetime]
    progress: Callable[[str], None]
    key: str
