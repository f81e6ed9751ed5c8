"""The guard that ships inside the package: no server, no download, numpy only."""

from pathlib import Path

from guards.embedded.guard import EmbeddedGuard
from guards.embedded.model import EmbeddedGuardError, Model

__all__ = ["EmbeddedGuard", "EmbeddedGuardError", "load_embedded_guard"]


def load_embedded_guard(*, name: str = "embedded") -> EmbeddedGuard:
    """The guard with the weights shipped beside this file, called ``name``.

    Raises:
        EmbeddedGuardError: when they are missing, changed or unusable.
    """
    return EmbeddedGuard(Model.load(Path(__file__).parent), name=name)
