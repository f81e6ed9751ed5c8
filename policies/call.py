"""What is known of a tool call beside what guards find in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """The ground that tool rules stand on; conditions read it as ``call``.

    Attributes:
        tool, plugin: names; ``plugin`` is empty for a tool that the caller runs itself.
        effect: ``none``, ``reversible`` or ``irreversible``; ``unknown`` for a caller's tool.
        egress: where the arguments may end up: ``none``, ``named`` or ``open`` (wherever they
            say); ``unknown`` for a caller's tool.
        influenced: whether what came from data, not from the user or the operator, may have
            shaped the call.
        untrusted: names of the arguments that neither user nor operator wrote, targets first.
        targets: those of ``untrusted`` that say where to, to whom, how much or which.
        sends: the highest class of data that the arguments hold: ``public``, ``user``,
            ``tenant`` or ``secret``.
        arguments: the parsed arguments.
        retried: whether the same turn may have done this before and nobody knows.
        tenant, user: on whose behalf, as the caller of Corral named them; empty where unknown.
    """

    tool: str
    plugin: str = ""
    effect: str = "unknown"
    egress: str = "unknown"
    influenced: bool = False
    untrusted: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    sends: str = "public"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    retried: bool = False
    tenant: str = ""
    user: str = ""
