"""All that conformance has seen of a plugin."""

from dataclasses import dataclass, field

from plugins.conformance.script import Script
from plugins.conformance.trials import Kind, Trial
from plugins.manifest import Manifest
from plugins.tool import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the checks look at.

    Attributes:
        secrets: the values that the plugin was given, which must turn up nowhere.
    """

    manifest: Manifest
    tools: tuple[Tool, ...]
    script: Script
    trials: tuple[Trial, ...]
    secrets: dict[str, str] = field(repr=False)

    def of(self, *kinds: Kind) -> list[Trial]:
        """The trials of some kinds."""
        return [trial for trial in self.trials if trial.kind in kinds]
