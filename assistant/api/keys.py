"""Who a bearer key belongs to."""

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum

from pydantic import SecretStr


class Role(StrEnum):
    """What a request may do."""

    NOBODY = "nobody"
    """It has no key: only what is open to all."""
    CLIENT = "client"
    """An application of the tenant: everything but what only an operator answers for."""
    APPROVER = "approver"
    """A person who answers for the assistant: approvals, and nothing else."""
    LOCAL = "local"
    """Somebody on this machine, where there are no keys: everything."""


LOCAL_TENANT = "local"
"""The tenant of everybody when no keys are set; only loopback clients are served then."""


class Keyring:
    """Maps bearer keys to tenants, in a time that tells nothing about them."""

    def __init__(self, keys: Mapping[SecretStr, str]) -> None:
        self._tenants = tuple(
            (_digest(key.get_secret_value()), tenant) for key, tenant in keys.items()
        )

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def tenant(self, authorization: bytes) -> str | None:
        """The tenant of an ``Authorization`` header's value; ``None`` when no key fits."""
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        presented = hashlib.sha256(token.strip()).digest()
        found = None
        for digest, tenant in self._tenants:
            # No early exit: every key is compared every time.
            if hmac.compare_digest(digest, presented):
                found = tenant
        return found


LOCAL_ONLY = Keyring({})
"""No keys: clients on this machine are served, and nobody else."""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
