"""What a plugin says its tools may do; the broker holds them to it."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from guards.conversation import Confidentiality


class SideEffect(StrEnum):
    """The worst a call can leave behind, mildest first."""

    NONE = "none"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Egress(StrEnum):
    """Where a call's arguments may end up outside of this deployment."""

    NONE = "none"
    NAMED = "named"
    """At hosts that the manifest names, which the operator has agreed to."""
    OPEN = "open"
    """Wherever the arguments say: an address, a recipient."""


ANY_PUBLIC_HOST = "*"
"""As the only host: any host of the public internet. Private addresses stay out of reach."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one call and on a turn.

    Attributes:
        seconds: wall-clock time of one call.
        memory_bytes: memory of a plugin's own process, where it runs in one.
        output_chars: characters of one result, everything in it taken together.
        calls_per_turn: how often one turn may call.
        at_once: calls side by side in one process of Corral; more wait.
    """

    seconds: float = 10.0
    memory_bytes: int = 256 * 1024 * 1024
    output_chars: int = 50_000
    calls_per_turn: int = 8
    at_once: int = 64

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The promise of one plugin.

    Attributes:
        name: lower case with underscores; how operators and policies call the plugin.
        version: the plugin's own.
        side_effect: the worst any of its tools leaves behind.
        description: one sentence for operators.
        hosts: host names it may reach, with ``:port`` where it is not 443 or 80; empty means no
            network, :data:`ANY_PUBLIC_HOST` alone any public host.
        reads: classes of data it reads, and so what its results may hold.
        secrets: names of the secrets it needs, never their values.
        isolated: whether it asks to run in a process of its own.
        limits: bounds on its calls.
    """

    name: str
    version: str
    side_effect: SideEffect
    description: str = ""
    hosts: tuple[str, ...] = ()
    reads: frozenset[Confidentiality] = frozenset({Confidentiality.PUBLIC})
    secrets: tuple[str, ...] = ()
    isolated: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.name or not self.version:
            raise ValueError("name and version must not be empty")
        if not _NAME.fullmatch(self.name):
            raise ValueError("name must be lower case with underscores, at most 48 characters")
        for host in self.hosts:
            if host == ANY_PUBLIC_HOST and len(self.hosts) == 1:
                continue
            if not _HOST.fullmatch(host):
                raise ValueError(
                    "hosts must be plain host names in lower case, without wildcard, scheme or "
                    'path, or "*" alone for any public host'
                )

    @property
    def egress(self) -> Egress:
        """Where its arguments may end up."""
        return egress_of(self.hosts)


def egress_of(hosts: tuple[str, ...]) -> Egress:
    """Where what is sent to ``hosts`` may end up."""
    if hosts == (ANY_PUBLIC_HOST,):
        return Egress.OPEN
    return Egress.NAMED if hosts else Egress.NONE
