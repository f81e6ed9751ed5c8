"""What a plugin says its tools may do; the broker holds them to it."""

from dataclasses import dataclass, field
from enum import StrEnum

from guards.conversation import Confidentiality


class SideEffect(StrEnum):
    """The worst a call can leave behind."""

    NONE = "none"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one call and on a turn.

    Attributes:
        seconds: wall-clock time of one call.
        memory_bytes: resident memory of one call, where the plugin runs in its own process.
        output_chars: characters of one result.
        calls_per_turn: how often one turn may call.
    """

    seconds: float = 10.0
    memory_bytes: int = 256 * 1024 * 1024
    output_chars: int = 50_000
    calls_per_turn: int = 8

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The promise of one plugin.

    Attributes:
        name, version: the plugin's own.
        side_effect: the worst any of its tools leaves behind.
        hosts: host names it may reach; empty means no network.
        reads: classes of data it may be given.
        secrets: names of the secrets it needs, never their values.
        limits: bounds on its calls.
    """

    name: str
    version: str
    side_effect: SideEffect
    hosts: tuple[str, ...] = ()
    reads: frozenset[Confidentiality] = frozenset({Confidentiality.PUBLIC})
    secrets: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.name or not self.version:
            raise ValueError("name and version must not be empty")
        for host in self.hosts:
            if not host or "*" in host or "/" in host:
                raise ValueError("hosts must be plain host names, without wildcard, scheme or path")
