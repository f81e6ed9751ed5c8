"""The guard that ships inside the package: no server, no download."""

from pathlib import Path
from typing import Literal

from guards.embedded.guard import EmbeddedGuard
from guards.embedded.heads import EmbeddedGuardError
from guards.embedded.manifest import load

__all__ = ["EmbeddedGuard", "EmbeddedGuardError", "load_embedded_guard"]


def load_embedded_guard(
    tier: Literal["both", "fast"] = "both", *, name: str = "embedded"
) -> EmbeddedGuard:
    """The guard with the weights shipped beside this file.

    Args:
        tier: ``fast`` leaves out the accurate tier: less memory and time, worse judgement.
        name: of the guard, in verdicts and the decision log.

    Raises:
        EmbeddedGuardError: when they are missing, changed or unusable.
    """
    return EmbeddedGuard(load(Path(__file__).parent, accurate=tier == "both"), name=name)
